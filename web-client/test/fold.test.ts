import type { AgentHandoff, HumanIntervention, OrchestrationProcess, ProcessStep, RoomEvent } from "@baton/client";
import { describe, expect, it } from "vitest";
import { applyToInterventions, applyToProcesses, applyToProcessView, type ProcessView } from "../src/live/fold";
import { RELOAD } from "../src/live/live-store";

let seq = 0;
function event(type: string, data: object, more: Partial<RoomEvent> = {}): RoomEvent {
  return {
    id: `e${++seq}`,
    roomId: "r",
    seq,
    type,
    at: "2026-01-01T10:00:00.000000Z",
    workspaceId: "default",
    channel: "general",
    actor: { kind: "agent", id: "writer", name: "Writer" },
    data: data as Record<string, unknown>,
    ...more,
  };
}

const asked = { id: "i1", processId: "p1", type: "approval", description: "Send?", status: "pending", priority: "high", round: 1 } as HumanIntervention;

describe("the inbox", () => {
  it("takes in what is asked, and what becomes of it", () => {
    const open = applyToInterventions({}, event("intervention.requested", { ...asked, step: { id: "s1" } }));
    expect(open).toEqual({ i1: asked });
    const response = { action: "approve", providedBy: "ann", providedAt: "2026-01-01T10:00:00Z" };
    const decided = applyToInterventions(
      open as Record<string, HumanIntervention>,
      event("intervention.completed", { id: "i1", processId: "p1", status: "completed", outcome: "approved", response, step: { id: "s1" } }),
    );
    expect(decided).toMatchObject({ i1: { description: "Send?", status: "completed", outcome: "approved", response } });
    expect(decided).not.toHaveProperty("i1.step");
  });

  it("forgets who claimed it when it is released", () => {
    const claimed = { i1: { ...asked, claimedBy: "ann" } };
    const released = applyToInterventions(claimed, event("intervention.released", { id: "i1", status: "pending" }));
    expect(released).toEqual({ i1: asked });
  });

  it("shows what is asked now when the question was replaced, in another round", () => {
    const known = { i1: { ...asked, subject: "old", schema: { type: "string" } } as HumanIntervention };
    const question = { round: 2, description: "Send this one?", subject: "new", askedHash: "h2" };
    const replaced = applyToInterventions(known, event("intervention.superseded", { id: "i1", status: "pending", question }));
    expect(replaced).toEqual({ i1: { ...asked, ...question } });
  });

  it("keeps the votes when it is escalated, and is urgent from then on", () => {
    const votes = [{ by: "ann", action: "approve", round: 1, at: "2026-01-01T09:00:00Z" }];
    const known = { i1: { ...asked, votes, claimedBy: "ann" } as unknown as HumanIntervention };
    const escalated = applyToInterventions(known, event("intervention.escalated", { id: "i1", status: "pending", level: 1, assignees: ["lead"] }));
    expect(escalated).toMatchObject({ i1: { votes, level: 1, priority: "urgent", assignees: ["lead"] } });
    expect(escalated).not.toHaveProperty("i1.claimedBy");
  });

  it("adds a vote once, however often it hears of it", () => {
    const vote = { by: "ann", action: "approve", round: 1, at: "2026-01-01T10:00:00Z" };
    const voted = event("intervention.voted", { id: "i1", status: "pending", vote });
    const once = applyToInterventions({ i1: asked }, voted) as Record<string, HumanIntervention>;
    expect(applyToInterventions(once, voted)).toMatchObject({ i1: { votes: [vote] } });
  });

  it("keeps the decision when somebody answers too late, and who it was", () => {
    const decided = { i1: { ...asked, status: "completed", outcome: "approved" } as HumanIntervention };
    const vote = { by: "bob", action: "reject", round: 1, at: "2026-01-01T10:00:00Z" };
    const late = event("intervention.late_reply", { id: "i1", status: "completed", vote });
    const once = applyToInterventions(decided, late) as Record<string, HumanIntervention>;
    expect(once).toEqual({ i1: { ...decided.i1, lateReplies: [vote] } });
    expect(applyToInterventions(once, late)).toEqual(once);
  });

  it("fetches the list again for an open one that it has never seen, but not for one that is over", () => {
    expect(applyToInterventions({}, event("intervention.claimed", { id: "i9", status: "pending" }))).toBe(RELOAD);
    const none = {};
    expect(applyToInterventions(none, event("intervention.completed", { id: "i9", status: "completed" }))).toBe(none);
  });
});

const step = (id: string) => ({
  id,
  key: id,
  name: id,
  description: "",
  status: "pending",
  phase: "blocked",
  dependencies: [],
  attempts: 0,
  maxAttempts: 3,
}) as unknown as ProcessStep;
const process = {
  id: "p1",
  name: "Triage",
  status: "running",
  steps: [step("s1"), step("s2")],
  waitingOn: [] as string[],
  roomId: "r",
} as unknown as OrchestrationProcess;
const view: ProcessView = { process, interventions: {}, handoffs: {} };

function after(...events: RoomEvent[]): ProcessView {
  return events.reduce<ProcessView>((before, each) => {
    const next = applyToProcessView(before, each);
    if (next === RELOAD) throw new Error(`${each.type} asks for a reload`);
    return next;
  }, view);
}

