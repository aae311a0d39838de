import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Agent, type AgentOptions } from "../src/agent/agent.js";
import { StepFailure, StepLost, Unanswered } from "../src/agent/outcome.js";
import type { Task } from "../src/agent/task.js";
import { FakeSocket } from "./fake-socket.js";

const LEASE_MS = 30_000;

function offer(attemptId: string, fields: object = {}) {
  return {
    attempt: { id: attemptId, stepId: `step-of-${attemptId}`, epoch: 1, status: "offered", agentId: "writer" },
    step: { id: `step-of-${attemptId}`, key: "draft", name: "Draft", inputs: { topic: "bees" } },
    process: { id: "p1", name: "P", roomId: "r1", teamId: "t1" },
    context: { sharedData: {} },
    priorAnswers: [],
    idempotencyKey: "k1",
    leaseMs: LEASE_MS,
    ...fields,
  };
}
const stale = { ok: false, error: { code: "stale_lease", title: "Stale", status: 409, detail: "another holds it" } };

describe("an agent", () => {
  let socket: FakeSocket;
  let agent: Agent;
  let tasks: Task[];
  let errors: Error[];
  /** What the server says is still held. */
  let held: unknown[];
  let answers: unknown[];
  let handoffs: unknown[];
  let work: (task: Task) => ReturnType<AgentOptions["work"]>;

  const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
  const sent = (name: string) => socket.sent.filter((each) => each.name === name).map(({ payload }) => payload);

  beforeEach(() => {
    vi.useFakeTimers();
    socket = new FakeSocket();
    [tasks, errors, held, answers, handoffs] = [[], [], [], [], []];
    work = () => new Promise(() => {});
    socket.handle("agent:ready", () => ({ ok: true, data: { agent: { id: "writer" }, attempts: held, answers, handoffs } }));
    for (const name of ["attempt:accept", "attempt:heartbeat"]) socket.handle(name, () => ({ ok: true, data: { leaseMs: LEASE_MS } }));
    for (const name of ["attempt:reject", "attempt:progress", "attempt:complete", "attempt:fail", "attempt:release", "handoff:reject", "communication:respond"])
      socket.handle(name, () => ({ ok: true, data: {} }));
  });
  afterEach(async () => {
    await Promise.all([agent.stop({ timeoutMs: 1 }), settle(10)]);
    vi.useRealTimers();
  });

  async function start(options: Partial<AgentOptions> = {}) {
    agent = new Agent({
      token: "k",
      url: "http://127.0.0.1:1",
      instanceId: "writer-1",
      socket,
      random: () => 0,
      work: (task) => {
        tasks.push(task);
        return work(task);
      },
      onError: (error) => errors.push(error),
      ...options,
    });
    socket.open();
    await settle();
  }
  async function reconnect() {
    await settle(500);
    socket.open();
    await settle();
  }
  async function take(attemptId = "a1", fields: object = {}): Promise<Task> {
    socket.push("work.offered", offer(attemptId, fields));
    await settle();
    return tasks.at(-1)!;
  }

  it("says who it is, on each connection, and what it takes the place of once", async () => {
    await start({ replaces: "writer-0", slots: 2, capabilities: ["write"] });
    expect(socket.auth).toEqual({ token: "k", instanceId: "writer-1" });
    expect((await agent.ready()).id).toBe("writer");
    socket.drop();
    await reconnect();
    const own = { instanceId: "writer-1", slots: 2, capabilities: ["write"] };
    expect(sent("agent:ready")).toEqual([{ ...own, replaces: "writer-0" }, own]);
  });

  it("tries to be ready again when the server is busy, and fails when it never may", async () => {
    let asked = 0;
    socket.handle("agent:ready", () => ({ ok: false, error: { code: ++asked === 1 ? "unavailable" : "forbidden", title: "No", status: 503 } }));
    await start();
    await settle(500);
    await expect(agent.ready()).rejects.toMatchObject({ code: "forbidden" });
    expect(errors).toHaveLength(1);
  });

  it("accepts an offer once, however often it comes, and completes with what the work returns", async () => {
    await start();
    work = async (task) => {
      await task.progress(50, "half");
      return { topic: task.inputs.topic! };
    };
    socket.push("work.offered", offer("a1"));
    socket.push("work.offered", offer("a1"));
    await settle();
    socket.push("work.offered", offer("a1"));
    await settle();
    expect(sent("attempt:accept")).toMatchObject([{ attemptId: "a1", epoch: 1 }]);
    expect(sent("attempt:progress")).toMatchObject([{ attemptId: "a1", epoch: 1, percent: 50, note: "half" }]);
    expect(sent("attempt:complete")).toMatchObject([{ attemptId: "a1", epoch: 1, outputs: { topic: "bees" } }]);
    expect(agent.tasks).toEqual([]);
  });

  it("sends a heartbeat at a third of the lease while it works, and none afterwards", async () => {
    await start();
    let finish = () => {};
    work = () => new Promise<void>((resolve) => (finish = resolve));
    await take();
    await settle(LEASE_MS);
    expect(sent("attempt:heartbeat")).toEqual([1, 2, 3].map(() => ({ attemptId: "a1", epoch: 1 })));
    finish();
    await settle(LEASE_MS);
    expect(sent("attempt:heartbeat")).toHaveLength(3);
  });

  it("refuses what it does not want, with its reason", async () => {
    await start({ wants: ({ step }) => step.key !== "draft" || "I only review" });
    await take();
    expect(tasks).toEqual([]);
    expect(sent("attempt:reject")).toMatchObject([{ attemptId: "a1", epoch: 1, reason: "I only review" }]);
  });

  it("is not troubled by an offer that went to somebody else", async () => {
    socket.handle("attempt:accept", () => stale);
    await start();
    await take();
    expect([tasks, errors]).toEqual([[], []]);
  });

  it.each([
    ["a StepFailure as it is", new StepFailure("no_source", "There is nothing to read", { retryable: false }), { code: "no_source", message: "There is nothing to read", retryable: false }],
    ["anything else as an agent_error", new Error("boom"), { code: "agent_error", message: "boom", retryable: true }],
    ["what is no Error too", "boom", { code: "agent_error", message: "boom", retryable: true }],
  ])("reports %s", async (_what, thrown, error) => {
    await start();
    work = () => Promise.reject(thrown);
    await take();
    expect(sent("attempt:fail")).toMatchObject([{ attemptId: "a1", epoch: 1, error }]);
    expect(errors).toEqual([]);
  });

  it("stops the work on what is cancelled, and reports nothing", async () => {
    await start();
    work = (task) => new Promise((_, reject) => task.signal.addEventListener("abort", () => reject(task.signal.reason)));
    const task = await take();
    socket.push("work.cancelled", { attemptId: "a1", stepId: "s", reason: "the process was cancelled" });
    await settle();
    expect(task.signal.reason).toBeInstanceOf(StepLost);
    expect(task.signal.reason).toMatchObject({ reason: "cancelled", message: "the process was cancelled" });
    expect([sent("attempt:fail"), sent("attempt:complete"), errors]).toEqual([[], [], []]);
    await expect(task.progress(1)).rejects.toBeInstanceOf(StepLost);
  });

  it.each(["attempt:heartbeat", "attempt:progress", "attempt:complete"])("lets go of the step when %s is answered stale_lease", async (name) => {
    socket.handle(name, () => stale);
    await start();
    let failed: unknown;
    work = async (task) => {
      try {
        if (name === "attempt:progress") await task.progress(1);
        if (name === "attempt:heartbeat") await new Promise((_, reject) => task.signal.addEventListener("abort", () => reject(task.signal.reason)));
      } catch (error) {
        failed = error;
        throw error;
      }
    };
    const task = await take();
    await settle(LEASE_MS);
    expect(task.signal.reason).toMatchObject({ reason: "stale" });
    if (name !== "attempt:complete") expect(failed).toBeInstanceOf(StepLost);
    expect([sent("attempt:fail"), errors]).toEqual([[], []]);
  });

  it("asks a human and gets the answer once, however often it comes", async () => {
    await start();
    socket.handle("intervention:request", () => ({ ok: true, data: { intervention: { id: "i1", status: "pending" } } }));
    const got: unknown[] = [];
    work = async (task) => {
      got.push(await task.ask({ type: "approval", key: "draft", description: "Publish?" }));
    };
    await take();
    expect(sent("intervention:request")).toMatchObject([{ attemptId: "a1", epoch: 1, mode: "hold", key: "draft" }]);
    const acks: unknown[] = [];
    const answered = { attemptId: "a1", intervention: { id: "i1" }, response: { action: "approve" } };
    socket.push("work.answered", answered, (ack) => acks.push(ack));
    socket.push("work.answered", answered, (ack) => acks.push(ack));
    await settle();
    expect(got).toEqual([{ action: "approve" }]);
    expect(acks).toEqual([{ ok: true }, { ok: true }]);
    expect(sent("attempt:complete")).toHaveLength(1);
  });

  it("gets an answer that overtakes the ack of its question", async () => {
    await start();
    socket.handle("intervention:request", () => {
      socket.push("work.answered", { attemptId: "a1", intervention: { id: "i1" }, response: { action: "approve" } });
      return { ok: true, data: { intervention: { id: "i1", status: "pending" } } };
    });
    work = async (task) => ({ action: (await task.ask({ type: "approval", description: "Publish?" })).action });
    await take();
    expect(sent("attempt:complete")).toMatchObject([{ outputs: { action: "approve" } }]);
  });

  it("gets the answer that came while it was away with its ready", async () => {
    await start();
    socket.handle("intervention:request", () => ({ ok: true, data: { intervention: { id: "i1", status: "pending" } } }));
    work = async (task) => ({ action: (await task.ask({ type: "approval", description: "Publish?" })).action });
    await take();
    socket.drop();
    held = [offer("a1")];
    answers = [{ attemptId: "a1", intervention: { id: "i1" }, response: { action: "reject" } }];
    await reconnect();
    expect(sent("attempt:complete")).toMatchObject([{ outputs: { action: "reject" } }]);
    expect(tasks).toHaveLength(1);
  });

  it("begins what it still holds anew after a restart, and its question then has its answer", async () => {
    held = [offer("a1")];
    answers = [{ attemptId: "a1", intervention: { id: "i1" }, response: { action: "approve" } }];
    socket.handle("intervention:request", () => ({
      ok: true,
      data: { intervention: { id: "i1", status: "completed" }, response: { action: "approve" } },
    }));
    work = async (task) => ({ action: (await task.ask({ type: "approval", key: "draft", description: "Publish?" })).action });
    await start();
    expect(sent("attempt:accept")).toEqual([]);
    expect(sent("attempt:complete")).toMatchObject([{ attemptId: "a1", outputs: { action: "approve" } }]);
  });

  it("hears that nobody will answer", async () => {
    await start();
    let status = "pending";
    socket.handle("intervention:request", () => ({ ok: true, data: { intervention: { id: "i1", status } } }));
    let heard: unknown;
    work = (task) => task.ask({ type: "input", description: "How many?" }).then(() => {}, (error: unknown) => void (heard = error));
    await take();
    status = "cancelled";
    await settle(LEASE_MS);
    expect(heard).toBeInstanceOf(Unanswered);
  });

  it("lets go of a step that it suspends, without an end", async () => {
    await start();
    socket.handle("intervention:request", () => ({ ok: true, data: { intervention: { id: "i1", status: "pending" } } }));
    work = async (task) => void (await task.ask({ type: "input", description: "How many?", mode: "suspend" }));
    const task = await take();
    expect(sent("intervention:request")).toMatchObject([{ mode: "suspend" }]);
    expect(task.signal.reason).toMatchObject({ reason: "suspended" });
    expect(agent.tasks).toEqual([]);
    expect([sent("attempt:complete"), sent("attempt:fail"), errors]).toEqual([[], [], []]);
  });

  it("goes on with its work over a lost connection, and loses what the server no longer names", async () => {
    await start();
    const kept = await take("a1");
    const lost = await take("a2");
    socket.drop();
    held = [offer("a1")];
    await reconnect();
    expect(kept.signal.aborted).toBe(false);
    expect(lost.signal.reason).toMatchObject({ reason: "stale" });
    expect(tasks).toHaveLength(2);
  });

  it("delivers a result that was under way when the network went", async () => {
    await start();
    socket.handle("attempt:complete", () => new Promise(() => {}));
    let finish = () => {};
    work = () => new Promise<void>((resolve) => (finish = resolve));
    const task = await take();
    finish();
    await settle();
    const first = socket.last("attempt:complete").payload.commandId;
    socket.drop();
    socket.handle("attempt:complete", () => ({ ok: true, data: { stepId: "s", key: "draft" } }));
    held = []; // it was executed: only the ack was lost
    await reconnect();
    expect(sent("attempt:complete").map(({ commandId }) => commandId)).toEqual([first, first]);
    expect(task.signal.aborted).toBe(false);
    expect(agent.tasks).toEqual([]);
  });

  it("hands over: goes on when refused, and ends without a result when accepted", async () => {
    await start();
    socket.handle("handoff:request", () => ({ ok: true, data: { handoff: { id: "h1", status: "pending" } } }));
    const ends: string[] = [];
    work = async (task) => {
      ends.push((await task.handOver({ toAgentId: "second", reason: "yours" })).status);
      if (task.signal.aborted) return;
      ends.push((await task.handOver({ toAgentId: "third", reason: "yours" })).status);
      return { never: "sent" };
    };
    await take();
    expect(sent("handoff:request")).toMatchObject([{ attemptId: "a1", epoch: 1, kind: "transfer", toAgentId: "second" }]);
    socket.handle("handoff:request", () => ({ ok: true, data: { handoff: { id: "h2", status: "pending" } } }));
    socket.push("work.handoff_resolved", { handoff: { id: "h1", status: "rejected", fromStepId: "step-of-a1" } });
    await settle();
    socket.push("work.handoff_resolved", { handoff: { id: "h2", status: "accepted", fromStepId: "step-of-a1" } });
    await settle();
    expect(ends).toEqual(["rejected", "accepted"]);
    expect(sent("attempt:complete")).toEqual([]);
    expect(tasks[0]!.signal.reason).toMatchObject({ reason: "handed_over" });
  });

  it("delegates and waits until the part has ended, not until it was accepted", async () => {
    await start();
    socket.handle("handoff:request", () => ({ ok: true, data: { handoff: { id: "h1", status: "pending" } } }));
    work = async (task) => ({ part: (await task.delegate({ toAgentId: "second", reason: "a part" })).status });
    await take();
    socket.push("work.handoff_resolved", { handoff: { id: "h1", status: "accepted", fromStepId: "step-of-a1" } });
    await settle();
    expect(sent("attempt:complete")).toEqual([]);
    socket.push("work.handoff_resolved", { handoff: { id: "h1", status: "completed", fromStepId: "step-of-a1" } });
    await settle();
    expect(sent("attempt:complete")).toMatchObject([{ outputs: { part: "completed" } }]);
  });

  it("takes what is handed over, with the sender's context, and refuses what it does not want", async () => {
    socket.handle("handoff:accept", ({ handoffId }) => {
      const { context, ...rest } = offer("a7");
      return { ok: true, data: { ...rest, handoff: { id: handoffId, context: { summary: "half done" } }, context: { summary: "half done" }, processContext: context } };
    });
    await start({ wantsHandoff: ({ reason }) => reason !== "dull" || "too dull" });
    socket.push("work.handoff_requested", { handoff: { id: "h1", reason: "yours" } });
    socket.push("work.handoff_requested", { handoff: { id: "h2", reason: "dull" } });
    await settle();
    expect(tasks).toHaveLength(1);
    expect(tasks[0]!.handoff?.context).toEqual({ summary: "half done" });
    expect(tasks[0]!.context).toEqual({ sharedData: {} });
    expect(sent("handoff:reject")).toMatchObject([{ handoffId: "h2", reason: "too dull" }]);
  });

  it("answers another agent's question once", async () => {
    await start({ onMessage: ({ message }) => `you said ${message}` });
    const communication = { id: "c1", fromAgentId: "second", toAgentId: "writer", processId: "p1", message: "how?", type: "question" };
    socket.push("work.message", { communication });
    socket.push("work.message", { communication });
    await settle();
    expect(sent("communication:respond")).toMatchObject([{ communicationId: "c1", message: "you said how?" }]);
  });

  it("claims work by itself", async () => {
    await start();
    socket.handle("work:claim", () => ({ ok: true, data: { attempts: [offer("a1"), offer("a2")] } }));
    const claimed = agent.claim(2);
    await settle();
    expect(await claimed).toBe(2);
    expect(tasks.map(({ attemptId }) => attemptId)).toEqual(["a1", "a2"]);
  });

  it("stops in good order: refuses what is new, lets what can end do so, gives back the rest", async () => {
    await start();
    let finish = () => {};
    work = (task) => (task.attemptId === "a1" ? new Promise<void>((resolve) => (finish = resolve)) : new Promise<void>(() => {}));
    await take("a1");
    const rest = await take("a2");
    const stopped = agent.stop({ graceMs: 1_000 });
    socket.push("work.offered", offer("a3"));
    await settle(500);
    finish();
    await settle(1_000);
    await stopped;
    expect(sent("attempt:reject")).toMatchObject([{ attemptId: "a3" }]);
    expect(sent("attempt:complete")).toMatchObject([{ attemptId: "a1" }]);
    expect(sent("attempt:release")).toMatchObject([{ attemptId: "a2", reason: "the agent stops" }]);
    expect(rest.signal.reason).toMatchObject({ reason: "released" });
    expect(socket.connected).toBe(false);
    expect(errors).toEqual([]);
  });

  it("ends when its key is revoked, and lets go of everything", async () => {
    await start();
    const task = await take();
    socket.push("session.closed", { code: "revoked", reconnect: false });
    expect(task.signal.aborted).toBe(true);
    expect(errors).toHaveLength(1);
  });
});
