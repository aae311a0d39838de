import type { Intervention } from "../model";
import { type Change, type Fields, without } from "./change";

/** So many late replies are kept. */
const MOST_LATE = 100;

/**
 * What an event does to a question: the server's rules (`rooms/src/state/intervention.rs`). Applied a second time it changes nothing, since
 * a snapshot may hold what an event tells.
 */
export function changedIntervention(before: Intervention, type: string, change: Change, at: string): Intervention {
  if (type === "intervention.late_reply") {
    const { lateReplies = [] } = before;
    return lateReplies.length < MOST_LATE ? { ...before, ...added("lateReplies", lateReplies, change.vote) } : before;
  }
  const next: Intervention = { ...withSaid(before, change), status: change.status };
  if (change.assignees) next.assignees = change.assignees;
  Object.assign(next, particular(next, type, change, at));
  return without(next);
}

/** With the vote and the comment of a change, once: they stay where they are, whatever has happened since. */
export function withSaid(before: Intervention, { vote, comment }: Pick<Change, "vote" | "comment">): Intervention {
  return { ...before, ...added("votes", before.votes ?? [], vote), ...added("comments", before.comments ?? [], comment) };
}

/** What only this kind of event changes. */
function particular(before: Intervention, type: string, change: Change, at: string): Fields<Intervention> {
  switch (type) {
    case "intervention.claimed":
    case "intervention.released":
      return { claimedBy: change.claimedBy };
    case "intervention.assigned":
      return { delegatedBy: change.delegatedBy, claimedBy: before.claimedBy && before.assignees.includes(before.claimedBy) ? before.claimedBy : undefined };
    case "intervention.reminded":
      return { remindedAt: at };
    case "intervention.escalated":
      return { level: change.level ?? before.level, levelSince: at, claimedBy: undefined, delegatedBy: undefined, priority: "urgent", dueAt: change.dueAt, expiresAt: change.expiresAt };
    case "intervention.superseded":
      return replaced(change.question);
    case "intervention.completed":
    case "intervention.expired":
    case "intervention.cancelled":
      return { outcome: change.outcome, response: change.response, completedAt: at };
    default:
      return {};
  }
}

/** Another round, with another question: what the new one does not have is gone. */
function replaced(question: Change["question"]): Fields<Intervention> {
  if (!question) return {};
  const { round, description, schema, options, subject, subjectHash, askedHash, proposedBy } = question;
  return { round, description, schema, options, subject, subjectHash, askedHash, proposedBy };
}

function added<Name extends string, Item extends { by: string; at: string }>(name: Name, items: Item[], item: Item | undefined): Partial<Record<Name, Item[]>> {
  if (!item || items.some(({ by, at }) => by === item.by && at === item.at)) return {};
  return { [name]: [...items, item] } as Partial<Record<Name, Item[]>>;
}
