import type { StepInput } from "@baton/client";
import { CircleAlert, GitBranch, Hand } from "lucide-react";
import { type Definition, keysOf, nameOf } from "./definition";
import type { Faults } from "./faults";

export function forWhom(step: StepInput): string {
  if (step.process) return "a process of its own";
  if (step.assignedAgentId) return step.assignedAgentId;
  if (step.requiredCapabilities?.length) return step.requiredCapabilities.join(", ");
  return step.role ? `a ${step.role}` : "anyone";
}

/** What is special about a step, in small. */
export function StepMarks({ step, faults }: { step: StepInput; faults: number }) {
  return (
    <span className="flex shrink-0 items-center gap-1.5 text-ink-faint">
      {step.requiresApproval && (
        <span title="A person approves before it begins" className="text-wait">
          <Hand className="size-3.5" aria-hidden="true" />
          <span className="sr-only">needs approval</span>
        </span>
      )}
      {(step.conditions?.length ?? 0) > 0 && (
        <span title="It has conditions">
          <GitBranch className="size-3.5" aria-hidden="true" />
          <span className="sr-only">has conditions</span>
        </span>
      )}
      {faults > 0 && (
        <span title="Something is wrong with it" className="text-bad">
          <CircleAlert className="size-3.5" aria-hidden="true" />
          <span className="sr-only">{`${faults} wrong`}</span>
        </span>
      )}
    </span>
  );
}

/** The steps as a list: where there is no room to draw, and for whoever would rather read. */
export function StepList({ definition, chosen, faults, onChoose }: { definition: Definition; chosen: number | undefined; faults: Faults; onChoose(index: number): void }) {
  const keys = keysOf(definition);
  return (
    <ol className="flex flex-col gap-2">
      {definition.steps.map((step, index) => (
        <li key={index}>
          <button
            type="button"
            data-step={keys[index]}
            aria-pressed={chosen === index}
            onClick={() => onChoose(index)}
            className={`flex w-full items-center gap-3 rounded-xl border bg-surface p-3 text-left ${faults.count(index) > 0 ? "border-bad" : chosen === index ? "border-accent" : "border-line hover:border-line-strong"}`}
          >
            <span className="grid size-7 shrink-0 place-items-center rounded-full bg-sunken text-xs font-semibold text-ink-soft tabular-nums">{index + 1}</span>
            <span className="min-w-0 flex-1">
              <span className="block truncate font-semibold">{step.name || keys[index]}</span>
              <span className="block truncate text-sm text-ink-soft">
                {forWhom(step)}
                {(step.dependencies?.length ?? 0) > 0 && `, after ${step.dependencies?.map((key) => nameOf(definition, key)).join(", ")}`}
              </span>
            </span>
            <StepMarks step={step} faults={faults.count(index)} />
          </button>
        </li>
      ))}
    </ol>
  );
}
