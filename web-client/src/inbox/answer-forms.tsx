import type { BatonError, HumanIntervention, Json, JsonObject } from "@baton/client";
import { type FormEvent, type KeyboardEvent, lazy, type ReactNode, Suspense, useState } from "react";
import { Button } from "../ui/button";
import { Segments } from "../ui/field";
import { ErrorNote, Loading } from "../ui/notes";
import { parseText, textOf } from "./subject-text";

const SchemaForm = lazy(() => import("../ui/schema-form"));
const DiffView = lazy(() => import("../ui/diff-view"));

const FIELD = "field w-full";

function backOnEscape(onCancel: () => void) {
  return (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    onCancel();
  };
}

export function Reject({ busy, onCancel, onReject }: { busy: boolean; onCancel(): void; onReject(comments: string): void }) {
  const [comments, setComments] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onReject(comments.trim());
  };
  return (
    <form onSubmit={submit} onKeyDown={backOnEscape(onCancel)} className="flex flex-col gap-2">
      <label htmlFor="why" className="text-sm font-medium">
        Why is it rejected? <span className="font-normal text-ink-faint">The agent reads this.</span>
      </label>
      <textarea id="why" rows={3} autoFocus value={comments} onChange={(event) => setComments(event.target.value)} className={FIELD} />
      <div className="flex gap-2">
        <Button type="submit" tone="danger" disabled={busy}>
          Reject
        </Button>
        <Button tone="quiet" onClick={onCancel}>
          Back
        </Button>
      </div>
    </form>
  );
}

type EditAs = "form" | "text" | "changes";

interface EditProps {
  intervention: HumanIntervention;
  busy: boolean;
  error: BatonError | undefined;
  onCancel(): void;
  onSave(modifications: Json): void;
}

/** The subject as a person would have it: as a form where there is a schema, as text always, and what differs. */
export function Edit({ intervention: { subject = null, schema }, busy, error, onCancel, onSave }: EditProps) {
  const plain = typeof subject === "string";
  const [as, setAs] = useState<EditAs>(schema ? "form" : "text");
  const [text, setText] = useState(() => textOf(subject));
  const [fault, setFault] = useState<string>();
  const parsed = parseText(text, plain);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if ("fault" in parsed) setFault(parsed.fault);
    else onSave(parsed.value);
  };
  const buttons = (
    <div className="flex gap-2">
      <Button type="submit" tone="accent" disabled={busy}>
        Approve this version
      </Button>
      <Button tone="quiet" onClick={onCancel}>
        Back
      </Button>
    </div>
  );
  const choices: [EditAs, string][] = [...(schema ? ([["form", "Form"]] as [EditAs, string][]) : []), ["text", plain ? "Text" : "JSON"], ["changes", "Changes"]];
  return (
    <div onKeyDown={backOnEscape(onCancel)} className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <p className="text-sm">
          <span className="font-medium">Your version</span> <span className="text-ink-faint">replaces the whole subject, and is approved with that.</span>
        </p>
        <Segments<EditAs> label="How to edit" choices={choices} value={as} onChange={setAs} />
      </div>
      {as === "form" && schema && !("fault" in parsed) && (
        <Suspense fallback={<Loading label="Loading the form" rows={1} />}>
          <div className="max-h-[50dvh] overflow-y-auto pr-1">
            <SchemaForm schema={schema as JsonObject} value={parsed.value} disabled={busy} problems={fieldProblems(error, "modifications")} onChange={(value) => setText(textOf(value))} onSubmit={onSave}>
              {buttons}
            </SchemaForm>
          </div>
        </Suspense>
      )}
      {as === "form" && "fault" in parsed && <ErrorNote title="This is not valid JSON" detail={parsed.fault} />}
      {as !== "form" && (
        <form onSubmit={submit} className="flex flex-col gap-2">
          {as === "text" ? (
            <textarea
              aria-label="Your version"
              autoFocus
              spellCheck={plain}
              value={text}
              onChange={(event) => {
                setText(event.target.value);
                setFault(undefined);
              }}
              aria-invalid={fault !== undefined}
              className={`${FIELD} h-[40dvh] resize-y ${plain ? "" : "font-mono text-xs! leading-5"}`}
            />
          ) : (
            <div className="card max-h-[40dvh] overflow-y-auto p-3">
              <Suspense fallback={<Loading label="Comparing" rows={1} />}>
                <DiffView before={textOf(subject)} after={text} prose={plain} />
              </Suspense>
            </div>
          )}
          {fault && <ErrorNote title="This is not valid JSON" detail={fault} />}
          {buttons}
        </form>
      )}
    </div>
  );
}

/** What the server says of the fields of a value, by their place in the value. */
function fieldProblems(error: BatonError | undefined, name: string): { path: string; message: string }[] {
  return (error?.problem.errors ?? [])
    .filter(({ path }) => path.startsWith(name))
    .map(({ path, message }) => ({ path: path.slice(name.length).replace(/^\./, ""), message }));
}

interface AnswerProps {
  intervention: HumanIntervention;
  busy: boolean;
  error: BatonError | undefined;
  label: string;
  onAnswer(value: Json): void;
}

/** The value that is asked for: a form from its schema, or free text. */
export function Answer({ intervention: { schema }, busy, error, label, onAnswer }: AnswerProps) {
  return schema ? (
    <SchemaAnswer schema={schema} busy={busy} error={error} label={label} onAnswer={onAnswer} />
  ) : (
    <TextAnswer busy={busy} label={label} onAnswer={onAnswer} />
  );
}

function SchemaAnswer({ schema, busy, error, label, onAnswer }: Omit<AnswerProps, "intervention"> & { schema: NonNullable<HumanIntervention["schema"]> }) {
  const [value, setValue] = useState<Json>();
  return (
    <Suspense fallback={<Loading label="Loading the form" rows={1} />}>
      <div className="max-h-[45dvh] overflow-y-auto pr-1">
        <SchemaForm schema={schema as JsonObject} value={value} disabled={busy} problems={fieldProblems(error, "value")} onChange={setValue} onSubmit={onAnswer}>
          <Submit label={label} busy={busy} />
        </SchemaForm>
      </div>
    </Suspense>
  );
}

function Submit({ label, busy }: { label: string; busy: boolean }): ReactNode {
  return (
    <Button type="submit" tone="accent" className="self-start" disabled={busy}>
      {label}
    </Button>
  );
}

function TextAnswer({ busy, label, onAnswer }: { busy: boolean; label: string; onAnswer(value: Json): void }) {
  const [text, setText] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onAnswer(text.trim());
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-2">
      <label htmlFor="answer" className="text-sm font-medium">
        Your answer
      </label>
      <textarea id="answer" rows={2} value={text} onChange={(event) => setText(event.target.value)} className={FIELD} />
      <Submit label={label} busy={busy || text.trim() === ""} />
    </form>
  );
}
