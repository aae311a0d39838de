import type { Json, JsonObject, StepInput } from "@baton/client";
import { useQuery } from "@tanstack/react-query";
import { useSession } from "../session/session";
import type { Definition } from "./definition";

/** A definition that is kept, in versions that never change; what a start has to give is a JSON Schema. */
export interface Template {
  id: string;
  version: number;
  name: string;
  description?: string | null;
  inputs?: JsonObject | null;
  steps: StepInput[];
  context?: Definition["context"];
  priority?: Definition["priority"];
  failFast?: boolean;
  createdBy?: string;
  createdAt?: string;
}

/** The newest version of each. */
export function useTemplates() {
  const { rest, may } = useSession();
  return useQuery({ queryKey: ["templates"], queryFn: () => rest.all<Template>("/templates"), enabled: may("templates:read") });
}

export function useTemplate(id: string) {
  const { rest } = useSession();
  return useQuery({ queryKey: ["templates", id], queryFn: () => rest.get<Template>(`/templates/${encodeURIComponent(id)}`) });
}

/** A template as something to draw on: the server's defaults are left out, as they were in what was saved. */
export function definitionOf({ name, description, steps, context, priority, failFast }: Template, teamId: string): Definition {
  return {
    name,
    ...(description ? { description } : {}),
    teamId,
    steps: steps.map(written),
    ...(context ? { context } : {}),
    ...(priority ? { priority } : {}),
    ...(failFast === false ? { failFast } : {}),
  };
}

/** A step without the fields that say nothing. */
function written(step: StepInput): StepInput {
  const says = ([name, value]: [string, unknown]) => {
    if (value === null || value === false || value === "") return name === "name";
    if (Array.isArray(value)) return value.length > 0;
    if (name === "triggerRule") return value !== "all_succeeded";
    return typeof value !== "object" || Object.keys(value as object).length > 0;
  };
  return Object.fromEntries(Object.entries(step).filter(says)) as unknown as StepInput;
}

/** What a definition becomes as a template: everything but its team, which each start names. */
export function templateOf({ name, description, steps, context, priority, failFast }: Definition) {
  return {
    name,
    ...(description ? { description } : {}),
    steps,
    ...(context ? { context } : {}),
    ...(priority ? { priority } : {}),
    ...(failFast === undefined ? {} : { failFast }),
  };
}

// ---- what a start has to give ----

export type Kind = "string" | "number" | "integer" | "boolean";

export interface InputRow {
  name: string;
  kind: Kind;
  required: boolean;
  /** What the form begins with. */
  fallback?: Json;
}

/** The schema that a list of inputs means; none asks for nothing. */
export function schemaOf(rows: readonly InputRow[]): JsonObject | undefined {
  if (rows.length === 0) return undefined;
  const required = rows.filter((row) => row.required).map((row) => row.name);
  return {
    type: "object",
    properties: Object.fromEntries(rows.map(({ name, kind, fallback }) => [name, { type: kind, ...(fallback === undefined ? {} : { default: fallback }) }])),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}

/** The inputs that a definition's variables suggest: the same names, kinds by their values, and these to begin with. */
export function rowsOf(variables: JsonObject | undefined): InputRow[] {
  const kind = (value: Json): Kind => (typeof value === "number" ? (Number.isInteger(value) ? "integer" : "number") : typeof value === "boolean" ? "boolean" : "string");
  return Object.entries(variables ?? {})
    .filter(([, value]) => typeof value !== "object")
    .map(([name, value]) => ({ name, kind: kind(value), required: typeof value !== "boolean", fallback: value }));
}
