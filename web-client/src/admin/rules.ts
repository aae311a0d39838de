import type { AlertRule, FieldError } from "@baton/client";

export type Metric = AlertRule["metric"];

/** How a metric reads, in which unit people think of it, and what of that is one of the server's. */
export const METRICS: Record<Metric, { label: string; unit: string; factor: number; most: number; whole: boolean; usual: Pick<AlertRule, "type" | "severity">; above: number }> = {
  errorRate: { label: "Failed steps", unit: "% of a process's steps", factor: 1, most: 100, whole: false, usual: { type: "performance", severity: "high" }, above: 20 },
  interventions: { label: "Questions to people", unit: "in a process", factor: 1, most: 1_000_000, whole: true, usual: { type: "quality", severity: "medium" }, above: 5 },
  lostLeases: { label: "Lost leases", unit: "of a step", factor: 1, most: 1_000_000, whole: true, usual: { type: "resource", severity: "medium" }, above: 0 },
  overdueInterventions: { label: "Overdue answers", unit: "minutes late", factor: 60_000, most: 525_600, whole: false, usual: { type: "timeout", severity: "high" }, above: 0 },
};

/** A rule as somebody edits it: the threshold is the text that stands in its field. */
export interface Draft extends Omit<AlertRule, "threshold"> {
  threshold: string;
}

export function draftOf(rule: AlertRule): Draft {
  return { ...rule, threshold: String(rule.threshold / METRICS[rule.metric].factor) };
}

/** What is to be sent; only where no threshold has a `thresholdFault`. */
export function ruleOf(draft: Draft): AlertRule {
  return { ...draft, threshold: Number(draft.threshold.trim().replace(",", ".")) * METRICS[draft.metric].factor };
}

/** Why a threshold is none. */
export function thresholdFault({ metric, threshold }: Pick<Draft, "metric" | "threshold">): string | undefined {
  const { most, whole } = METRICS[metric];
  const text = threshold.trim().replace(",", ".");
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) return "Give a number.";
  if (value < 0) return "It cannot be below 0.";
  if (value > most) return `It can be at most ${most.toLocaleString("en")}.`;
  if (whole && !Number.isInteger(value)) return "It counts: give a whole number.";
  return undefined;
}

/** A new rule, under an id that no other has. */
export function newRule(metric: Metric, others: readonly Pick<Draft, "id">[]): Draft {
  const taken = new Set(others.map(({ id }) => id));
  let id: string = metric;
  for (let number = 2; taken.has(id); number++) id = `${metric}-${number}`;
  const { usual, above } = METRICS[metric];
  return { id, metric, threshold: String(above), ...usual, enabled: true };
}

/** What the server said of one rule's field, if anything. */
export function toldOf(errors: readonly FieldError[], index: number, field: string): string | undefined {
  return errors.find(({ path }) => path === `items[${index}].${field}`)?.message;
}
