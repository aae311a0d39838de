import type { AgentHandoff } from "@baton/client";
import type { Process, Step } from "../model";
import { Badge, lookOfStep, TONE_CLASS } from "../ui/badge";
import { StepDetail } from "./step-detail";

interface StepListProps {
  process: Process;
  handoffs: readonly AgentHandoff[];
  chosen: string | undefined;
  onChoose(stepId: string | undefined): void;
}

/** The steps in the order given, the chosen one with all that is known of it. */
export function StepList({ process, handoffs, chosen, onChoose }: StepListProps) {
  return (
    <ol className="flex flex-col gap-2">
      {process.steps.map((step) => (
        <li key={step.id} data-step={step.key} data-status={step.status} className="card p-3">
          <StepHead step={step} open={step.id === chosen} onToggle={() => onChoose(step.id === chosen ? undefined : step.id)} />
          {step.id === chosen && (
            <div className="mt-3 border-t border-line pt-3">
              <StepDetail step={step} process={process} handoffs={handoffs} />
            </div>
          )}
        </li>
      ))}
    </ol>
  );
}

function StepHead({ step, open, onToggle }: { step: Step; open: boolean; onToggle(): void }) {
  const look = lookOfStep(step);
  const Icon = look.icon;
  const percent = step.status === "running" ? step.progress?.percent : undefined;
  return (
    <button type="button" aria-expanded={open} onClick={onToggle} className="flex w-full items-start gap-3 rounded-lg text-left">
      <span className={`grid size-8 shrink-0 place-items-center rounded-full ${TONE_CLASS[look.tone]}`}>
        <Icon className="size-4.5" aria-hidden="true" />
      </span>
      <span className="min-w-0 flex-1">
        <span className="flex flex-wrap items-center justify-between gap-x-3 gap-y-1">
          <span className="font-semibold">{step.name}</span>
          <Badge look={look} />
        </span>
        <span className="mt-0.5 block truncate text-sm text-ink-soft">{step.heldBy ? `held by ${step.heldBy}` : step.description}</span>
        {typeof percent === "number" && <progress max={100} value={percent} aria-label={`Progress of ${step.name}`} className="progress mt-2 block h-1.5 w-full" />}
      </span>
    </button>
  );
}