describe("a process", () => {
  it("takes the fields of a step that changed", () => {
    const { process } = after(event("step.completed", { id: "s1", key: "s1", status: "completed", phase: null, outputs: { n: 1 }, agentId: "a" }));
    expect(process.steps[0]).toMatchObject({ status: "completed", outputs: { n: 1 }, completedAt: "2026-01-01T10:00:00.000000Z" });
    expect(process.steps[0]).not.toHaveProperty("phase");
    expect(process.steps[1]).toBe(view.process.steps[1]);
  });

  it("keeps what an agent last said of its progress", () => {
    const { process } = after(event("step.progress", { id: "s1", key: "s1", status: "running", phase: "executing", percent: 80, note: "nearly" }));
    expect(process.steps[0]).toMatchObject({ status: "running", progress: { percent: 80, note: "nearly", at: "2026-01-01T10:00:00.000000Z" } });
  });

  it("knows who holds a step, and that the end of an earlier attempt does not change it", () => {
    const attempt = (id: string, agentId: string, status: string) => ({ id, stepId: "s1", agentId, status, epoch: 1, step: { id: "s1", key: "s1", status: "running", phase: "executing" } });
    const { process } = after(
      event("assignment.offered", attempt("t1", "a", "offered")),
      event("handoff.requested", { id: "h", fromStepId: "s1", status: "pending", step: { id: "s1", status: "running", phase: "handing_off" } }),
      event("handoff.accepted", { id: "h", fromStepId: "s1", status: "accepted", attempt: attempt("t2", "b", "leased"), step: { id: "s1", status: "running", phase: "executing" } }),
      event("assignment.released", attempt("t1", "a", "released")),
    );
    expect(process.steps[0]).toMatchObject({ heldBy: "b", currentAttempt: "t2" });
  });

  it("moves a step with whatever event patches it", () => {
    const patch = { id: "s1", key: "s1", status: "running", phase: "awaiting_input" };
    const { process, interventions } = after(event("intervention.requested", { ...asked, step: patch }));
    expect(process.steps[0]).toMatchObject({ status: "running", phase: "awaiting_input" });
    expect(process.waitingOn).toEqual(["i1"]);
    expect(interventions).toHaveProperty("i1");
  });

  it("waits no longer for what is decided", () => {
    const { process } = after(
      event("intervention.requested", asked),
      event("intervention.completed", { id: "i1", processId: "p1", status: "completed", outcome: "approved" }),
    );
    expect(process.waitingOn).toEqual([]);
  });

  it("ends and says when", () => {
    const { process } = after(event("process.completed", { id: "p1", name: "Triage", status: "completed" }));
    expect(process).toMatchObject({ status: "completed", completedAt: "2026-01-01T10:00:00.000000Z" });
  });

  it("ends in the same state when events that the snapshot has already are applied again", () => {
    const events = [
      event("process.paused", { id: "p1", name: "Triage", status: "paused" }),
      event("step.started", { id: "s1", key: "s1", status: "running", phase: "executing" }),
      event("process.resumed", { id: "p1", name: "Triage", status: "running" }),
      event("step.completed", { id: "s1", key: "s1", status: "completed", phase: null }),
    ];
    const once = after(...events);
    const twice = events.reduce<ProcessView>((before, each) => applyToProcessView(before, each) as ProcessView, once);
    expect(twice).toEqual(once);
  });

  it("follows a handoff", () => {
    const handoff = { id: "h1", fromStepId: "s1", toAgentId: "b", status: "pending" } as AgentHandoff;
    const { handoffs } = after(event("handoff.requested", { ...handoff, step: step("s1") }), event("handoff.accepted", { id: "h1", status: "accepted", toAgentId: "b" }));
    expect(handoffs).toEqual({ h1: { ...handoff, status: "accepted", acceptedAt: "2026-01-01T10:00:00.000000Z" } });
  });

  it("goes on asking the others when one of several refuses a handoff", () => {
    const handoff = { id: "h1", fromStepId: "s1", candidates: ["b", "c"], status: "pending" } as unknown as AgentHandoff;
    const { handoffs } = after(
      event("handoff.requested", { ...handoff, step: step("s1") }),
      event("handoff.rejected", { id: "h1", fromStepId: "s1", status: "pending", rejectedBy: "b" }),
    );
    expect(handoffs).toEqual({ h1: { ...handoff, rejectedBy: ["b"] } });
  });

  it("takes in the step that a delegation makes, once", () => {
    const handoff = { id: "h1", fromStepId: "s1", toAgentId: "b", kind: "delegate", status: "pending" } as unknown as AgentHandoff;
    const accepted = event("handoff.accepted", { id: "h1", fromStepId: "s1", status: "accepted", toAgentId: "b", child: step("s3") });
    const { process, handoffs } = after(event("handoff.requested", { ...handoff, step: step("s1") }), accepted, accepted);
    expect(process.steps.map(({ id }) => id)).toEqual(["s1", "s2", "s3"]);
    expect(process.totalSteps).toBe(3);
    expect(handoffs).toMatchObject({ h1: { toStepId: "s3" } });
  });

  it("is fetched again after a retry, and when a step appears that it does not know", () => {
    expect(applyToProcessView(view, event("process.retried", { id: "p1", status: "running" }))).toBe(RELOAD);
    expect(applyToProcessView(view, event("step.ready", { id: "s9", status: "pending" }))).toBe(RELOAD);
  });

  it("ignores what is no part of it", () => {
    expect(applyToProcessView(view, event("message.posted", { id: "m", body: "hi" }))).toBe(view);
  });
});

describe("the list of processes", () => {
  it("takes in a new one, its end, and whether it waits for a person", () => {
    const created = applyToProcesses({}, event("process.created", process));
    const waiting = applyToProcesses(created as never, event("intervention.requested", asked, { processId: "p1" }));
    expect(waiting).toMatchObject({ p1: { waitingOn: ["i1"] } });
    expect(applyToProcesses(waiting as never, event("process.failed", { id: "p1", status: "failed" }))).toMatchObject({ p1: { status: "failed" } });
  });
});
