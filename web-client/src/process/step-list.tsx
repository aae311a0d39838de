import type { OrchestrationProcess, ProcessStep } from "@baton/client";
import { Bot } from "lucide-react";
import type { Holder } from "../live/fold";
import { Badge, lookOfStep, TONE_CLASS } from "../ui/badge";
import { JsonView } from "../ui/json-view";

/** The steps in the order given, with where each stands and who holds it. */
export function StepList({ process, holders }: { process: OrchestrationProcess; holders: ReadonlyMap<string, Holder> }) {
  return (
    <ol className="flex flex-col gap-2">
      {process.steps.map((step) => (
        <StepCard key={step.id} step={step} process={process} holder={holders.get(step.id)} />
      ))}
    </ol>
  );
}

function StepCard({ step, process, holder }: { step: ProcessStep; process: OrchestrationProcess; holder: Holder | undefined }) {
  const look = lookOfStep(step);
  const Icon = look.icon;
  const after = step.dependencies.map((key) => process.steps.find((each) => each.key === key)?.name ?? key);
  const executing = step.status === "running" && typeof step.percent === "number";
  const held = holder ?? liveAttempt(step);
  return (
    <li data-step={step.key} data-status={step.status} className="rounded-xl border border-line bg-surface p-3">
      <div className="flex items-start gap-3">
        <span className={`grid size-8 shrink-0 place-items-center rounded-full transition-colors ${TONE_CLASS[look.tone]}`}>
          <Icon className="size-4.5" aria-hidden="true" />
        </span>
        <div className="min-w-0 flex-1">
          <div className="flex flex-wrap items-center justify-between gap-x-3 gap-y-1">
            <h3 className="font-semibold">{step.name}</h3>
            <Badge look={look} />
          </div>
          <p className="mt-0.5 flex flex-wrap gap-x-3 text-sm text-ink-soft">
            {held ? (
              <span className="inline-flex items-center gap-1">
                <Bot className="size-3.5" aria-hidden="true" />
                {HELD[held.status]} {held.agentId}
              </span>
            ) : (
              <span>{forWhom(step)}</span>
            )}
            {after.length > 0 && <span>after {after.join(", ")}</span>}
            {step.attempts > 1 && <span>{`attempt ${step.attempts} of ${step.maxAttempts}`}</span>}
          </p>
          {executing && (
            <div className="mt-2" title={step.note ?? undefined}>
              <progress max={100} value={step.percent ?? 0} aria-label={`Progress of ${step.name}`} className="progress block h-1.5 w-full" />
              {step.note && <p className="mt-1 truncate text-xs text-ink-faint">{step.note}</p>}
            </div>
          )}
          {step.error && <p className="mt-1 text-sm break-words text-bad">{step.error.message}</p>}
          {step.outputs !== undefined && step.outputs !== null && (
            <details className="mt-2 text-sm">
              <summary className="cursor-pointer font-medium text-ink-soft">Outputs</summary>
              <div className="mt-2 max-h-96 overflow-y-auto">
                <JsonView value={step.outputs} />
              </div>
            </details>
          )}
        </div>
      </div>
    </li>
  );
}

const HELD: Record<Holder["status"], string> = { offered: "offered to", leased: "held by", done: "done by" };

function liveAttempt({ attempt }: ProcessStep): Holder | undefined {
  if (!attempt || (attempt.status !== "offered" && attempt.status !== "leased")) return undefined;
  return { agentId: attempt.agentId, attemptId: attempt.id, status: attempt.status };
}

function forWhom(step: ProcessStep): string {
  if (step.assignedAgentId) return `for ${step.assignedAgentId}`;
  if (step.requiredCapabilities?.length) return `needs ${step.requiredCapabilities.join(", ")}`;
  return step.role ? `for a ${step.role}` : "for any agent of the team";
}
