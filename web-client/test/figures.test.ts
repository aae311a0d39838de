import type { Analytics } from "@baton/client";
import { describe, expect, it } from "vitest";
import { ends, evidence } from "../src/overview/figures";

describe("the overview", () => {
  it("draws no success where nothing ended, and leaves out what was stopped", () => {
    const part = (minute: number, completed: number, failed: number, cancelled = 0) => ({ at: `2026-01-01T10:0${minute}:00.000000Z`, completed, failed, cancelled });
    const { at, completed, failed, success } = ends({ throughput: [part(0, 3, 1), part(1, 0, 0, 2), part(2, 0, 1)] } as Analytics);
    expect(at[1]).toBe((at[0] ?? 0) + 60);
    expect([completed, failed, success]).toEqual([[3, 0, 0], [1, 0, 1], [75, null, 0]]);
  });

  it("tells the evidence of an alert as figures with their units", () => {
    expect(evidence({ failedSteps: 3, totalSteps: 9, metric: "errorRate", value: 33.333, threshold: 20 })).toBe("Failed steps 3, total steps 9, value 33.3, threshold 20");
    expect(evidence({ overdueMs: 65_000, assignees: ["ann", "bob"], dueAt: "2026-01-01T10:00:00Z" })).toBe("Overdue 1 min 05 s, assignees ann, bob");
    expect(evidence({ errorRate: 12.5, averageStepDuration: 301_000, slowestStep: null })).toBe("Error rate 12.5 %, average step duration 5 min 01 s");
  });
});
