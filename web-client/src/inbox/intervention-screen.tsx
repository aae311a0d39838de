import { type HumanIntervention, type Json, type OrchestrationProcess, toBatonError } from "@baton/client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { ArrowLeft, CircleCheck, CircleX } from "lucide-react";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { Link } from "react-router";
import { RoomLog } from "../live/room-log";
import { useExternal, useOwned } from "../live/use-live";
import { useSession } from "../session/session";
import { Badge, lookOfStep, PriorityTag } from "../ui/badge";
import { JsonView } from "../ui/json-view";
import { Markdown } from "../ui/markdown";
import { Loading, ProblemNote } from "../ui/notes";
import { Ago, clock, Deadline } from "../ui/time";
import { namesIn } from "../room/describe";
import { Timeline } from "../room/timeline";
import { Segments } from "../ui/field";
import { AnswerBar } from "./answer-bar";
import { Comments } from "./comments";
import { ending, KINDS } from "./looks";
import { textOf } from "./subject-text";
import { useVotes } from "./use-votes";

const DiffView = lazy(() => import("../ui/diff-view"));

/** Everything that a decision needs, on one screen. */
export default function InterventionScreen({ id }: { id: string }) {
  const { inbox, rest } = useSession();
  const { data, status } = useExternal(inbox, inbox.state);
  const live = data?.[id];
  // One that is no longer open is not in the inbox: a link to it shows how it was decided.
  const fetched = useQuery({ queryKey: ["intervention", id], queryFn: () => rest.intervention(id), enabled: status === "ready" && !live });
  const intervention = live ?? fetched.data;
  if (intervention) return <Opened intervention={intervention} />;
  if (fetched.error) {
    return (
      <div className="p-4">
        <ProblemNote error={toBatonError(fetched.error)} onRetry={() => void fetched.refetch()} />
      </div>
    );
  }
  return <Loading label="Loading what is asked" rows={2} />;
}

function Opened({ intervention }: { intervention: HumanIntervention }) {
  const { rest } = useSession();
  const { processId, stepId } = intervention;
  const process = useQuery({
    // Whatever is decided moves the step on.
    queryKey: ["process", processId, intervention.status],
    queryFn: () => rest.process(processId),
    placeholderData: keepPreviousData,
  });
  useVotes(intervention.id, process.data?.roomId);
  const { label, icon: Icon } = KINDS[intervention.type];
  const open = intervention.status === "pending";
  return (
    <article className="flex h-full flex-col">
      <div className="min-h-0 flex-1 overflow-y-auto">
        <header className="border-b border-line bg-surface px-4 py-4 sm:px-6">
          <Link to="/inbox" className="mb-2 inline-flex items-center gap-1 text-sm text-accent-text md:hidden">
            <ArrowLeft className="size-4" aria-hidden="true" /> Inbox
          </Link>
          <div className="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-ink-soft">
            <span className="inline-flex items-center gap-1.5 font-medium text-accent-text">
              <Icon className="size-4" aria-hidden="true" /> {label}
            </span>
            <PriorityTag priority={intervention.priority} />
            {open && intervention.dueAt && <Deadline at={intervention.dueAt} />}
          </div>
          <h1 className="mt-1.5 text-xl font-semibold tracking-tight break-words">{intervention.description}</h1>
          <p className="mt-1 text-sm text-ink-soft">
            asked by <strong className="font-medium text-ink">{intervention.requestedBy.name || intervention.requestedBy.id}</strong>{" "}
            <Ago at={intervention.requestedAt} />
            {process.data && (
              <>
                {" in "}
                <Link to={`/processes/${processId}`} className="text-accent-text underline">
                  {process.data.name}
                </Link>
              </>
            )}
            {intervention.claimedBy && `, claimed by ${intervention.claimedBy}`}
            {open && intervention.assignees && intervention.assignees.length > 0 && `, for ${intervention.assignees.join(", ")}`}
            {open && intervention.proposedBy && `, changed by ${intervention.proposedBy}`}
            {open && intervention.delegatedBy && `, passed on by ${intervention.delegatedBy}`}
            {open && intervention.remindedAt && (
              <>
                , reminded <Ago at={intervention.remindedAt} />
              </>
            )}
            {(intervention.level ?? 0) > 0 && `, escalated ${intervention.level === 1 ? "once" : `${intervention.level} times`}`}
          </p>
          {open && <Consequence intervention={intervention} />}
        </header>
        {!open && <Decided intervention={intervention} />}
        <div className="grid gap-x-8 gap-y-6 px-4 py-5 sm:px-6 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
          <div className="flex min-w-0 flex-col gap-6">
            <GivenPart intervention={intervention} />
            <Part title={intervention.outcome === "modified" ? "Subject, as it was asked" : "Subject"}>
              {intervention.subject === undefined || intervention.subject === null ? (
                <p className="text-sm text-ink-soft">Nothing was attached: the question stands for itself.</p>
              ) : (
                <Sheet value={intervention.subject} />
              )}
            </Part>
          </div>
          <div className="flex min-w-0 flex-col gap-6">
            <WhyPart conditions={intervention.conditions ?? []} />
            <StepPart process={process.data} stepId={stepId ?? undefined} />
            <VotesPart intervention={intervention} />
            <LatePart replies={intervention.lateReplies ?? []} />
            <Part title="Comments">
              <Comments intervention={intervention} />
            </Part>
            <Part title="Latest in the room">
              <LatestEvents process={process.data} />
            </Part>
          </div>
        </div>
      </div>
      {open && <AnswerBar key={intervention.round} intervention={intervention} />}
    </article>
  );
}

