import type { HumanIntervention, Priority } from "@baton/client";
import type { Interventions } from "../live/fold";

const RANK: Record<Priority, number> = { urgent: 0, high: 1, medium: 2, low: 3 };

/** What is due first comes first; what is due never, last; then by priority, then by age. */
export function byUrgency(a: HumanIntervention, b: HumanIntervention): number {
  return due(a) - due(b) || RANK[a.priority] - RANK[b.priority] || Date.parse(a.requestedAt) - Date.parse(b.requestedAt);
}

/** In whole seconds: two that are due within the same one are told apart by priority. */
function due({ dueAt }: HumanIntervention): number {
  return dueAt ? Math.floor(Date.parse(dueAt) / 1000) : Number.MAX_SAFE_INTEGER;
}

export function openOnes(all: Interventions): HumanIntervention[] {
  return Object.values(all)
    .filter((each) => each.status === "pending")
    .sort(byUrgency);
}

export type Whose = "all" | "mine" | "unassigned";

export function belongsTo(whose: Whose, { assignees = [], claimedBy }: HumanIntervention, myId: string | undefined): boolean {
  if (whose === "all") return true;
  if (whose === "unassigned") return assignees.length === 0 && !claimedBy;
  return myId !== undefined && (claimedBy === myId || assignees.includes(myId));
}
