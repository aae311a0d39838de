import type { ProcessStep, RoomEvent } from "@baton/client";
import { describe, expect, it } from "vitest";
import { EventIndex } from "../src/room/index-of-events";
import { describe as lineOf, namesIn } from "../src/room/describe";

let seq = 0;
function event(type: string, data: Record<string, unknown>, actor: RoomEvent["actor"] = { kind: "agent", id: "writer", name: "writer" }): RoomEvent {
  return { id: `e${++seq}`, roomId: "r", seq, type, at: "2026-01-01T10:00:00.000000Z", workspaceId: "default", channel: "general", actor, data };
}
const system = { kind: "system", id: "baton", name: "baton" } as const;
const names = namesIn(
  [event("process.created", { steps: [{ id: "s1", name: "Draft" }] }), event("intervention.requested", { id: "i1", description: "Send?" })],
  [{ id: "s2", name: "Publish" } as ProcessStep],
);
const said = (each: RoomEvent) => {
  const { who, text } = lineOf(each, names);
  return who === undefined ? text : `${who} ${text}`;
};

describe("a line of the timeline", () => {
  it.each<[RoomEvent, string]>([
    [event("process.started", {}, system), "The process was started"],
    [event("process.paused", {}, { kind: "user", id: "ann", name: "Ann" }), "Ann paused the process"],
    [event("process.completed", {}), "The process completed"],
    [event("step.ready", { id: "s2", key: "publish" }, system), "Publish is ready"],
    [event("step.progress", { id: "s1", percent: 33.4, note: "halfway" }), "writer Draft 33 %: halfway"],
    [event("step.completed", { id: "s1" }), "writer completed Draft"],
    [event("step.ready", { id: "s7", key: "unheard_of" }, system), "Unheard_of is ready"],
    [event("assignment.offered", { stepId: "s1", agentId: "writer" }, system), "Draft offered to writer"],
    [event("assignment.expired", { stepId: "s1", agentId: "writer" }, system), "writer lost Draft: its lease expired"],
    [event("handoff.requested", { stepId: "s1", candidates: ["a", "b"] }), "writer wants to hand Draft over to a, b"],
    [event("communication.sent", { fromAgentId: "a", toAgentId: "b", message: "?" }), "a to b"],
    [event("communication.responded", { fromAgentId: "a", toAgentId: "b", response: { message: "!" } }), "b answers a"],
    [event("room.participant_joined", { id: "a", role: "participant" }), "a joined as participant"],
    [event("message.posted", { body: "hi", kind: "question" }), "writer asks"],
    [event("intervention.voted", { id: "i1", vote: { by: "ann", action: "approve" } }, { kind: "user", id: "ann", name: "Ann" }), "Ann voted “approve”: Send?"],
    [event("intervention.assigned", { id: "i1", assignees: ["bob"], delegatedBy: "ann" }, { kind: "user", id: "ann", name: "Ann" }), "Ann passed on to bob: Send?"],
    [event("intervention.superseded", { id: "i1", question: { description: "Send this?" } }), "writer changed what is asked: Send this?"],
    [event("alert.raised", { message: "A step lost its lease", severity: "medium" }, system), "A step lost its lease"],
    [event("alert.acknowledged", { acknowledgedBy: "ann" }, { kind: "user", id: "ann", name: "Ann" }), "Ann has seen the alert"],
    [event("alert.resolved", { resolved: true }, system), "The alert is resolved"],
  ])("reads as a person would say it: %#", (each, text) => {
    expect(said(each)).toBe(text);
  });

  it("names the decision, who took it and what was asked, and leads to it", () => {
    const decided = event("intervention.completed", {
      id: "i1",
      status: "completed",
      outcome: "rejected",
      response: { action: "reject", providedBy: "ann", comments: "Too **long**" },
    });
    expect(lineOf(decided, names)).toMatchObject({ who: "ann", text: "rejected: Send?", body: "Too **long**", to: "/inbox/i1", tone: "bad" });
  });

  it("shows a type that it has never heard of as it is, whatever its data", () => {
    expect(said(event("novelty.appeared", {}))).toBe("writer novelty.appeared");
    expect(said(event("custom.deploy", { version: 3 }))).toBe("writer broadcast deploy");
    for (const type of ["step.invented", "assignment.invented", "handoff.invented", "intervention.invented", "process.invented", "room.invented"]) {
      expect(said(event(type, {})).toLowerCase()).toContain("invented");
    }
  });
});

describe("what rows need of each other", () => {
  it("is what a message says now, how often it was answered, and nothing of what was let go", () => {
    const posted = event("message.posted", { id: "m1", body: "first" });
    const answer = event("message.posted", { id: "m2", body: "second", replyTo: "m1" });
    const index = new EventIndex([posted, answer, event("message.edited", { id: "m1", body: "better" }), event("message.removed", { id: "m2" })]);
    expect(index.replies("m1")).toBe(1);
    expect(index.said("m1")).toEqual({ who: "writer", text: "first" });
    expect([index.now("m1"), index.now("m2"), index.now("m3")]).toEqual(["better", null, undefined]);
    index.remove([posted]);
    expect(index.said("m1")).toBeUndefined();
  });
});
