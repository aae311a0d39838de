import { BatonError, type HumanIntervention, type InterventionAnswer, type Json, newId, toBatonError } from "@baton/client";
import { Check, MessageSquareX, Pencil, UserCheck } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useSession } from "../session/session";
import { useIsLive } from "../live/use-connection";
import { Button } from "../ui/button";
import { ErrorNote, ProblemNote } from "../ui/notes";
import { useKeys } from "../ui/use-keys";
import { parseText, textOf } from "./subject-text";

type Mode = "choose-action" | "reject" | "edit";

/** The ways to answer that this kind of intervention has. */
export function AnswerBar({ intervention }: { intervention: HumanIntervention }) {
  const { connection, inbox, may: permits } = useSession();
  const live = useIsLive();
  const [mode, setMode] = useState<Mode>("choose-action");
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<BatonError>();
  const { id, type, options, round, subjectHash, claimedBy } = intervention;

  if (!permits("interventions:respond")) return null;

  const run = async (work: () => Promise<HumanIntervention>) => {
    setSending(true);
    setError(undefined);
    try {
      const decided = await work();
      inbox.update((all) => ({ ...all, [id]: { ...all[id], ...decided } }));
    } catch (cause) {
      const failure = toBatonError(cause);
      const decided = failure.problem.context?.intervention;
      // Somebody else was faster: show what they decided instead of an error.
      if (failure.code === "already_resolved" && decided) inbox.update((all) => ({ ...all, [id]: { ...all[id], ...decided } }));
      else setError(failure);
    } finally {
      setSending(false);
    }
  };
  // The answer names what it answers, so that it cannot count for a later round or a changed subject.
  const answer = (reply: InterventionAnswer) =>
    run(async () => {
      const basis = { interventionId: id, responseId: newId(), round, ...(subjectHash ? { subjectHash } : {}) };
      const { data } = await connection.command("intervention:respond", { ...reply, ...basis });
      return interventionIn(data);
    });
  const claim = () =>
    run(async () => interventionIn((await connection.command(claimedBy ? "intervention:release" : "intervention:claim", { interventionId: id })).data));

  const may = {
    approve: type === "approval",
    edit: type === "approval" || type === "review",
    reject: type === "approval" || type === "review",
    answer: type === "input" || type === "review" || (type === "escalation" && !options?.length),
    choose: type === "decision" || type === "escalation",
  };
  const ready = live && !sending;
  const idle = mode === "choose-action" && ready;
  return (
    <footer className="shrink-0 border-t border-line bg-surface px-4 py-3 shadow-[0_-4px_16px_rgb(0_0_0/0.05)] sm:px-6">
      <Shortcuts
        a={may.approve && idle ? () => void answer({ action: "approve" }) : undefined}
        r={may.reject && idle ? () => setMode("reject") : undefined}
        e={may.edit && idle ? () => setMode("edit") : undefined}
        c={idle ? () => void claim() : undefined}
      />
      {error && (
        <div className="mb-3">
          <ProblemNote error={error} />
        </div>
      )}
      {!live && <p className="mb-2 text-sm text-ink-soft">You can answer again as soon as the connection is back.</p>}
      {mode === "reject" && (
        <Reject busy={!ready} onCancel={() => setMode("choose-action")} onReject={(comments) => void answer({ action: "reject", ...(comments ? { comments } : {}) })} />
      )}
      {mode === "edit" && (
        <Edit
          subject={intervention.subject ?? null}
          busy={!ready}
          onCancel={() => setMode("choose-action")}
          onSave={(modifications) => void answer({ action: "modify", modifications })}
        />
      )}
      {mode === "choose-action" && (
        <div className="flex flex-col gap-3">
          {may.choose && options && options.length > 0 && (
            <div role="group" aria-label="Options" className="flex flex-wrap gap-2">
              {options.map((option, index) => (
                <Button key={option.id} tone={index === 0 ? "accent" : "plain"} disabled={!ready} title={option.description} onClick={() => void answer({ action: "choose", choice: option.id })}>
                  {option.label || option.id}
                </Button>
              ))}
            </div>
          )}
          {may.answer && <Answer schemaType={intervention.schema?.type} busy={!ready} onAnswer={(value) => void answer({ action: "answer", value })} />}
          <div className="flex flex-wrap items-center gap-2">
            {may.approve && (
              <Button tone="accent" shortcut="a" disabled={!ready} onClick={() => void answer({ action: "approve" })}>
                <Check className="size-4" aria-hidden="true" /> {sending ? "Sending…" : "Approve"}
              </Button>
            )}
            {may.edit && (
              <Button shortcut="e" disabled={!ready} onClick={() => setMode("edit")}>
                <Pencil className="size-4" aria-hidden="true" /> Edit
              </Button>
            )}
            {may.reject && (
              <Button tone="danger" shortcut="r" disabled={!ready} onClick={() => setMode("reject")}>
                <MessageSquareX className="size-4" aria-hidden="true" /> Reject
              </Button>
            )}
            <Button
              tone="quiet"
              shortcut="c"
              className="ml-auto max-sm:px-2"
              disabled={!ready}
              title={claimedBy ? "Give it back to everybody" : "Tell the others that you are on it"}
              onClick={() => void claim()}
            >
              <UserCheck className="size-4" aria-hidden="true" /> <span className="max-sm:sr-only">{claimedBy ? "Release" : "Claim"}</span>
            </Button>
          </div>
        </div>
      )}
    </footer>
  );
}

