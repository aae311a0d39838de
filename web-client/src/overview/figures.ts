import type { Analytics, JsonObject } from "@baton/client";
import { took } from "../ui/time";

/** What ended in parts of a time, as a chart takes it. */
export interface Ends {
  /** Seconds since the epoch at which each part begins. */
  at: number[];
  completed: number[];
  failed: number[];
  /** Percent of those that completed or failed; null where none did. */
  success: (number | null)[];
}

export function ends({ throughput }: Pick<Analytics, "throughput">): Ends {
  return {
    at: throughput.map(({ at }) => Date.parse(at) / 1000),
    completed: throughput.map(({ completed }) => completed),
    failed: throughput.map(({ failed }) => failed),
    success: throughput.map(({ completed, failed }) => (completed + failed === 0 ? null : (completed * 100) / (completed + failed))),
  };
}

export function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** In milliseconds, as their names say. */
const TIMES = /(Ms|Duration|Time)$/;
const PERCENT = /Rate$/;
/** Said in the sentence already, or of no use to a reader. */
const SILENT = new Set(["metric", "dueAt", "type"]);

/** The figures that led to an alert or a recommendation, as a reader takes them in: `Failed steps 3, total steps 9`. */
export function evidence(figures: JsonObject): string {
  const parts = Object.entries(figures).flatMap(([name, value]) => {
    if (SILENT.has(name) || value === null || (typeof value === "object" && !Array.isArray(value)) || (Array.isArray(value) && value.length === 0)) return [];
    return [`${words(name)} ${shown(name, value)}`];
  });
  const text = parts.join(", ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function words(name: string): string {
  return name
    .replace(/Ms$/, "")
    .replace(/([A-Z])/g, " $1")
    .toLowerCase()
    .trim();
}

function shown(name: string, value: unknown): string {
  if (typeof value !== "number") return Array.isArray(value) ? value.join(", ") : String(value);
  if (TIMES.test(name)) return took(value);
  const number = value.toLocaleString("en", { maximumFractionDigits: 1 });
  return PERCENT.test(name) ? `${number} %` : number;
}
