import { type BatonError, type Json, type JsonObject, toBatonError } from "@baton/client";
import { useQueryClient } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Field, Segments } from "../ui/field";
import { ProblemNote } from "../ui/notes";
import { errorOf } from "./conditions-form";
import type { Definition } from "./definition";
import { type InputRow, type Kind, rowsOf, schemaOf, type Template, templateOf, useTemplates } from "./templates";

const KINDS: Record<Kind, string> = { string: "Text", number: "Number", integer: "Whole number", boolean: "Yes or no" };

/** Keeps the definition as a template: a new one, or a new version of one. */
export function SaveTemplate({ definition, open, onOpenChange }: { definition: Definition; open: boolean; onOpenChange(open: boolean): void }) {
  return (
    <Dialog title="Save as a template" description="Whoever starts it chooses the team and fills in what you ask for here." open={open} onOpenChange={onOpenChange} wide>
      <SaveForm definition={definition} onSaved={() => onOpenChange(false)} />
    </Dialog>
  );
}

function SaveForm({ definition, onSaved }: { definition: Definition; onSaved(): void }) {
  const { rest } = useSession();
  const queries = useQueryClient();
  const { data: templates = [] } = useTemplates();
  const [name, setName] = useState(definition.name);
  const [description, setDescription] = useState(definition.description ?? "");
  const [rows, setRows] = useState<InputRow[]>(() => rowsOf(definition.context?.variables));
  const [as, setAs] = useState<"list" | "json">("list");
  const [text, setText] = useState("");
  const [error, setError] = useState<BatonError>();
  const [sending, setSending] = useState(false);
  const same = templates.find((template) => template.name === name.trim());
  const read = as === "json" ? readSchema(text) : { schema: schemaOf(rows.filter((row) => row.name.trim() !== "")) };
  const told = (path: string) => error?.problem.errors?.find((each) => each.path === path || each.path.startsWith(`${path}.`))?.message;
  const setRow = (index: number, fields: Partial<InputRow>) => setRows(rows.map((row, at) => (at === index ? { ...row, ...fields } : row)));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!("schema" in read)) return;
    setSending(true);
    setError(undefined);
    try {
      await rest.change<Template>("POST", "/templates", {
        ...templateOf({ ...definition, name: name.trim(), description: description.trim() || null }),
        ...(read.schema ? { inputs: read.schema } : {}),
        ...(same ? { id: same.id } : {}),
      });
      await queries.invalidateQueries({ queryKey: ["templates"] });
      onSaved();
    } catch (cause) {
      setError(toBatonError(cause));
      setSending(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
      <Field label="Name of the template" {...(same ? { hint: `Becomes version ${same.version + 1} of the template of this name.` } : {})} {...errorOf(told("name"))}>
        {(id, describedBy) => <input id={id} required autoFocus className="field h-9 w-full" value={name} aria-describedby={describedBy} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <Field label="What it is for" {...errorOf(told("description"))}>
        {(id) => <textarea id={id} rows={2} className="field w-full py-1.5" value={description} onChange={(event) => setDescription(event.target.value)} />}
      </Field>
      <fieldset className="flex min-w-0 flex-col gap-2">
        <legend className="mb-2 text-sm font-semibold">What a start has to give</legend>
        <Segments<"list" | "json">
          label="How to say it"
          choices={[
            ["list", "List"],
            ["json", "JSON Schema"],
          ]}
          value={as}
          onChange={(next) => {
            if (next === "json") setText(JSON.stringify(schemaOf(rows) ?? { type: "object", properties: {} }, null, 2));
            setAs(next);
          }}
        />
        <p className="text-xs text-ink-faint">Each becomes a variable: expressions see it as variables.name.</p>
        {as === "list" ? (
          <>
            {rows.map((row, index) => (
              <div key={index} className="flex flex-wrap items-center gap-2">
                <input aria-label={`Input ${index + 1}`} placeholder="name" autoCapitalize="off" spellCheck={false} className="field h-9 min-w-32 flex-1 font-mono text-xs" value={row.name} onChange={(event) => setRow(index, { name: event.target.value })} />
                <select aria-label={`Kind of input ${index + 1}`} className="field h-9" value={row.kind} onChange={(event) => setRows(rows.map(({ fallback: _, ...each }, at) => (at === index ? { ...each, kind: event.target.value as Kind } : rows[at] ?? each)))}>
                  {Object.entries(KINDS).map(([kind, label]) => (
                    <option key={kind} value={kind}>
                      {label}
                    </option>
                  ))}
                </select>
                <label className="flex items-center gap-1.5 text-sm">
                  <input type="checkbox" className="size-4 accent-accent" checked={row.required} onChange={(event) => setRow(index, { required: event.target.checked })} />
                  needed
                </label>
                <Button tone="quiet" className="px-2" aria-label={`Remove input ${index + 1}`} onClick={() => setRows(rows.filter((_, at) => at !== index))}>
                  <Trash2 className="size-4" aria-hidden="true" />
                </Button>
              </div>
            ))}
            <Button className="self-start" onClick={() => setRows([...rows, { name: "", kind: "string", required: true }])}>
              <Plus className="size-4" aria-hidden="true" /> Ask for something
            </Button>
          </>
        ) : (
          <Field label="JSON Schema" {...errorOf("fault" in read ? read.fault : told("inputs"))}>
            {(id, describedBy) => <textarea id={id} rows={10} spellCheck={false} className="field w-full py-2 font-mono text-xs leading-5" value={text} aria-describedby={describedBy} aria-invalid={"fault" in read} onChange={(event) => setText(event.target.value)} />}
          </Field>
        )}
      </fieldset>
      {error && <ProblemNote error={error} />}
      <Button type="submit" tone="accent" className="self-end" disabled={sending || name.trim() === "" || !("schema" in read)}>
        {sending ? "Saving…" : same ? "Save the new version" : "Save the template"}
      </Button>
    </form>
  );
}

function readSchema(text: string): { schema: JsonObject | undefined } | { fault: string } {
  if (text.trim() === "") return { schema: undefined };
  try {
    const value = JSON.parse(text) as Json;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { schema: value };
    return { fault: "A schema of inputs is an object." };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}
