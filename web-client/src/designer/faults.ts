import type { FieldError } from "@baton/client";
import { type Definition, KEY_RULE, keysOf, placeOf } from "./definition";

/** What is wrong, where it belongs: what the page sees by itself, and what the server has said. */
export interface Faults {
  /** Of a field of the definition itself, such as `name`. */
  of(field: string): string | undefined;
  /** Of a field of a step, such as `conditions[0].condition`; what is wrong below the field counts too. */
  ofStep(step: number, field: string): string | undefined;
  /** How many things are wrong with a step. */
  count(step: number): number;
  all: readonly FieldError[];
}

export function faultsOf(definition: Definition, told: readonly FieldError[], eager: boolean): Faults {
  const plain = told.map(({ path, message }) => ({ path, message: readable(message) }));
  const all = [...seen(definition, eager), ...plain].filter(
    (each, index, list) => list.findIndex((other) => placeOf(other.path).field === placeOf(each.path).field && placeOf(other.path).step === placeOf(each.path).step) === index,
  );
  const within = (field: string, wanted: string) => field === wanted || field.startsWith(`${wanted}.`) || field.startsWith(`${wanted}[`);
  return {
    all,
    of: (field) => all.find(({ path }) => placeOf(path).step === undefined && within(path, field))?.message,
    ofStep: (step, field) => all.find(({ path }) => placeOf(path).step === step && within(placeOf(path).field, field))?.message,
    count: (step) => all.filter(({ path }) => placeOf(path).step === step).length,
  };
}

/** What needs no server to be seen; what is merely not filled in yet is a fault only once somebody has tried to start. */
function seen(definition: Definition, eager: boolean): FieldError[] {
  const faults: FieldError[] = [];
  const keys = keysOf(definition);
  if (eager && definition.name.trim() === "") faults.push({ path: "name", message: "A process needs a name." });
  if (eager && definition.teamId === "") faults.push({ path: "teamId", message: "Choose the team whose agents do the work." });
  if (eager && definition.steps.length === 0) faults.push({ path: "steps", message: "Add a step." });
  definition.steps.forEach((step, index) => {
    const at = (field: string) => `steps[${index}].${field}`;
    if (!KEY_RULE.test(keys[index] ?? "")) faults.push({ path: at("key"), message: "Use 1 to 64 letters, digits and _ . : -" });
    else if (keys.indexOf(keys[index] ?? "") !== index) faults.push({ path: at("key"), message: "Another step has this key." });
    if (eager && step.name.trim() === "") faults.push({ path: at("name"), message: "A step needs a name." });
  });
  return faults;
}

/** The server's errors that still hold after a change: those of what was not touched. */
export function stillTold(told: readonly FieldError[], before: Definition, after: Definition): FieldError[] {
  return told.filter(({ path }) => {
    const { step, field } = placeOf(path);
    if (step !== undefined) return before.steps[step] === after.steps[step];
    const name = (/^[^.[]+/.exec(field)?.[0] ?? "") as keyof Definition;
    return name === "steps" ? before.steps === after.steps : before[name] === after[name];
  });
}

/** A compiler's message in one line that a person can read: without the list of all that could have followed. */
export function readable(message: string): string {
  const line = message.split("\n").find((each) => each.trim() !== "")?.trim() ?? message;
  return line
    .replace("at line 1, column ", "at character ")
    .replace(/ expecting .*?(?=; does not compile|$)/g, "")
    .replace(/Syntax error: /, "")
    .replace("mismatched input '<EOF>'", "it ends too early")
    .replace(/(?:mismatched|extraneous) input/, "unexpected");
}

const FIELDS: Record<string, string> = {
  name: "name",
  teamId: "team",
  assignedAgentId: "agent",
  requiredCapabilities: "skills",
  dependencies: "what it waits for",
  maxAttempts: "attempts",
  backoffMs: "pause between attempts",
  timeoutMs: "time limit",
};

/** A field as the forms call it. */
export function fieldLabel(path: string): string {
  const condition = /^conditions\[(\d+)\]/.exec(path);
  if (condition) return `condition ${Number(condition[1]) + 1}`;
  const input = /^inputs\.([^.[]+)/.exec(path);
  if (input) return `input ${input[1]}`;
  return FIELDS[/^[^.[]+/.exec(path)?.[0] ?? ""] ?? path;
}
