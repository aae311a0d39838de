import type { HumanIntervention } from "@baton/client";
import { describe, expect, it } from "vitest";
import { belongsTo, openOnes } from "../src/inbox/order";
import { parseText, textOf } from "../src/inbox/subject-text";
import { keyInFragment, keyInText } from "../src/session/key";
import { duration } from "../src/ui/time";

const asked = (id: string, fields: Partial<HumanIntervention> = {}) => ({
  id,
  processId: "p",
  type: "approval",
  description: id,
  status: "pending",
  priority: "medium",
  requestedBy: { kind: "agent", id: "a", name: "A" },
  requestedAt: "2026-01-01T10:00:00.000000Z",
  round: 1,
  ...fields,
}) as HumanIntervention;

describe("the order of the inbox", () => {
  it("is by due time, then priority, then age, and holds the open ones only", () => {
    const all = [
      asked("old", { requestedAt: "2026-01-01T09:00:00.000000Z" }),
      asked("young"),
      asked("urgent", { priority: "urgent" }),
      asked("later", { dueAt: "2026-01-01T12:00:00.000000Z", priority: "urgent" }),
      asked("soon", { dueAt: "2026-01-01T11:00:00.200000Z", priority: "low" }),
      asked("soon-high", { dueAt: "2026-01-01T11:00:00.700000Z", priority: "high" }),
      asked("over", { status: "completed", dueAt: "2026-01-01T10:30:00.000000Z" }),
    ];
    const order = openOnes(Object.fromEntries(all.map((each) => [each.id, each]))).map((each) => each.id);
    expect(order).toEqual(["soon-high", "soon", "later", "urgent", "old", "young"]);
  });

  it("tells mine from nobody's", () => {
    expect(belongsTo("mine", asked("x", { assignees: ["ann"] }), "ann")).toBe(true);
    expect(belongsTo("mine", asked("x", { claimedBy: "bob" }), "ann")).toBe(false);
    expect(belongsTo("mine", asked("x"), undefined)).toBe(false);
    expect(belongsTo("unassigned", asked("x"), "ann")).toBe(true);
    expect(belongsTo("unassigned", asked("x", { claimedBy: "bob" }), "ann")).toBe(false);
  });
});

describe("an edited subject", () => {
  it("stays text where it was text", () => {
    expect(textOf("# Hello")).toBe("# Hello");
    expect(parseText('{"a": 1}', true)).toEqual({ value: '{"a": 1}' });
  });

  it("comes back as the JSON it was, or says where it is broken", () => {
    const subject = { replies: [{ id: "T-1", text: "Grüße" }] };
    expect(parseText(textOf(subject), false)).toEqual({ value: subject });
    expect(parseText('{"a": }', false)).toHaveProperty("fault");
  });
});

describe("a key", () => {
  it("is read from the fragment of the sign-in link, and from nothing else", () => {
    expect(keyInFragment("#key=bk_1_secret")).toBe("bk_1_secret");
    expect(keyInFragment("#key=with%20space%26more")).toBe("with space&more");
    expect(keyInFragment("#key=100%")).toBe("100%");
    expect(keyInFragment("#key=")).toBeUndefined();
    expect(keyInFragment("#other=1")).toBeUndefined();
  });

  it("may be pasted bare or within the link", () => {
    expect(keyInText("  bk_1_secret \n")).toBe("bk_1_secret");
    expect(keyInText("http://localhost:7400/#key=bk_1_secret")).toBe("bk_1_secret");
  });
});

describe("a length of time", () => {
  it.each([
    [12_400, "12 s"],
    [249_000, "4 min 09 s"],
    [7_500_000, "2 h 05 min"],
    [180_000_000, "2 d 02 h"],
    [-5, "0 s"],
  ])("of %i ms reads %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });
});
