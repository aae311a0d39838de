import type { Json, JsonObject } from "@baton/client";
import { Plus, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { Button } from "../ui/button";
import { ExpressionField } from "./expression-field";

type Kind = "text" | "number" | "yes-no" | "expression" | "json";

const KINDS: Record<Kind, string> = { text: "Text", number: "Number", "yes-no": "Yes or no", expression: "Expression", json: "JSON" };
const FRESH: Record<Kind, Json> = { text: "", number: 0, "yes-no": true, expression: { $from: "" }, json: null };

function kindOf(value: Json): Kind {
  if (typeof value === "string") return "text";
  if (typeof value === "number") return "number";
  if (typeof value === "boolean") return "yes-no";
  return fromOf(value) === undefined ? "json" : "expression";
}

/** The expression of a value that is computed when the step becomes ready. */
function fromOf(value: Json): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.keys(value).length === 1 && typeof value.$from === "string" ? value.$from : undefined;
}

interface Props {
  label: string;
  hint: string;
  values: JsonObject;
  /** Whether a value may be an expression. */
  expressions?: boolean;
  faultOf(name: string): string | undefined;
  onChange(values: JsonObject | undefined, of?: string): void;
}

/** Named values of any kind. The names stay in the order in which they were given. */
export function ValuesForm({ label, hint, values, expressions = false, faultOf, onChange }: Props) {
  const entries = Object.entries(values);
  const replace = (index: number, name: string, value: Json, of?: string) =>
    onChange(Object.fromEntries(entries.map((entry, at) => (at === index ? [name, value] : entry))), of);
  const remove = (index: number) => {
    const rest = entries.filter((_, at) => at !== index);
    onChange(rest.length > 0 ? Object.fromEntries(rest) : undefined);
  };
  const add = () => {
    let number = entries.length + 1;
    while (`value_${number}` in values) number++;
    onChange({ ...values, [`value_${number}`]: "" });
  };
  return (
    <fieldset className="flex min-w-0 flex-col gap-2">
      <legend className="mb-2 text-sm font-semibold">{label}</legend>
      {entries.length === 0 && <p className="text-sm text-ink-soft">{hint}</p>}
      {entries.map(([name, value], index) => {
        const kind = kindOf(value);
        return (
          <div key={index} data-value={name} role="group" aria-label={`${label}: ${name}`} className="flex flex-col gap-2 rounded-lg border border-line p-2.5">
            <div className="flex items-center gap-2">
              <NameInput name={name} taken={(next) => next !== name && next in values} onChange={(next) => replace(index, next, value)} />
              <select
                aria-label={`Kind of ${name}`}
                className="field h-9 w-28 shrink-0"
                value={kind}
                onChange={(event) => replace(index, name, FRESH[event.target.value as Kind])}
              >
                {(Object.keys(KINDS) as Kind[])
                  .filter((each) => expressions || each !== "expression" || kind === "expression")
                  .map((each) => (
                    <option key={each} value={each}>
                      {KINDS[each]}
                    </option>
                  ))}
              </select>
              <Button tone="quiet" className="px-2" aria-label={`Remove ${name}`} onClick={() => remove(index)}>
                <Trash2 className="size-4" aria-hidden="true" />
              </Button>
            </div>
            <ValueInput kind={kind} name={name} value={value} fault={faultOf(name)} onChange={(next) => replace(index, name, next, `${label} ${index}`)} />
          </div>
        );
      })}
      <Button className="self-start" onClick={add}>
        <Plus className="size-4" aria-hidden="true" /> Add a value
      </Button>
    </fieldset>
  );
}

/** A name takes effect when it is left: half of one may be another's. */
function NameInput({ name, taken, onChange }: { name: string; taken(name: string): boolean; onChange(name: string): void }) {
  const [text, setText] = useState(name);
  useEffect(() => setText(name), [name]);
  const settle = () => {
    if (text === "" || taken(text)) setText(name);
    else if (text !== name) onChange(text);
  };
  return (
    <input
      aria-label={`Name of ${name}`}
      className="field h-9 min-w-0 flex-1 font-mono text-xs"
      value={text}
      spellCheck={false}
      autoCapitalize="off"
      onChange={(event) => setText(event.target.value)}
      onBlur={settle}
      onKeyDown={(event) => event.key === "Enter" && settle()}
    />
  );
}

function ValueInput({ kind, name, value, fault, onChange }: { kind: Kind; name: string; value: Json; fault: string | undefined; onChange(value: Json): void }) {
  const label = `Value of ${name}`;
  switch (kind) {
    case "text":
      return <textarea aria-label={label} rows={String(value).includes("\n") ? 4 : 1} className="field w-full py-1.5" value={String(value)} onChange={(event) => onChange(event.target.value)} />;
    case "number":
      return <TypedInput label={label} value={value} read={(text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined)} expected="a number" onChange={onChange} />;
    case "yes-no":
      return (
        <select aria-label={label} className="field h-9 w-full" value={String(value)} onChange={(event) => onChange(event.target.value === "true")}>
          <option value="true">Yes</option>
          <option value="false">No</option>
        </select>
      );
    case "expression":
      return (
        <ExpressionField label={label} value={fromOf(value) ?? ""} error={fault} placeholder="sharedData.steps.draft.text" hint="Evaluated when the step becomes ready." onChange={(text) => onChange({ $from: text })} />
      );
    case "json":
      return <TypedInput label={label} value={value} read={json} expected="JSON" mono onChange={onChange} />;
  }
}

function json(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** What is typed stays as it is typed; the value follows whenever the text is one. */
function TypedInput({ label, value, read, expected, mono = false, onChange }: { label: string; value: Json; read(text: string): Json | undefined; expected: string; mono?: boolean; onChange(value: Json): void }) {
  const written = JSON.stringify(value);
  const [text, setText] = useState(written);
  const parsed = read(text);
  useEffect(() => {
    // Another value came from elsewhere, such as the JSON beside it.
    setText((typed) => (JSON.stringify(read(typed)) === written ? typed : written));
  }, [written]);
  return (
    <>
      <textarea
        aria-label={label}
        aria-invalid={parsed === undefined}
        rows={mono && text.length > 40 ? 4 : 1}
        spellCheck={false}
        inputMode={mono ? "text" : "decimal"}
        className={`field w-full py-1.5 ${mono ? "font-mono text-xs" : ""}`}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          const next = read(event.target.value);
          if (next !== undefined) onChange(next);
        }}
      />
      {parsed === undefined && <p className="text-xs text-bad">{`This is not ${expected} yet.`}</p>}
    </>
  );
}
