import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Agent } from "../src/agent/agent.js";
import type { Task } from "../src/agent/task.js";
import { FakeSocket } from "./fake-socket.js";
import { randomFrom } from "./random.js";

const LEASE_MS = 3_000;
const STEPS = 8;

interface Attempt {
  id: string;
  step: number;
  status: "offered" | "leased" | "over";
  leaseUntil: number;
}

/** As much of a server as an agent meets: offers that are repeated, leases that run out, one accepted result per step. */
class FakeHub {
  readonly attempts: Attempt[] = [];
  readonly results: string[][] = Array.from({ length: STEPS }, () => []);
  readonly answered = new Map<number, { id: string; response?: object }>();
  readonly #ids = new Map<unknown, unknown>();
  readonly #socket: FakeSocket;
  readonly #lost: () => boolean;

  constructor(socket: FakeSocket, lost: () => boolean) {
    this.#socket = socket;
    this.#lost = lost;
    socket.handle("agent:ready", () => this.#reply({ agent: { id: "w" }, attempts: this.attempts.filter(({ status }) => status === "leased").map(work), answers: [], handoffs: [] }));
    this.#command("attempt:accept", (attempt) => {
      if (attempt.status === "over") return undefined;
      attempt.status = "leased";
      attempt.leaseUntil = Date.now() + LEASE_MS;
      return { leaseMs: LEASE_MS };
    });
    this.#command("attempt:heartbeat", (attempt) => {
      if (attempt.status !== "leased") return undefined;
      attempt.leaseUntil = Date.now() + LEASE_MS;
      return { leaseMs: LEASE_MS };
    });
    this.#command("attempt:complete", (attempt, { outputs }) => {
      if (attempt.status !== "leased") return undefined;
      attempt.status = "over";
      this.results[attempt.step]?.push(String((outputs as { answer: string }).answer));
      return { stepId: "s", key: "k" };
    });
    this.#command("intervention:request", (attempt) => {
      if (attempt.status !== "leased") return undefined;
      const question = this.answered.get(attempt.step) ?? { id: `question-${attempt.step}` };
      this.answered.set(attempt.step, question);
      return { intervention: { id: question.id, status: question.response ? "completed" : "pending" }, ...(question.response ? { response: question.response } : {}) };
    });
  }

  /** Once a second, as the sweep does: what was not taken is told again, and what ran out is given anew. */
  tick(): void {
    for (const attempt of this.attempts) if (attempt.status === "leased" && attempt.leaseUntil < Date.now()) attempt.status = "over";
    for (let step = 0; step < STEPS; step++) {
      const live = this.attempts.some((each) => each.step === step && each.status !== "over");
      if (!live && this.results[step]?.length === 0) this.attempts.push({ id: `attempt-${this.attempts.length}`, step, status: "offered", leaseUntil: 0 });
    }
    if (!this.#socket.connected) return;
    for (const attempt of this.attempts) {
      if (attempt.status === "offered" && !this.#lost()) this.#socket.push("work.offered", work(attempt));
      const question = this.answered.get(attempt.step);
      if (attempt.status === "leased" && question?.response && !this.#lost()) {
        this.#socket.push("work.answered", { attemptId: attempt.id, intervention: { id: question.id }, response: question.response });
      }
    }
  }

  answer(): void {
    for (const [step, question] of this.answered) question.response ??= { action: "answer", value: `answer ${step}` };
  }

  #command(name: string, execute: (attempt: Attempt, payload: Record<string, unknown>) => object | undefined): void {
    this.#socket.handle(name, (payload) => {
      if (this.#lost()) return new Promise(() => {}); // on the way there
      const { commandId, attemptId } = payload;
      if (commandId !== undefined && this.#ids.has(commandId)) return this.#ids.get(commandId);
      const attempt = this.attempts.find(({ id }) => id === attemptId);
      const data = attempt && execute(attempt, payload);
      if (!data) return { ok: false, error: { code: "stale_lease", title: "Stale", status: 409 } };
      this.#ids.set(commandId, { ok: true, data });
      return this.#reply(data);
    });
  }

  #reply(data: object): unknown {
    return this.#lost() ? new Promise(() => {}) : { ok: true, data };
  }
}

function work({ id, step }: Attempt) {
  return {
    attempt: { id, epoch: 1, agentId: "w", stepId: `step-${step}` },
    step: { id: `step-${step}`, key: `step-${step}`, inputs: {} },
    process: { id: "p", name: "P", roomId: "r", teamId: "t" },
    context: {},
    priorAnswers: [],
    idempotencyKey: `key-${step}`,
    leaseMs: LEASE_MS,
  };
}

describe("an agent under a bad network", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it.each(Array.from({ length: 60 }, (_, index) => index + 1))("gets every step done once, with its human's answer (seed %i)", async (seed) => {
    const random = randomFrom(seed);
    const chance = (share: number) => random() < share;
    let bad = 0.12;
    const socket = new FakeSocket();
    const hub = new FakeHub(socket, () => chance(bad));
    const running = new Map<string, number>();
    const twice: string[] = [];
    const agent = new Agent({
      token: "k",
      url: "http://127.0.0.1:1",
      socket,
      random,
      onError: () => {},
      async work(task: Task) {
        const held = (running.get(task.attemptId) ?? 0) + 1;
        running.set(task.attemptId, held);
        if (held > 1) twice.push(task.attemptId);
        await new Promise((resolve) => setTimeout(resolve, random() * 4_000));
        const { value } = await task.ask({ type: "input", key: "q", description: "?" });
        return { answer: value ?? null };
      },
    });
    const done = () => hub.results.every(({ length }) => length > 0);
    for (let second = 0; second < 400 && !done(); second++) {
      if (second > 60) bad = 0; // the network is good again
      if (!socket.connected && socket.dialling > 0) {
        if (chance(0.6)) socket.open();
        else socket.refuse("websocket error");
      }
      if (bad > 0 && chance(0.1)) socket.drop();
      hub.tick();
      if (chance(0.3)) hub.answer();
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(hub.results).toEqual(Array.from({ length: STEPS }, (_, step) => [`answer ${step}`]));
    expect(twice).toEqual([]);
    const stopped = agent.stop({ timeoutMs: 10 });
    await vi.advanceTimersByTimeAsync(100);
    await stopped;
  });
});
