import type { AgentTeam, MemberRole, StepInput, TriggerRule } from "@baton/client";
import { CornerDownRight, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { Button } from "../ui/button";
import { Field, Segments } from "../ui/field";
import { ConditionsForm, errorOf } from "./conditions-form";
import { addStep, connect, connectFault, type Definition, disconnect, keyOf, keysOf, removeStep, renameStep, updateStep } from "./definition";
import type { Faults } from "./faults";
import { NumberField } from "./number-field";
import { useTemplates } from "./templates";
import { ValuesForm } from "./values-form";

const RULES: Record<TriggerRule, string> = {
  all_succeeded: "all of them succeeded",
  all_done: "all of them ended, however",
  any_succeeded: "one of them succeeded",
  any_failed: "one of them failed",
};
const ROLES: readonly MemberRole[] = ["leader", "specialist", "support"];
const SECOND = 1_000;

type Who = "anyone" | "agent" | "role" | "capabilities" | "process";

function whoOf(step: StepInput): Who {
  if (step.process) return "process";
  if (step.assignedAgentId) return "agent";
  if (step.requiredCapabilities) return "capabilities";
  return step.role ? "role" : "anyone";
}

interface Props {
  definition: Definition;
  index: number;
  team: AgentTeam | undefined;
  faults: Faults;
  onChange(definition: Definition, of?: string): void;
  onChoose(index: number | undefined): void;
}

/** Everything that can be said of one step. */
export function StepForm({ definition, index, team, faults, onChange, onChoose }: Props) {
  const step = definition.steps[index];
  if (!step) return null;
  const key = keyOf(definition.steps, index);
  const keys = keysOf(definition);
  const others = definition.steps.flatMap((other, at) => (at === index ? [] : [{ key: keys[at] ?? "", name: other.name }]));
  const set = (fields: { [Name in keyof StepInput]?: StepInput[Name] | undefined }, of?: string) => onChange(updateStep(definition, index, fields), of && `${index} ${of}`);
  const fault = (field: string) => faults.ofStep(index, field);
  return (
    <div data-step-form={key} className="flex flex-col gap-5">
      <div className="flex flex-col gap-3">
        <Field label="Name" {...errorOf(fault("name"))}>
          {(id, describedBy) => (
            <input id={id} className="field h-9 w-full" value={step.name} aria-describedby={describedBy} aria-invalid={fault("name") !== undefined} onChange={(event) => set({ name: event.target.value }, "name")} />
          )}
        </Field>
        <KeyField value={key} fault={fault("key")} onChange={(next) => onChange(renameStep(definition, index, next))} />
        <Field label="What is to be done" hint="The agent reads this." {...errorOf(fault("description"))}>
          {(id, describedBy) => (
            <textarea id={id} rows={3} className="field w-full py-1.5" value={step.description ?? ""} aria-describedby={describedBy} onChange={(event) => set({ description: event.target.value || undefined }, "description")} />
          )}
        </Field>
      </div>

      <Assignment step={step} team={team} faultOf={fault} onChange={set} />

      <fieldset className="flex min-w-0 flex-col gap-2">
        <legend className="mb-2 text-sm font-semibold">It waits for</legend>
        {others.length === 0 && <p className="text-sm text-ink-soft">There is no other step yet.</p>}
        {others.map((other) => {
          const waits = step.dependencies?.includes(other.key) ?? false;
          const why = waits ? undefined : connectFault(definition, other.key, key);
          return (
            <label key={other.key} title={why} className={`flex items-center gap-2 text-sm ${why ? "text-ink-faint" : ""}`}>
              <input type="checkbox" className="size-4 accent-accent" checked={waits} disabled={why !== undefined} onChange={() => onChange(waits ? disconnect(definition, other.key, key) : connect(definition, other.key, key))} />
              {other.name || other.key}
            </label>
          );
        })}
        {step.dependencies
          ?.filter((each) => !keys.includes(each))
          .map((unknown) => (
            <label key={unknown} className="flex items-center gap-2 text-sm text-bad">
              <input type="checkbox" className="size-4 accent-accent" checked onChange={() => onChange(disconnect(definition, unknown, key))} />
              {unknown} (there is no such step)
            </label>
          ))}
        {fault("dependencies") && <p className="text-xs text-bad">{fault("dependencies")}</p>}
        {(step.dependencies?.length ?? 0) > 0 && (
          <Field label="and begins when" {...errorOf(fault("triggerRule"))}>
            {(id) => (
              <select id={id} className="field h-9 w-full" value={step.triggerRule ?? "all_succeeded"} onChange={(event) => set({ triggerRule: event.target.value === "all_succeeded" ? undefined : (event.target.value as TriggerRule) })}>
                {Object.entries(RULES).map(([rule, text]) => (
                  <option key={rule} value={rule}>
                    {text}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
      </fieldset>

      <Check label="A person approves before it begins" checked={step.requiresApproval ?? false} onChange={(on) => set({ requiresApproval: on || undefined })} />

      <ValuesForm
        label="Inputs"
        hint="What the agent works on. A value may be an expression over what earlier steps gave."
        expressions
        values={step.inputs ?? {}}
        faultOf={(name) => fault(`inputs.${name}`)}
        onChange={(inputs, of) => set({ inputs }, of)}
      />

      <ConditionsForm conditions={step.conditions ?? []} others={others} faultOf={fault} onChange={(conditions, of) => set({ conditions }, of)} />

      <fieldset className="flex min-w-0 flex-col gap-3">
        <legend className="mb-2 text-sm font-semibold">Limits</legend>
        <div className="grid grid-cols-2 gap-3">
          <NumberField label="Attempts" value={step.maxAttempts} fallback="3" min={1} error={fault("maxAttempts")} onChange={(maxAttempts) => set({ maxAttempts }, "attempts")} />
          <NumberField label="Pause between, s" value={step.backoffMs} fallback="1" unit={SECOND} error={fault("backoffMs")} onChange={(backoffMs) => set({ backoffMs }, "backoff")} />
        </div>
        <NumberField label="Time limit, s" value={step.timeoutMs} fallback="the team's" unit={SECOND} error={fault("timeoutMs")} hint="For one attempt." onChange={(timeoutMs) => set({ timeoutMs }, "timeout")} />
        <Check label="The process goes on even if it fails" checked={step.continueOnFailure ?? false} onChange={(on) => set({ continueOnFailure: on || undefined })} />
        <Check label="Its outputs become shared data" checked={step.mergeOutputs ?? false} onChange={(on) => set({ mergeOutputs: on || undefined })} />
      </fieldset>

      <div className="flex flex-wrap gap-2 border-t border-line pt-4">
        <Button
          onClick={() => {
            onChange(addStep(definition, key));
            onChoose(definition.steps.length);
          }}
        >
          <CornerDownRight className="size-4" aria-hidden="true" /> Add a step after it
        </Button>
        <Button
          tone="danger"
          onClick={() => {
            onChange(removeStep(definition, index));
            onChoose(undefined);
          }}
        >
          <Trash2 className="size-4" aria-hidden="true" /> Remove
        </Button>
      </div>
    </div>
  );
}

export function Check({ label, checked, onChange }: { label: string; checked: boolean; onChange(checked: boolean): void }) {
  return (
    <label className="flex items-center gap-2 text-sm">
      <input type="checkbox" className="size-4 accent-accent" checked={checked} onChange={(event) => onChange(event.target.checked)} />
      {label}
    </label>
  );
}

/** A key takes effect when it is left, since everything that names the step follows it. */
function KeyField({ value, fault, onChange }: { value: string; fault: string | undefined; onChange(key: string): void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const settle = () => text !== value && onChange(text);
  return (
    <Field label="Key" hint="Its name in expressions and other steps." {...errorOf(fault)}>
      {(id, describedBy) => (
        <input
          id={id}
          className="field h-9 w-full font-mono text-xs"
          value={text}
          spellCheck={false}
          autoCapitalize="off"
          aria-describedby={describedBy}
          aria-invalid={fault !== undefined}
          onChange={(event) => setText(event.target.value)}
          onBlur={settle}
          onKeyDown={(event) => event.key === "Enter" && settle()}
        />
      )}
    </Field>
  );
}

const WHO: readonly (readonly [Who, string])[] = [
  ["anyone", "Anyone"],
  ["agent", "Agent"],
  ["role", "Role"],
  ["capabilities", "Skills"],
  ["process", "Process"],
];

function Assignment({ step, team, faultOf, onChange }: { step: StepInput; team: AgentTeam | undefined; faultOf(field: string): string | undefined; onChange(fields: { [Name in keyof StepInput]?: StepInput[Name] | undefined }, of?: string): void }) {
  const [chosen, setChosen] = useState<Who>(() => whoOf(step));
  const said = whoOf(step);
  // What the definition says counts; an empty choice of agent or skills is only the form's.
  const who = said === "anyone" ? chosen : said;
  const members = team?.agents.filter(({ isActive }) => isActive) ?? [];
  const { data: templates = [] } = useTemplates();
  const nobody = { assignedAgentId: undefined, role: undefined, requiredCapabilities: undefined, process: undefined };
  const choose = (next: Who) => {
    setChosen(next);
    if (next === "anyone") onChange(nobody);
    else if (next === "role") onChange({ ...nobody, role: "specialist" });
    else if (next === "agent") onChange({ ...nobody, assignedAgentId: members[0]?.agentId });
    else if (next === "process") onChange({ ...nobody, process: templates[0] && { templateId: templates[0].id } });
    else onChange(nobody);
  };
  const skills = [...new Set(members.flatMap(({ capabilities }) => capabilities ?? []))].sort();
  return (
    <fieldset className="flex min-w-0 flex-col gap-2">
      <legend className="mb-2 text-sm font-semibold">Who does it</legend>
      <Segments label="Who does it" choices={WHO} value={who} onChange={choose} />
      {who === "agent" && (
        <Field label="Agent" {...(members.length === 0 ? { hint: "Choose a team first." } : {})} {...errorOf(faultOf("assignedAgentId"))}>
          {(id, describedBy) => (
            <select id={id} className="field h-9 w-full" value={step.assignedAgentId ?? ""} aria-describedby={describedBy} onChange={(event) => onChange({ ...nobody, assignedAgentId: event.target.value || undefined })}>
              {!step.assignedAgentId && <option value="">Choose an agent</option>}
              {step.assignedAgentId && !members.some(({ agentId }) => agentId === step.assignedAgentId) && <option value={step.assignedAgentId}>{step.assignedAgentId} (not in the team)</option>}
              {members.map(({ agentId, role }) => (
                <option key={agentId} value={agentId}>
                  {agentId} ({role})
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      {who === "role" && (
        <Field label="Role in the team" {...errorOf(faultOf("role"))}>
          {(id) => (
            <select id={id} className="field h-9 w-full" value={step.role ?? "specialist"} onChange={(event) => onChange({ ...nobody, role: event.target.value as MemberRole })}>
              {ROLES.map((role) => (
                <option key={role} value={role}>
                  {role}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      {who === "capabilities" && <Skills known={skills} value={step.requiredCapabilities ?? []} fault={faultOf("requiredCapabilities")} onChange={(list) => onChange({ ...nobody, requiredCapabilities: list.length > 0 ? list : undefined }, "skills")} />}
      {who === "process" && (
        <Field label="Template" hint="The step is a process of its own; its inputs are what the template asks for." {...errorOf(faultOf("process"))}>
          {(id, describedBy) => (
            <select id={id} className="field h-9 w-full" value={step.process?.templateId ?? ""} aria-describedby={describedBy} onChange={(event) => onChange({ ...nobody, process: event.target.value ? { templateId: event.target.value } : undefined })}>
              {!step.process && <option value="">{templates.length === 0 ? "There is no template yet" : "Choose a template"}</option>}
              {step.process && !templates.some(({ id: known }) => known === step.process?.templateId) && <option value={step.process.templateId}>{step.process.templateId} (unknown)</option>}
              {templates.map((template) => (
                <option key={template.id} value={template.id}>
                  {template.name}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      {who === "anyone" && <p className="text-sm text-ink-soft">Whoever of the team is free.</p>}
    </fieldset>
  );
}

function Skills({ known, value, fault, onChange }: { known: string[]; value: string[]; fault: string | undefined; onChange(value: string[]): void }) {
  const written = value.join(", ");
  const [text, setText] = useState(written);
  const read = (typed: string) => typed.split(",").map((each) => each.trim()).filter((each) => each !== "");
  useEffect(() => {
    setText((typed) => (read(typed).join(", ") === written ? typed : written));
  }, [written]);
  return (
    <Field label="Skills that the agent needs" hint={known.length > 0 ? `The team has: ${known.join(", ")}` : "With commas between them."} {...errorOf(fault)}>
      {(id, describedBy) => (
        <input
          id={id}
          className="field h-9 w-full"
          value={text}
          aria-describedby={describedBy}
          autoCapitalize="off"
          onChange={(event) => {
            setText(event.target.value);
            onChange(read(event.target.value));
          }}
        />
      )}
    </Field>
  );
}
