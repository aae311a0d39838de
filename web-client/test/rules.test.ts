import type { AlertRule } from "@baton/client";
import { describe, expect, it } from "vitest";
import { draftOf, newRule, ruleOf, thresholdFault, toldOf } from "../src/admin/rules";

const overdue: AlertRule = { id: "late", metric: "overdueInterventions", threshold: 90_000, type: "timeout", severity: "high", enabled: true };

describe("a rule that is edited", () => {
  it("is shown in the unit of people and sent in the server's", () => {
    expect(draftOf(overdue).threshold).toBe("1.5");
    expect(ruleOf(draftOf(overdue))).toEqual(overdue);
    expect(ruleOf({ ...draftOf(overdue), threshold: "2,5" }).threshold).toBe(150_000);
  });

  it("says what is wrong with a threshold before the server does", () => {
    const fault = (metric: AlertRule["metric"], threshold: string) => thresholdFault({ metric, threshold });
    expect(fault("errorRate", "20.5")).toBeUndefined();
    expect(fault("errorRate", "101")).toMatch(/at most 100/);
    expect(fault("errorRate", "-1")).toMatch(/below 0/);
    for (const none of ["", "  ", "many", "1e999"]) expect(fault("errorRate", none)).toMatch(/number/);
    expect(fault("interventions", "2.5")).toMatch(/whole/);
    expect(fault("overdueInterventions", "0,5")).toBeUndefined();
  });

  it("has an id of its own when it is new", () => {
    expect(newRule("errorRate", []).id).toBe("errorRate");
    expect(newRule("errorRate", [{ id: "errorRate" }, { id: "errorRate-2" }]).id).toBe("errorRate-3");
  });

  it("finds what the server said of its field", () => {
    const errors = [{ path: "items[1].threshold", message: "must be from 0 to 100" }];
    expect(toldOf(errors, 1, "threshold")).toBe("must be from 0 to 100");
    expect(toldOf(errors, 0, "threshold")).toBeUndefined();
  });
});
