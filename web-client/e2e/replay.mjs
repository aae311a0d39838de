import assert from "node:assert";
import { createServer } from "vite";
import { becomes, check, withPage } from "./browser.mjs";
import { eventful } from "./eventful.mjs";
import { seed } from "./seed.mjs";
import { api } from "./server.mjs";

/** Clocks that the server derives, which no event tells. */
const DERIVED = new Set(["elapsedMs", "runningSince"]);

/** A process shown at any seq is as the log says it was; and folded to the end it is what the server has. */
export async function replay(link) {
  const call = api(link);
  const made = await seed(link);
  const all = await eventful(link);
  // The page's own code, to hold every moment of every process against its log, and not only those that a browser has time for.
  const vite = await createServer({ root: new URL("..", import.meta.url).pathname, configFile: false, logLevel: "error", server: { middlewareMode: true, hmr: false, ws: false }, optimizeDeps: { noDiscovery: true } });
  try {
    const approval = made.open.find(({ schema, type }) => type === "approval" && !schema);
    await call("PUT", `/interventions/${approval.id}`, { action: "approve" });
    const refund = made.open.find(({ schema }) => schema?.title === "Refund");
    await call("PUT", `/interventions/${refund.id}`, { action: "modify", modifications: { amount: 90, reason: "goodwill" } });
    await call("PUT", `/processes/${made.failed.id}`, { action: "retry" });
    await call("PUT", `/processes/${made.long.id}`, { action: "pause", mode: "interrupt" });
    await call("PUT", `/processes/${made.long.id}`, { action: "resume" });
    await call("PUT", `/processes/${made.route.id}`, { action: "cancel", reason: "found again" });

    const { replay: fold, applyEvent } = await vite.ssrLoadModule("/src/live/replay.ts");
    const { items } = await call("GET", "/processes?limit=200");
    for (const { id, name } of items) {
      const [events, server] = await unmoved(call, id);
      assert.deepStrictEqual(plain(shown(fold(events))), plain(server), `${name}: the fold over ${events.length} events is not what the server has`);
      let state;
      for (const [index, event] of events.entries()) {
        state = applyEvent(state, event);
        if (state) assert.deepStrictEqual(statusesIn(state.process.steps), statuses(events.slice(0, index + 1)), `${name} at event ${event.seq}`);
      }
    }
    const happened = new Set((await log(call, all.process.id)).map(({ type }) => type));
    for (const type of ALL) check(happened.has(type), `${type} has not happened, so it was not replayed`);
    console.log(`${items.length} processes folded; in one of them ${happened.size} kinds of event`);

    await withPage(link, async (page, { origin }) => {
      for (const { id } of [made.article, all.process]) {
        const [events] = await unmoved(call, id);
        for (const seq of [2, Math.floor(events.length / 3), Math.floor((events.length * 2) / 3), events.length]) {
          await page.goto(`${origin}/processes/${id}?at=${seq}`);
          await page.waitForSelector(`[data-replayed='${seq}']`);
          await page.waitForSelector(".react-flow [data-step]");
          const drawn = async () => Object.fromEntries(await page.locator(".react-flow [data-step]").evaluateAll((steps) => steps.map(({ dataset }) => [dataset.step, dataset.status])));
          await becomes(`the graph at event ${seq}`, drawn, statuses(events.slice(0, seq)));
          await becomes("the timeline's last event", async () => Number(await page.locator("[role=log]").getAttribute("data-last")), seq);
        }
      }
    });
  } finally {
    await vite.close();
    made.close();
    all.close();
  }
}

/** What has to have happened for the test to mean something. */
const ALL = [
  "process.created", "process.started", "process.paused", "process.resumed", "process.completed",
  "step.ready", "step.started", "step.retry_scheduled", "step.completed", "step.failed", "step.skipped",
  "assignment.offered", "assignment.accepted", "assignment.expired", "assignment.suspended",
  "handoff.requested", "handoff.accepted", "handoff.rejected", "handoff.completed",
  "intervention.requested", "intervention.commented", "intervention.claimed", "intervention.released", "intervention.assigned",
  "intervention.escalated", "intervention.voted", "intervention.superseded", "intervention.completed", "intervention.late_reply",
];

/** What a page shows of a process, as the server gives it. */
function shown({ process, handoffs, interventions }) {
  return { process, handoffs: sorted(Object.values(handoffs)), interventions: sorted(Object.values(interventions)) };
}

function sorted(items) {
  return [...items].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The log, and what the server has, at one and the same moment. */
async function unmoved(call, id) {
  for (;;) {
    const before = await log(call, id);
    const process = await call("GET", `/processes/${id}`);
    const [handoffs, interventions] = await Promise.all(["handoffs", "interventions"].map(async (what) => (await call("GET", `/processes/${id}/${what}?limit=200`)).items));
    if ((await log(call, id)).length === before.length) return [before, { process, handoffs: sorted(handoffs), interventions: sorted(interventions) }];
  }
}

async function log(call, id) {
  const events = [];
  for (let more = true; more; ) {
    const page = await call("GET", `/processes/${id}/events?since=${events.length}&limit=500`);
    events.push(...page.items);
    more = page.more;
  }
  return events;
}

function statusesIn(steps) {
  return Object.fromEntries(steps.map(({ key, status }) => [key, status]));
}

/** Each step's status by the last event that names one, without any of the page's code. */
function statuses(events) {
  const keys = new Map();
  const found = {};
  const appear = (step) => {
    keys.set(step.id, step.key);
    found[step.key] = step.status;
  };
  for (const { type, data } of events) {
    if (type === "process.created") data.steps.forEach(appear);
    if (data.child) appear(data.child);
    for (const id of data.reset ?? []) found[keys.get(id)] = "pending";
    const patch = type.startsWith("step.") ? data : data.step;
    if (patch?.status) found[keys.get(patch.id)] = patch.status;
  }
  return found;
}

function plain(value) {
  return JSON.parse(JSON.stringify(value, (name, each) => (DERIVED.has(name) ? undefined : each)));
}
