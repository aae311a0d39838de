import type { AgentHandoff } from "@baton/client";
import { type Change, type Fields, without } from "./change";

/** What an event does to a handoff: the server's rules (`rooms/src/state/handoff.rs`). */
export function changedHandoff(handoff: AgentHandoff, change: Change, at: string): AgentHandoff {
  const status = change.status as AgentHandoff["status"];
  const { rejectedBy = [] } = handoff;
  const next: AgentHandoff & Fields<AgentHandoff> = { ...handoff, status };
  // Of several who are asked one may refuse: the others are still asked.
  if (change.rejectedBy !== undefined && !rejectedBy.includes(change.rejectedBy)) next.rejectedBy = [...rejectedBy, change.rejectedBy];
  if (status === "accepted") {
    Object.assign(next, { acceptedAt: at, toAgentId: change.toAgentId, attemptId: change.attempt?.id });
    if (change.child) next.toStepId = change.child.id;
  } else if (status !== "pending") {
    Object.assign(next, { completedAt: at, resolution: change.reason, result: change.result, error: change.error });
  }
  return without(next);
}
