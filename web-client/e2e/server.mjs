// What a scenario says to the server beside its browsers: over REST, and as agents.
import { io } from "socket.io-client";
import { PATIENCE_MS } from "./browser.mjs";

export function api(link) {
  const { origin, hash } = new URL(link);
  const key = decodeURIComponent(hash.replace(/^#key=/, ""));
  return async (method, path, body) => {
    const headers = { "content-type": "application/json", "x-api-key": key };
    const answer = await fetch(`${origin}/api/orchestration${path}`, body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} was answered ${answer.status}: ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
}

export async function until(what, look) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`it never came true that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * An agent that takes what it is offered. `work(offer, tell)` says what to do with each step, and returns outputs or nothing to keep
 * holding it; `handoff` says of one that is asked of it whether it takes it: true, or why not. `tell.resolved(handoff)` waits for what
 * becomes of a handoff that this agent asked for.
 */
export async function agent(link, id, work, handoff = () => true) {
  const call = api(link);
  const { key } = await call("POST", `/agents/${id}/keys`, {});
  const socket = io(new URL(link).origin, { auth: { token: key }, transports: ["websocket"], forceNew: true });
  const ask = (name, payload) =>
    new Promise((resolve, reject) => socket.emit(name, payload, (ack) => (ack.ok ? resolve(ack.data) : reject(new Error(`${name}: ${ack.error.detail ?? ack.error.title}`)))));
  const held = new Set();
  const resolved = new Map();
  const hold = async (offer, take) => {
    const lease = { attemptId: offer.attempt.id, epoch: offer.attempt.epoch };
    if (held.has(lease.attemptId)) return;
    held.add(lease.attemptId);
    try {
      const { leaseMs } = take ? await ask("attempt:accept", lease) : { leaseMs: 1_500 };
      const beat = setInterval(() => ask("attempt:heartbeat", lease).catch(() => clearInterval(beat)), leaseMs / 3);
      beat.unref();
      const tell = (name, payload) => ask(name, { ...lease, ...payload });
      tell.dead = () => clearInterval(beat);
      tell.resolved = ({ id: wanted }) => until(`handoff ${wanted} is resolved`, () => resolved.get(wanted));
      const outputs = await work(offer, tell);
      if (outputs !== undefined) {
        clearInterval(beat);
        await ask("attempt:complete", { ...lease, outputs });
      }
    } catch {
      // It was taken away meanwhile, or the agent failed it on purpose.
    }
  };
  socket.on("work.offered", (offer) => void hold(offer, true));
  socket.on("work.handoff_resolved", ({ handoff: each }) => each.status !== "accepted" && resolved.set(each.id, each));
  socket.on("work.handoff_requested", async ({ handoff: { id: handoffId, ...asked } }) => {
    if (held.has(handoffId)) return;
    held.add(handoffId);
    const answer = handoff(asked);
    if (answer !== true) return void ask("handoff:reject", { handoffId, reason: answer }).catch(() => {});
    await ask("handoff:accept", { handoffId }).then((taken) => hold(taken, false), () => {});
  });
  const ready = () => ask("agent:ready", { instanceId: `${id}-1`, slots: 8 });
  await new Promise((resolve) => socket.once("connect", resolve));
  await ready();
  socket.on("connect", () => void ready().catch(() => {}));
  return { ask, close: () => socket.close() };
}