function Part({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="min-w-0">
      <div className="mb-2 flex items-center justify-between gap-2">
        <h2 className="text-sm font-semibold text-ink-soft">{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

function Sheet({ value }: { value: Json }) {
  return (
    <div className="rounded-xl border border-line bg-surface p-4">
      {typeof value === "string" ? <Markdown text={value} /> : <JsonView value={value} />}
    </div>
  );
}

/** What the decision itself brought: the version that counts now, with what differs from what was asked; or the answer. */
function GivenPart({ intervention: { response, subject = null } }: { intervention: HumanIntervention }) {
  const [as, setAs] = useState<"changes" | "whole">("changes");
  const changed = response?.modifications;
  if (changed !== undefined && changed !== null) {
    return (
      <Part title="Approved version" aside={<Segments<"changes" | "whole"> label="Show" choices={GIVEN} value={as} onChange={setAs} />}>
        {as === "whole" ? (
          <Sheet value={changed} />
        ) : (
          <div className="card p-4">
            <Suspense fallback={<Loading label="Comparing" rows={1} />}>
              <DiffView before={textOf(subject)} after={textOf(changed)} prose={typeof changed === "string"} />
            </Suspense>
          </div>
        )}
      </Part>
    );
  }
  if (response?.value === undefined || response.value === null) return null;
  return (
    <Part title="Answer">
      <Sheet value={response.value} />
    </Part>
  );
}

/** The condition of the step that asks, and what it saw. */
function WhyPart({ conditions }: { conditions: NonNullable<HumanIntervention["conditions"]> }) {
  const why = conditions.find((condition) => condition.matched);
  if (!why) return null;
  const seen = (why.seen ?? {}) as Record<string, Json>;
  return (
    <Part title="Why you are asked">
      <div className="card flex flex-col gap-3 p-4 text-sm">
        {why.condition.trim() === "" ? <p>The step asks a person whenever it ends so.</p> : <code className="font-mono text-xs break-words">{why.condition}</code>}
        {Object.entries(seen).map(([path, value]) => (
          <code key={path} className="font-mono text-xs break-words text-ink-soft">
            {path} = {JSON.stringify(value)}
          </code>
        ))}
      </div>
    </Part>
  );
}

const GIVEN = [
  ["changes", "Changes"],
  ["whole", "Whole"],
] as const;

/** What a no does, and what happens when nobody answers: worth knowing before deciding. */
function Consequence({ intervention: { type, onReject, expiresAt, pausesProcess, ...rest } }: { intervention: HumanIntervention }) {
  const onExpire = (rest as { onExpire?: string }).onExpire;
  const parts = [
    (type === "approval" || type === "review") && onReject === "fail" && "Rejecting it fails the step.",
    (type === "approval" || type === "review") && onReject === "skip" && "Rejecting it skips the step.",
    pausesProcess && "The whole process stands still until it is answered.",
    expiresAt && onExpire && `Unanswered at ${clock(expiresAt)} it ${EXPIRES[onExpire] ?? "expires"}.`,
  ].filter((part) => typeof part === "string");
  if (parts.length === 0) return null;
  return <p className="mt-1 text-xs text-ink-faint">{parts.join(" ")}</p>;
}

const EXPIRES: Record<string, string> = {
  escalate: "is escalated",
  reject: "counts as rejected",
  cancel: "is dropped, and the step goes on without an answer",
  fail: "fails the step",
  default: "takes the answer that the agent named as the default",
};

function Decided({ intervention }: { intervention: HumanIntervention }) {
  const { response, completedAt } = intervention;
  const at = response?.providedAt ?? completedAt;
  const bad = intervention.outcome === "rejected" || intervention.outcome === "aborted";
  const choice = intervention.options?.find((option) => option.id === response?.choice)?.label || response?.choice;
  const said = [choice, response?.comments].filter(Boolean).join(": ");
  return (
    <div
      role="status"
      data-outcome={intervention.outcome ?? intervention.status}
      className={`arriving flex gap-2.5 border-b border-line px-4 py-3 text-sm sm:px-6 ${bad ? "bg-bad-soft text-bad" : intervention.status === "completed" ? "bg-good-soft text-good" : "bg-sunken text-ink-soft"}`}
    >
      {bad ? <CircleX className="mt-0.5 size-4 shrink-0" aria-hidden="true" /> : <CircleCheck className="mt-0.5 size-4 shrink-0" aria-hidden="true" />}
      <div>
        <p className="font-medium">
          {ending(intervention)}
          {response && ` by ${response.providedBy}`}
          {at && ` at ${clock(at)}`}
        </p>
        {said && <p className="mt-0.5">{said}</p>}
      </div>
    </div>
  );
}

function StepPart({ process, stepId }: { process: OrchestrationProcess | undefined; stepId: string | undefined }) {
  const step = process?.steps.find((each) => each.id === stepId);
  if (!step) return null;
  const inputs = step.inputs && Object.keys(step.inputs).length > 0 ? step.inputs : undefined;
  return (
    <Part title="Step">
      <div className="rounded-xl border border-line bg-surface p-4">
        <div className="flex flex-wrap items-center justify-between gap-2">
          <strong className="font-semibold">{step.name}</strong>
          <Badge look={lookOfStep(step)} />
        </div>
        {step.description && <p className="mt-1 text-sm text-ink-soft">{step.description}</p>}
        {inputs && (
          <details className="mt-3 text-sm">
            <summary className="cursor-pointer font-medium text-ink-soft">Inputs</summary>
            <div className="mt-2 max-h-80 overflow-y-auto">
              <JsonView value={inputs} />
            </div>
          </details>
        )}
      </div>
    </Part>
  );
}

function VotesPart({ intervention }: { intervention: HumanIntervention }) {
  const needed = intervention.quorum?.n ?? 1;
  const votes = intervention.votes.filter((vote) => vote.round === intervention.round && vote.action !== "escalate");
  if (needed < 2) return null;
  return (
    <Part title={`Votes: ${votes.length} of ${needed}`}>
      {votes.length === 0 && <p className="text-sm text-ink-soft">Nobody has voted{intervention.round > 1 ? " on this version" : ""} yet.</p>}
      <ul className="text-sm">
        {votes.map((vote) => (
          <li key={vote.by}>
            <strong className="font-semibold">{vote.by}</strong> {VOTED[vote.action] ?? vote.action} at {clock(vote.at)}
            {vote.comments && <span className="block text-ink-soft">{vote.comments}</span>}
          </li>
        ))}
      </ul>
    </Part>
  );
}

/** Who answered when it was decided already: it changed nothing, and they and others see that. */
function LatePart({ replies }: { replies: HumanIntervention["votes"] }) {
  if (replies.length === 0) return null;
  return (
    <Part title="Came too late">
      <ul className="text-sm text-ink-soft">
        {replies.map((vote) => (
          <li key={vote.by + vote.at}>
            <strong className="font-semibold">{vote.by}</strong> {VOTED[vote.action] ?? vote.action} at {clock(vote.at)}, which changed nothing
          </li>
        ))}
      </ul>
    </Part>
  );
}

const VOTED: Record<string, string> = { approve: "approved", reject: "rejected", modify: "approved with changes", answer: "answered", choose: "chose", escalate: "escalated it", abort: "aborted" };

const LATEST = 8;

/** What was said and decided, and what came out of the steps; not each offer and each percent. */
const TELLING = /^(message|communication|handoff|intervention)\.|^(step|process)\.(completed|failed|retry_scheduled)$/;

function LatestEvents({ process }: { process: OrchestrationProcess | undefined }) {
  const { connection } = useSession();
  const log = useOwned(process?.roomId, (id) => new RoomLog(connection, id));
  const state = useExternal(log, undefined);
  if (!state?.known && !state?.error) return <Loading label="Loading the room" rows={2} />;
  if (state.error) return <ProblemNote error={state.error} />;
  return <Timeline events={state.events.filter((event) => TELLING.test(event.type)).slice(-LATEST)} names={namesIn(state.events, process?.steps)} />;
}
