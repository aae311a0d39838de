import type { ConditionAction, ConditionType, StepCondition } from "@baton/client";
import { Plus, Trash2 } from "lucide-react";
import { Button } from "../ui/button";
import { Field } from "../ui/field";
import { withFields } from "./definition";
import { ExpressionField } from "./expression-field";

const TYPES: Record<ConditionType, string> = {
  success: "it succeeds",
  failure: "it fails",
  timeout: "its time is over",
  custom: "it ends, however",
};
const ACTIONS: Record<ConditionAction, string> = {
  continue: "go on",
  retry: "try again",
  skip: "skip what waits for it",
  escalate: "ask a person",
  abort: "cancel the process",
};

interface Props {
  conditions: readonly StepCondition[];
  /** The other steps, to go on with. */
  others: readonly { key: string; name: string }[];
  faultOf(field: string): string | undefined;
  onChange(conditions: StepCondition[] | undefined, of?: string): void;
}

/** What happens when the step ends: the first condition that holds decides. */
export function ConditionsForm({ conditions, others, faultOf, onChange }: Props) {
  const set = (index: number, fields: { [Name in keyof StepCondition]?: StepCondition[Name] | undefined }, of?: string) =>
    onChange(conditions.map((each, at) => (at === index ? withFields(each, fields) : each)), of);
  const remove = (index: number) => {
    const rest = conditions.filter((_, at) => at !== index);
    onChange(rest.length > 0 ? rest : undefined);
  };
  return (
    <fieldset className="flex min-w-0 flex-col gap-3">
      <legend className="mb-2 text-sm font-semibold">When it ends</legend>
      {conditions.length === 0 && <p className="text-sm text-ink-soft">It goes on when it succeeds, and fails when its attempts are used up.</p>}
      {conditions.map((condition, index) => (
        <div key={index} data-condition={index} role="group" aria-label={`Condition ${index + 1}`} className="flex flex-col gap-2.5 rounded-lg border border-line p-3">
          <div className="flex items-end gap-2">
            <div className="min-w-0 flex-1">
              <Field label="When">
                {(id) => (
                  <select id={id} className="field h-9 w-full" value={condition.type} onChange={(event) => set(index, { type: event.target.value as ConditionType })}>
                    {Object.entries(TYPES).map(([type, text]) => (
                      <option key={type} value={type}>
                        {text}
                      </option>
                    ))}
                  </select>
                )}
              </Field>
            </div>
            <Button tone="quiet" className="px-2" aria-label={`Remove condition ${index + 1}`} onClick={() => remove(index)}>
              <Trash2 className="size-4" aria-hidden="true" />
            </Button>
          </div>
          <ExpressionField
            label="and"
            value={condition.condition ?? ""}
            placeholder="outputs.score >= 8"
            hint="CEL over inputs, outputs, sharedData, variables, error. Empty: always."
            error={faultOf(`conditions[${index}].condition`)}
            onChange={(text) => set(index, { condition: text }, `condition ${index}`)}
          />
          <div className="grid grid-cols-2 gap-2">
            <Field label="then">
              {(id) => (
                <select id={id} className="field h-9 w-full" value={condition.action} onChange={(event) => set(index, { action: event.target.value as ConditionAction })}>
                  {Object.entries(ACTIONS).map(([action, text]) => (
                    <option key={action} value={action}>
                      {text}
                    </option>
                  ))}
                </select>
              )}
            </Field>
            <Field label="with" {...errorOf(faultOf(`conditions[${index}].nextStepId`))}>
              {(id) => (
                <select id={id} className="field h-9 w-full" value={condition.nextStepId ?? ""} onChange={(event) => set(index, { nextStepId: event.target.value || undefined })}>
                  <option value="">what waits for it</option>
                  {condition.nextStepId && !others.some(({ key }) => key === condition.nextStepId) && <option value={condition.nextStepId}>{condition.nextStepId} (unknown)</option>}
                  {others.map(({ key, name }) => (
                    <option key={key} value={key}>
                      {name || key}
                    </option>
                  ))}
                </select>
              )}
            </Field>
          </div>
        </div>
      ))}
      <Button className="self-start" onClick={() => onChange([...conditions, { type: "success", condition: "", action: "continue" }])}>
        <Plus className="size-4" aria-hidden="true" /> Add a condition
      </Button>
    </fieldset>
  );
}

export function errorOf(message: string | undefined): { error?: string } {
  return message === undefined ? {} : { error: message };
}
