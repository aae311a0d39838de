import type { HumanIntervention, Me } from "@baton/client";
import { Check, MessageSquareX, Pencil, UserCheck } from "lucide-react";
import { useState } from "react";
import { useIsLive } from "../live/use-connection";
import type { Intervention } from "../model";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { ProblemNote } from "../ui/notes";
import { useKeys } from "../ui/use-keys";
import { Answer, Edit, Reject } from "./answer-forms";
import { MoreActions } from "./more-actions";
import { useReply } from "./use-reply";

type Mode = "choose-action" | "reject" | "edit";

const RANK = { read: 0, write: 1, admin: 2 } as const;

/** Why this one is not this person's affair: neither answering nor claiming it, nor passing it on. */
function bar({ candidatePermissions, assignees }: Intervention, me: Me | null): string | undefined {
  if (!me) return undefined;
  if (candidatePermissions && RANK[me.permission] < RANK[candidatePermissions]) return `Only who has the permission ${candidatePermissions} may answer this.`;
  if (assignees.length > 0 && !assignees.includes(me.principal.id) && me.permission !== "admin") return `This is for ${assignees.join(", ")} to answer.`;
  return undefined;
}

/** Why this person's answer does not count, or counts already. */
function hindrance(intervention: Intervention, me: Me | null): string | undefined {
  const { votes = [], round, requestedBy } = intervention;
  if (!me) return undefined;
  // Whoever escalated it may still answer.
  const mine = votes.find((vote) => vote.by === me.principal.id && vote.round === round && vote.action !== "escalate");
  if (mine) return `You voted “${mine.action}”. It is decided when enough others have voted.`;
  if (intervention.requesterCounts === false && requestedBy.kind === me.principal.kind && requestedBy.id === me.principal.id) return "You asked this yourself: somebody else has to answer.";
  return undefined;
}

/** The ways to answer that this kind of intervention has. */
export function AnswerBar({ intervention }: { intervention: HumanIntervention }) {
  const { may: permits, me } = useSession();
  const live = useIsLive();
  const [mode, setMode] = useState<Mode>("choose-action");
  const reply = useReply(intervention);
  const { type, options, claimedBy } = intervention;

  if (!permits("interventions:respond")) return null;

  const barred = bar(intervention, me);
  if (barred) return <p className="shrink-0 border-t border-line bg-surface px-4 py-3 text-sm text-ink-soft sm:px-6">{barred}</p>;

  const hindered = hindrance(intervention, me);
  const may = {
    approve: type === "approval",
    // A process starts as it was given, or not at all.
    edit: (type === "approval" || type === "review") && !(intervention.requestedBy.kind === "system" && !intervention.stepId),
    reject: type === "approval" || type === "review",
    answer: type === "input" || type === "review" || (type === "escalation" && !options?.length),
    choose: type === "decision" || type === "escalation",
  };
  const ready = live && !reply.sending;
  const idle = mode === "choose-action" && ready;
  const open = idle && !hindered;
  const fieldError = reply.error?.problem.errors?.some(({ path }) => /^(value|modifications)/.test(path)) ? reply.error : undefined;
  return (
    <footer className="shrink-0 border-t border-line bg-surface px-4 py-3 shadow-[0_-4px_16px_var(--shade)] sm:px-6">
      <Shortcuts
        a={may.approve && open ? () => void reply.answer({ action: "approve" }) : undefined}
        r={may.reject && open ? () => setMode("reject") : undefined}
        e={may.edit && open ? () => setMode("edit") : undefined}
        c={idle ? () => void reply.claim() : undefined}
      />
      {reply.error && (
        <div className="mb-3">
          <ProblemNote error={reply.error} />
        </div>
      )}
      {!live && <p className="mb-2 text-sm text-ink-soft">You can answer again as soon as the connection is back.</p>}
      {hindered && <p className="mb-2 text-sm text-ink-soft">{hindered}</p>}
      {mode === "reject" && !hindered && (
        <Reject busy={!ready} onCancel={() => setMode("choose-action")} onReject={(comments) => void reply.answer({ action: "reject", ...(comments ? { comments } : {}) })} />
      )}
      {mode === "edit" && !hindered && (
        <Edit intervention={intervention} busy={!ready} error={fieldError} onCancel={() => setMode("choose-action")} onSave={(modifications) => void reply.answer({ action: "modify", modifications })} />
      )}
      {(mode === "choose-action" || hindered) && (
        <div className="relative flex min-h-9 flex-col gap-3">
          {!hindered && may.choose && options && options.length > 0 && (
            <div role="group" aria-label="Options" className="flex flex-wrap gap-2 pr-12 sm:pr-44">
              {options.map((option, index) => (
                <Button key={option.id} tone={index === 0 ? "accent" : "plain"} disabled={!ready} title={option.description ?? undefined} onClick={() => void reply.answer({ action: "choose", choice: option.id })}>
                  {option.label || option.id}
                </Button>
              ))}
            </div>
          )}
          {!hindered && may.answer && (
            <Answer intervention={intervention} busy={!ready} error={fieldError} label={type === "review" ? "Send the review" : "Answer"} onAnswer={(value) => void reply.answer({ action: "answer", value })} />
          )}
          {!hindered && (may.approve || may.edit) && (
            <div className="flex flex-wrap items-center gap-2 pr-12 sm:pr-44">
              {may.approve && (
                <Button tone="accent" shortcut="a" disabled={!ready} onClick={() => void reply.answer({ action: "approve" })}>
                  <Check className="size-4" aria-hidden="true" /> {reply.sending ? "Sending…" : "Approve"}
                </Button>
              )}
              {may.edit && (
                <Button shortcut="e" disabled={!ready} onClick={() => setMode("edit")}>
                  <Pencil className="size-4" aria-hidden="true" /> Edit
                </Button>
              )}
              <Button tone="danger" shortcut="r" disabled={!ready} onClick={() => setMode("reject")}>
                <MessageSquareX className="size-4" aria-hidden="true" /> Reject
              </Button>
            </div>
          )}
          <div className="absolute right-0 bottom-0 flex items-center gap-1">
            <Button tone="quiet" shortcut="c" className="max-sm:hidden" disabled={!ready} title={claimedBy ? "Give it back to everybody" : "Tell the others that you are on it"} onClick={() => void reply.claim()}>
              <UserCheck className="size-4" aria-hidden="true" /> {claimedBy ? "Release" : "Claim"}
            </Button>
            <MoreActions intervention={intervention} reply={reply} ready={ready} />
          </div>
        </div>
      )}
    </footer>
  );
}

function Shortcuts(keys: Record<"a" | "r" | "e" | "c", (() => void) | undefined>) {
  useKeys(keys);
  return null;
}
