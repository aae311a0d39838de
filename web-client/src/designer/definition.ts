import type { Json, StartProcess, StepInput } from "@baton/client";

/**
 * What the designer edits: the body that starts a process, and nothing beside it. The canvas, the forms and the JSON are views of this
 * one value, so it round-trips exactly: a field that no form knows, or one left out, stays as it was written.
 *
 * Every function here gives a new definition and changes none.
 */
export type Definition = Omit<StartProcess, "name" | "steps"> & { name: string; steps: StepInput[] };

/** As the server takes it. */
export const KEY_RULE = /^[A-Za-z0-9_.:-]{1,64}$/;

export const EMPTY: Definition = { name: "", teamId: "", steps: [] };

/** The key of a step, given or by its place. */
export function keyOf(steps: readonly StepInput[], index: number): string {
  return steps[index]?.key ?? `step_${index + 1}`;
}

export function keysOf({ steps }: Definition): string[] {
  return steps.map((_, index) => keyOf(steps, index));
}

/** Sets fields of an object; `undefined` takes one away, so that a default is not written down. The order of fields stays. */
export function withFields<T extends object>(value: T, fields: { [Name in keyof T]?: T[Name] | undefined }): T {
  const next = { ...value } as Record<string, unknown>;
  for (const [name, field] of Object.entries(fields)) {
    if (field === undefined) delete next[name];
    else next[name] = field;
  }
  return next as T;
}

export function updateStep(definition: Definition, index: number, fields: { [Name in keyof StepInput]?: StepInput[Name] | undefined }): Definition {
  return { ...definition, steps: definition.steps.map((step, at) => (at === index ? withFields(step, fields) : step)) };
}

/** A new step at the end, after the given one if there is one. */
export function addStep(definition: Definition, after?: string): Definition {
  const taken = new Set(keysOf(definition));
  let number = definition.steps.length + 1;
  while (taken.has(`step_${number}`)) number++;
  const step: StepInput = { key: `step_${number}`, name: `Step ${number}`, ...(after === undefined ? {} : { dependencies: [after] }) };
  return { ...definition, steps: [...definition.steps, step] };
}

/** Without a step, and without what names it. */
export function removeStep(definition: Definition, index: number): Definition {
  const keys = keysOf(definition);
  const gone = keys[index];
  // A key by place would change with the place.
  const pinned = definition.steps.map((step, at) => (at > index && step.key == null ? withFields(step, { key: keyOf(definition.steps, at) }) : step));
  const steps = pinned.filter((_, at) => at !== index).map((step) => renamed(step, gone ?? "", undefined));
  return { ...definition, steps };
}

/** A step under another key; whatever names it follows. */
export function renameStep(definition: Definition, index: number, key: string): Definition {
  const before = keyOf(definition.steps, index);
  const steps = definition.steps.map((step, at) => renamed(at === index ? withFields(step, { key }) : step, before, key));
  return { ...definition, steps };
}

/** A step whose references to `before` name `after`, or are gone. */
function renamed(step: StepInput, before: string, after: string | undefined): StepInput {
  let next = step;
  if (step.dependencies?.includes(before)) {
    const dependencies = step.dependencies.flatMap((key) => (key === before ? (after === undefined ? [] : [after]) : [key]));
    next = withFields(next, { dependencies: dependencies.length > 0 || after !== undefined ? dependencies : undefined });
  }
  if (step.conditions?.some(({ nextStepId }) => nextStepId === before)) {
    const conditions = step.conditions.map((each) => (each.nextStepId === before ? withFields(each, { nextStepId: after }) : each));
    next = withFields(next, { conditions });
  }
  return next;
}

/** Why the step `to` cannot depend on `from`; undefined where it can. */
export function connectFault(definition: Definition, from: string, to: string): string | undefined {
  if (from === to) return "A step cannot wait for itself.";
  const keys = keysOf(definition);
  const step = definition.steps[keys.indexOf(to)];
  if (!step || !keys.includes(from)) return "There is no such step.";
  if (step.dependencies?.includes(from)) return "It waits for that step already.";
  if (reaches(definition, to, from)) return `${nameOf(definition, from)} waits for ${nameOf(definition, to)} already: the steps would go in a circle.`;
  return undefined;
}

export function connect(definition: Definition, from: string, to: string): Definition {
  const index = keysOf(definition).indexOf(to);
  return updateStep(definition, index, { dependencies: [...(definition.steps[index]?.dependencies ?? []), from] });
}

export function disconnect(definition: Definition, from: string, to: string): Definition {
  const index = keysOf(definition).indexOf(to);
  const dependencies = (definition.steps[index]?.dependencies ?? []).filter((key) => key !== from);
  return updateStep(definition, index, { dependencies: dependencies.length > 0 ? dependencies : undefined });
}

export function nameOf(definition: Definition, key: string): string {
  const index = keysOf(definition).indexOf(key);
  return definition.steps[index]?.name || key;
}

/** Whether `to` waits, over whatever other steps, for `from`. */
function reaches(definition: Definition, from: string, to: string): boolean {
  const keys = keysOf(definition);
  const seen = new Set<string>();
  const open = [to];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    if (key === from) return true;
    if (seen.has(key)) continue;
    seen.add(key);
    open.push(...(definition.steps[keys.indexOf(key)]?.dependencies ?? []));
  }
  return false;
}

/** As it stands beside the canvas. */
export function textOf(definition: Definition): string {
  return JSON.stringify(definition, null, 2);
}

/** A definition from its text; what is wrong only in its fields is for the server to say, what the canvas cannot draw is said here. */
export function parse(text: string): { definition: Definition } | { fault: string } {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
  const fault = shapeFault(value);
  return fault === undefined ? { definition: value as unknown as Definition } : { fault };
}

const OBJECT = "must be an object";

function shapeFault(value: Json): string | undefined {
  if (!isObject(value)) return `The whole ${OBJECT}.`;
  if (typeof value.name !== "string") return "name must be a text.";
  if (typeof value.teamId !== "string") return "teamId must be a text.";
  if (!Array.isArray(value.steps)) return "steps must be a list.";
  for (const [index, step] of value.steps.entries()) {
    const at = `steps[${index}]`;
    if (!isObject(step)) return `${at} ${OBJECT}.`;
    for (const field of ["name", "key", "description", "assignedAgentId", "role", "triggerRule"]) {
      const text = step[field];
      if (text !== undefined && text !== null && typeof text !== "string") return `${at}.${field} must be a text.`;
    }
    for (const field of ["dependencies", "requiredCapabilities"]) {
      const list = step[field];
      if (list !== undefined && list !== null && !(Array.isArray(list) && list.every((each) => typeof each === "string"))) return `${at}.${field} must be a list of texts.`;
    }
    if (step.conditions !== undefined && !(Array.isArray(step.conditions) && step.conditions.every(isObject))) return `${at}.conditions must be a list of objects.`;
    if (step.inputs !== undefined && !isObject(step.inputs)) return `${at}.inputs ${OBJECT}.`;
  }
  return undefined;
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The place that a field error names: a step and a path in it, or a path in the definition. */
export function placeOf(path: string): { step?: number; field: string } {
  const match = /^steps\[(\d+)\]\.?(.*)$/.exec(path);
  return match ? { step: Number(match[1]), field: match[2] ?? "" } : { field: path };
}