/** The reply to a command on an intervention is the intervention, alone or under its name. */
function interventionIn(data: HumanIntervention | { intervention: HumanIntervention }): HumanIntervention {
  return "intervention" in data ? data.intervention : data;
}

function Shortcuts(keys: Record<"a" | "r" | "e" | "c", (() => void) | undefined>) {
  useKeys(keys);
  return null;
}

const FIELD = "w-full rounded-lg border border-line-strong bg-surface p-3 text-sm placeholder:text-ink-faint";

function Reject({ busy, onCancel, onReject }: { busy: boolean; onCancel(): void; onReject(comments: string): void }) {
  const [comments, setComments] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onReject(comments.trim());
  };
  return (
    <form onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && onCancel()} className="flex flex-col gap-2">
      <label htmlFor="why" className="text-sm font-medium">
        Why is it rejected? <span className="font-normal text-ink-faint">The agent reads this.</span>
      </label>
      <textarea id="why" rows={3} autoFocus value={comments} onChange={(event) => setComments(event.target.value)} className={FIELD} />
      <div className="flex gap-2">
        <Button type="submit" tone="danger" disabled={busy}>
          Reject
        </Button>
        <Button tone="quiet" onClick={onCancel}>
          Back
        </Button>
      </div>
    </form>
  );
}

function Edit({ subject, busy, onCancel, onSave }: { subject: Json; busy: boolean; onCancel(): void; onSave(modifications: Json): void }) {
  const [text, setText] = useState(() => textOf(subject));
  const [fault, setFault] = useState<string>();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const parsed = parseText(text, typeof subject === "string");
    if ("fault" in parsed) setFault(parsed.fault);
    else onSave(parsed.value);
  };
  return (
    <form onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && onCancel()} className="flex flex-col gap-2">
      <label htmlFor="edited" className="text-sm font-medium">
        Your version <span className="font-normal text-ink-faint">replaces the whole subject, and is approved with that.</span>
      </label>
      <textarea
        id="edited"
        autoFocus
        spellCheck={typeof subject === "string"}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setFault(undefined);
        }}
        aria-invalid={fault !== undefined}
        className={`${FIELD} h-[40dvh] resize-y font-mono text-xs leading-5`}
      />
      {fault && <ErrorNote title="This is not valid JSON" detail={fault} />}
      <div className="flex gap-2">
        <Button type="submit" tone="accent" disabled={busy}>
          Approve this version
        </Button>
        <Button tone="quiet" onClick={onCancel}>
          Back
        </Button>
      </div>
    </form>
  );
}

/** What to type for each type that a JSON Schema names. */
const EXPECTED: Record<string, string> = {
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  object: "as a JSON object",
  array: "as a JSON list",
};

function Answer({ schemaType, busy, onAnswer }: { schemaType: Json | undefined; busy: boolean; onAnswer(value: Json): void }) {
  const [text, setText] = useState("");
  const [fault, setFault] = useState<string>();
  const plain = schemaType === undefined || schemaType === "string";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const parsed = parseText(text, plain);
    if ("fault" in parsed) setFault(parsed.fault);
    else onAnswer(parsed.value);
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-2">
      <label htmlFor="answer" className="text-sm font-medium">
        Your answer {!plain && <span className="font-normal text-ink-faint">{EXPECTED[String(schemaType)] ?? "as JSON"}</span>}
      </label>
      <textarea
        id="answer"
        rows={schemaType === "object" || schemaType === "array" ? 6 : 2}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setFault(undefined);
        }}
        className={`${FIELD} ${plain ? "" : "font-mono"}`}
      />
      {fault && <ErrorNote title={`This is not ${EXPECTED[String(schemaType)] ?? "valid JSON"}`} detail={fault} />}
      <Button type="submit" tone="accent" className="self-start" disabled={busy || text.trim() === ""}>
        Answer
      </Button>
    </form>
  );
}
