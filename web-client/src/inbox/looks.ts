import type { HumanIntervention, InterventionOutcome, InterventionType } from "@baton/client";
import { CircleHelp, Eye, ListChecks, type LucideIcon, ShieldCheck, Siren } from "lucide-react";

export const KINDS: Record<InterventionType, { label: string; icon: LucideIcon }> = {
  approval: { label: "Approval", icon: ShieldCheck },
  input: { label: "Question", icon: CircleHelp },
  decision: { label: "Decision", icon: ListChecks },
  review: { label: "Review", icon: Eye },
  escalation: { label: "Escalation", icon: Siren },
};

const OUTCOMES: Record<InterventionOutcome, string> = {
  approved: "Approved",
  rejected: "Rejected",
  modified: "Approved with changes",
  answered: "Answered",
  chosen: "Chosen",
  reviewed: "Reviewed",
  aborted: "Process cancelled",
};

/** How it ended, as a sentence's beginning; `by` follows. */
export function ending({ status, outcome }: HumanIntervention): string {
  if (status === "completed") return outcome ? OUTCOMES[outcome] : "Decided";
  return status === "expired" ? "Expired unanswered" : "Withdrawn";
}
