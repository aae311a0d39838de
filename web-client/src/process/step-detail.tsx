import type { AgentHandoff, Json } from "@baton/client";
import { Bot, Redo2, X } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import type { Process, Step } from "../model";
import { Badge, lookOfStep } from "../ui/badge";
import { JsonView } from "../ui/json-view";
import { duration, took, useNow } from "../ui/time";

/** All that is known of one step. */
export function StepDetail({ step, process, handoffs, onClose }: { step: Step; process: Process; handoffs: readonly AgentHandoff[]; onClose?: () => void }) {
  const after = step.dependencies.map((key) => process.steps.find((each) => each.key === key)?.name ?? key);
  const parent = process.steps.find(({ id }) => id === step.parentStepId);
  const ofStep = handoffs.filter((handoff) => handoff.fromStepId === step.id);
  return (
    <section aria-label={`Step ${step.name}`} className="flex flex-col gap-4 text-sm">
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <div className="flex flex-wrap items-center gap-2">
            <h3 className="font-semibold">{step.name}</h3>
            <Badge look={lookOfStep(step)} />
          </div>
          {step.description && <p className="mt-1 text-ink-soft">{step.description}</p>}
        </div>
        {onClose && (
          <button type="button" onClick={onClose} aria-label="Close the step" className="grid size-8 shrink-0 place-items-center rounded-lg text-ink-soft hover:bg-sunken">
            <X className="size-4" aria-hidden="true" />
          </button>
        )}
      </div>
      {step.error && <p className="rounded-lg bg-bad-soft p-3 break-words text-bad">{step.error.message}</p>}
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5">
        <Row name="Who">
          {step.heldBy ? (
            <span className="inline-flex items-center gap-1">
              <Bot className="size-3.5" aria-hidden="true" /> {step.phase === "offered" ? "offered to" : "held by"} {step.heldBy}
            </span>
          ) : (
            whose(step)
          )}
        </Row>
        {step.childProcessId && (
          <Row name="Process">
            <Link to={`/processes/${step.childProcessId}`} className="text-accent-text underline">
              the one that does it
            </Link>
          </Row>
        )}
        {parent && <Row name="Part of">{parent.name}, which delegated it</Row>}
        {after.length > 0 && <Row name="After">{after.join(", ")}</Row>}
        {step.progress && step.status === "running" && (
          <Row name="Progress">
            {typeof step.progress.percent === "number" && `${Math.round(step.progress.percent)} % `}
            {step.progress.note}
          </Row>
        )}
        {(step.attempts > 0 || (step.lostLeases ?? 0) > 0) && (
          <Row name="Attempts">
            {step.attempts} of {step.maxAttempts} failed{(step.lostLeases ?? 0) > 0 && `, ${step.lostLeases} lost`}
          </Row>
        )}
        {step.retryAt && step.phase === "backoff" && (
          <Row name="Tried again">
            <Until at={step.retryAt} />
          </Row>
        )}
        {step.startedAt && (
          <Row name={step.completedAt ? "Took" : "Runs for"}>
            <Took from={step.startedAt} to={step.completedAt ?? undefined} />
          </Row>
        )}
        {step.requiresApproval && <Row name="Approval">a person approves it first</Row>}
        {(step.conditions?.length ?? 0) > 0 && (
          <Row name="Conditions">
            <ul className="flex flex-col gap-1">
              {step.conditions?.map((each, index) => (
                <li key={index}>
                  on {each.type}
                  {each.condition && (
                    <>
                      {" if "}
                      <code className="rounded bg-sunken px-1 font-mono text-xs">{each.condition}</code>
                    </>
                  )}
                  : {each.action}
                  {each.nextStepId && `, then ${process.steps.find((other) => other.key === each.nextStepId)?.name ?? each.nextStepId}`}
                </li>
              ))}
            </ul>
          </Row>
        )}
        {ofStep.map((handoff) => (
          <Row key={handoff.id} name="Handoff">
            <span className="inline-flex flex-wrap items-center gap-1">
              <Redo2 className="size-3.5" aria-hidden="true" /> {handoff.fromAgentId} to {handoff.toAgentId ?? handoff.candidates?.join(", ")}, {handoff.status}
              {handoff.reason && <span className="text-ink-soft">: {handoff.reason}</span>}
            </span>
          </Row>
        ))}
      </dl>
      <Values title="Inputs" value={step.inputs ?? {}} />
      <Values title="Outputs" value={step.outputs ?? null} />
    </section>
  );
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-ink-faint">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  );
}

function Values({ title, value }: { title: string; value: Json }) {
  if (value === null || (typeof value === "object" && Object.keys(value).length === 0)) return null;
  return (
    <details open={title === "Outputs"} className="rounded-lg border border-line">
      <summary className="cursor-pointer px-3 py-2 font-medium text-ink-soft">{title}</summary>
      <div className="max-h-96 overflow-y-auto border-t border-line p-3" tabIndex={0} role="region" aria-label={title}>
        <JsonView value={value} />
      </div>
    </details>
  );
}

function whose(step: Step): string {
  if (step.process) return "a process of its own";
  if (step.assignedAgentId) return `only ${step.assignedAgentId}`;
  if (step.requiredCapabilities?.length) return `who can ${step.requiredCapabilities.join(", ")}`;
  return step.role ? `a ${step.role}` : "any agent of the team";
}

function Took({ from, to }: { from: string; to: string | undefined }) {
  const now = useNow();
  return <span className="tabular-nums">{took((to ? Date.parse(to) : now) - Date.parse(from))}</span>;
}

function Until({ at }: { at: string }) {
  const left = Date.parse(at) - useNow();
  return <span className="tabular-nums">{left > 0 ? `in ${duration(left)}` : "now"}</span>;
}
