import { describe, expect, it } from "vitest";
import type { Process } from "../src/model";
import { advice, slowestSteps, standing, successRate, throughput } from "../src/overview/figures";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const process = (id: string, fields: Partial<Process> = {}): Process =>
  ({ id, name: id, status: "running", steps: [], totalSteps: 1, waitingOn: [], metrics: { stepCompletionTimes: {}, handoffCount: 0, agentUtilization: {} }, ...fields }) as unknown as Process;
const ended = (id: string, status: "completed" | "failed", minutesAgo: number, times: Record<string, number> = {}) =>
  process(id, { status, completedAt: new Date(NOW - minutesAgo * 60_000).toISOString(), metrics: { stepCompletionTimes: times, handoffCount: 0, agentUtilization: {} } as never });

describe("the overview", () => {
  it("counts what is under way, and what ended in the time that is looked at", () => {
    const all = [process("a"), process("b", { waitingOn: ["i"] }), process("c", { status: "paused" }), ended("d", "completed", 10), ended("e", "failed", 20), ended("f", "completed", 90)];
    const now = standing(all, NOW - 3_600_000);
    expect(now).toEqual({ running: 2, waiting: 1, paused: 1, failed: 1, completed: 1 });
    expect(successRate(now)).toBe(50);
    expect(successRate({ completed: 0, failed: 0 })).toBeUndefined();
  });

  it("puts each end into its part of the time, and none into two", () => {
    const { at, completed, failed } = throughput([ended("a", "completed", 59), ended("b", "completed", 1), ended("c", "failed", 1), ended("d", "completed", 61)], NOW - 3_600_000, NOW, 6);
    expect(at).toHaveLength(6);
    expect(completed).toEqual([1, 0, 0, 0, 0, 1]);
    expect(failed).toEqual([0, 0, 0, 0, 0, 1]);
  });

  it("names the slowest steps by their average, with where each took longest", () => {
    const all = [ended("a", "completed", 1, { write: 4_000, read: 100 }), ended("b", "completed", 1, { write: 8_000 })];
    expect(slowestSteps(all, 1)).toEqual([{ name: "write", average: 6_000, slowest: 8_000, count: 2, processId: "b" }]);
  });

  it("recommends nothing without evidence", () => {
    expect(advice([ended("a", "completed", 1, { write: 299_000 })])).toEqual([]);
    const [split] = advice([ended("a", "completed", 1, { write: 301_000 })]);
    expect(split).toMatchObject({ evidence: "It takes 5 min on the average of 1.", processId: "a" });
  });
});
