import { type AgentTeam, BatonError, type FieldError, newId, toBatonError } from "@baton/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ArrowLeft, BookCopy, FolderOpen, LayoutGrid, Play, Plus, Redo2, Save, Trash2, Undo2, Workflow } from "lucide-react";
import { lazy, type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { useIsLive } from "../live/use-connection";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Segments } from "../ui/field";
import { Menu, MenuItem } from "../ui/menu";
import { Empty, ErrorNote, ProblemNote } from "../ui/notes";
import { useMedia } from "../ui/use-media";
import { addStep, type Definition, EMPTY, keyOf, placeOf, textOf } from "./definition";
import { fieldLabel, type Faults, faultsOf, stillTold } from "./faults";
import { JsonPane } from "./json-pane";
import { ProcessForm } from "./process-form";
import { SaveTemplate } from "./save-template";
import { StepForm } from "./step-form";
import { StepList } from "./step-list";
import { TemplateList } from "./template-list";
import { TemplateStart } from "./template-start";
import { definitionOf } from "./templates";
import { useDraft } from "./use-draft";

const Canvas = lazy(() => import("./canvas"));

type Side = "process" | "steps" | "json";
const SIDES: readonly (readonly [Side, string])[] = [
  ["process", "Process"],
  ["steps", "Steps"],
  ["json", "JSON"],
];
/** Room enough to draw in. */
const ROOMY = "(min-width: 60rem)";

/** Starting a process: drawn here, or from a template by filling in its form. */
export default function DesignerScreen() {
  const [parameters] = useSearchParams();
  const templateId = parameters.get("template");
  return templateId ? <TemplateStart key={templateId} templateId={templateId} /> : <Designer />;
}

/** The visual process designer: a definition is drawn, filled in and started. */
function Designer() {
  const { rest, may } = useSession();
  const live = useIsLive();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const roomy = useMedia(ROOMY);
  const draft = useDraft();
  const { definition } = draft;
  const { data: teams = [] } = useQuery({ queryKey: ["teams", "active"], queryFn: () => rest.teams() });
  const [side, setSide] = useState<Side>("process");
  const [chosen, setChosen] = useState<number>();
  const [told, setTold] = useState<readonly FieldError[]>([]);
  const [error, setError] = useState<BatonError>();
  const [eager, setEager] = useState(false);
  const [sending, setSending] = useState(false);
  const [said, setSaid] = useState("");
  const [tidied, setTidied] = useState(0);
  /** How often somebody was led to what is wrong. */
  const [led, setLed] = useState(0);
  const [dialog, setDialog] = useState<"templates" | "save">();
  const panel = useRef<HTMLElement>(null);
  const sent = useRef({ text: "", key: "" });

  const faults = faultsOf(definition, told, eager);
  const team = teams.find(({ id }) => id === definition.teamId);

  const change = (to: Definition, of?: string) => {
    setTold(stillTold(told, definition, to));
    setError(undefined);
    setSaid("");
    draft.change(to, of);
    if (chosen !== undefined && chosen >= to.steps.length) setChosen(undefined);
  };
  const choose = (index: number | undefined) => {
    setChosen(index === -1 ? undefined : index);
    if (index !== undefined) setSide("steps");
  };
  const add = () => {
    change(addStep(definition));
    choose(definition.steps.length);
  };
  /** Shows the first thing that is wrong, and puts the cursor there. */
  const lead = ({ all }: Pick<Faults, "all">, at = 0) => {
    const place = placeOf(all[at]?.path ?? "");
    if (place.step === undefined) {
      setSide("process");
      setChosen(undefined);
    } else choose(place.step);
    setLed((times) => times + 1);
  };
  useEffect(() => {
    if (led > 0) panel.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [led]);
  const start = async () => {
    setEager(true);
    setError(undefined);
    const wrong = faultsOf(definition, [], true);
    if (wrong.all.length > 0) {
      setTold([]);
      return lead(wrong);
    }
    const text = textOf(definition);
    // The same definition again, after an answer that was lost, starts no second process.
    if (sent.current.text !== text) sent.current = { text, key: newId() };
    setSending(true);
    try {
      const process = await rest.startProcess(definition, sent.current.key);
      draft.load(EMPTY);
      void navigate(`/processes/${process.id}`);
    } catch (cause) {
      const failure = toBatonError(cause);
      const errors = failure.problem.errors ?? [];
      setSending(false);
      // What was refused may be sent again once it is mended elsewhere, such as an agent that is missing.
      if (!failure.problem.retryable) sent.current = { text: "", key: "" };
      setTold(errors);
      if (errors.length === 0) setError(failure);
      else lead(faultsOf(definition, errors, true));
    }
  };

  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
      // Where somebody types, the field has its own undo.
      if ((event.target as HTMLElement).closest("input, textarea, select")) return;
      const act = event.shiftKey ? draft.redo : draft.undo;
      event.preventDefault();
      act?.();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  });

  const teamMade = (made: AgentTeam) => {
    queries.setQueryData<AgentTeam[]>(["teams", "active"], (all = []) => [made, ...all]);
    change({ ...definition, teamId: made.id });
  };

  const step = chosen === undefined ? undefined : definition.steps[chosen];
  const sideBody = (
    <>
      {side === "process" && <ProcessForm definition={definition} teams={teams} faults={faults} onChange={change} onTeamMade={teamMade} />}
      {side === "steps" && step && chosen !== undefined && (
        <>
          <button type="button" onClick={() => setChosen(undefined)} className="mb-3 inline-flex items-center gap-1.5 rounded text-sm font-medium text-accent-text">
            <ArrowLeft className="size-4" aria-hidden="true" /> All steps
          </button>
          <StepForm key={chosen} definition={definition} index={chosen} team={team} faults={faults} onChange={change} onChoose={choose} />
        </>
      )}
      {side === "steps" && !step && (
        <div className="flex flex-col gap-3">
          {definition.steps.length === 0 && <p className="text-sm text-ink-soft">There is no step yet.</p>}
          <StepList definition={definition} chosen={chosen} faults={faults} onChoose={choose} />
          <Button className="self-start" onClick={add}>
            <Plus className="size-4" aria-hidden="true" /> Add a step
          </Button>
        </div>
      )}
      {side === "json" && <JsonPane definition={definition} onChange={change} />}
    </>
  );

  return (
    <main className="flex h-full flex-col">
      <TemplateList
        open={dialog === "templates"}
        onOpenChange={(open) => setDialog(open ? "templates" : undefined)}
        onEdit={(template) => {
          change(definitionOf(template, definition.teamId));
          setChosen(undefined);
          setSide("process");
        }}
      />
      <SaveTemplate definition={definition} open={dialog === "save"} onOpenChange={(open) => setDialog(open ? "save" : undefined)} />
      <header className="flex min-h-14 shrink-0 items-center gap-0.5 border-b border-line bg-surface px-4 py-2 sm:gap-2 sm:px-6">
        <h1 className="mr-1 truncate text-lg font-semibold tracking-tight sm:mr-2">Start a process</h1>
        <Tool label="Undo" disabled={!draft.undo} onClick={() => draft.undo?.()}>
          <Undo2 className="size-4" aria-hidden="true" />
        </Tool>
        <Tool label="Redo" roomyOnly disabled={!draft.redo} onClick={() => draft.redo?.()}>
          <Redo2 className="size-4" aria-hidden="true" />
        </Tool>
        <Tool
          label="Begin anew"
          disabled={definition === EMPTY}
          onClick={() => {
            change(EMPTY);
            setChosen(undefined);
            setEager(false);
            setTold([]);
          }}
        >
          <Trash2 className="size-4" aria-hidden="true" />
        </Tool>
        <div className="ml-auto flex items-center gap-1 sm:gap-2">
          {may("templates:read") && (
            <Menu
              trigger={
                <Button className="max-sm:px-2" aria-label="Templates">
                  <BookCopy className="size-4" aria-hidden="true" /> <span className="max-sm:hidden">Templates</span>
                </Button>
              }
            >
              <MenuItem icon={<FolderOpen />} onSelect={() => setDialog("templates")}>
                Open a template
              </MenuItem>
              {may("templates:create") && (
                <MenuItem icon={<Save />} disabled={definition.steps.length === 0} onSelect={() => setDialog("save")}>
                  Save as a template
                </MenuItem>
              )}
            </Menu>
          )}
          {may("processes:create") ? (
            <Button tone="accent" disabled={!live || sending} onClick={() => void start()}>
              <Play className="size-4" aria-hidden="true" /> {sending ? "Starting…" : "Start"}
            </Button>
          ) : (
            <span className="text-sm text-ink-soft">Your key may only read.</span>
          )}
        </div>
      </header>
      {(error || faults.all.length > 0) && (
        <div className="shrink-0 px-4 pt-3 sm:px-6">
          {error && <ProblemNote error={error} />}
          {!error && <FaultList faults={faults} definition={definition} onLead={(at) => lead(faults, at)} />}
        </div>
      )}
      <div className="flex min-h-0 flex-1">
        {roomy && (
          <section aria-label="Canvas" className="relative min-w-0 flex-1">
            {definition.steps.length === 0 ? (
              <Empty icon={<Workflow className="size-5" />} title="Draw the process">
                <p>Steps are done by the agents of a team, each when those it waits for have ended.</p>
                <Button tone="accent" className="mt-4" onClick={add}>
                  <Plus className="size-4" aria-hidden="true" /> Add the first step
                </Button>
              </Empty>
            ) : (
              <>
                <Suspense fallback={null}>
                  <Canvas definition={definition} chosen={chosen} faults={faults} tidied={tidied} onChange={change} onChoose={choose} onSay={setSaid} />
                </Suspense>
                <div className="absolute top-3 left-3 flex gap-2">
                  <Button onClick={add}>
                    <Plus className="size-4" aria-hidden="true" /> Add a step
                  </Button>
                  <Button onClick={() => setTidied(tidied + 1)}>
                    <LayoutGrid className="size-4" aria-hidden="true" /> Tidy up
                  </Button>
                </div>
                <p className="pointer-events-none absolute right-3 bottom-6 left-16 text-right text-xs text-ink-faint">
                  Draw from a step's right dot to the one that waits for it. Delete removes what is selected.
                </p>
              </>
            )}
            <p role="status" className={said ? "absolute inset-x-0 top-16 mx-auto w-fit max-w-sm rounded-lg bg-wait-soft px-3 py-2 text-sm text-wait" : "sr-only"}>
              {said}
            </p>
          </section>
        )}
        <aside ref={panel} aria-label="Details" className={`flex min-h-0 flex-col bg-surface ${roomy ? "w-104 shrink-0 border-l border-line" : "w-full"}`}>
          <div className="shrink-0 border-b border-line px-4 py-2">
            <Segments<Side> label="What to edit" choices={SIDES} value={side} onChange={setSide} />
          </div>
          <div className="min-h-0 flex-1 overflow-y-auto px-4 py-4" data-side={side}>
            {sideBody}
          </div>
        </aside>
      </div>
    </main>
  );
}

function Tool({ label, disabled, roomyOnly = false, onClick, children }: { label: string; disabled: boolean; roomyOnly?: boolean; onClick(): void; children: ReactNode }) {
  return (
    <Button tone="quiet" className={`px-2 ${roomyOnly ? "max-sm:hidden" : ""}`} aria-label={label} title={label} disabled={disabled} onClick={onClick}>
      {children}
    </Button>
  );
}

/** Everything that is wrong, each leading to where it is. */
function FaultList({ faults, definition, onLead }: { faults: Faults; definition: Definition; onLead(at: number): void }) {
  const nameAt = (step: number) => definition.steps[step]?.name || keyOf(definition.steps, step);
  return (
    <ErrorNote title={faults.all.length === 1 ? "One thing is wrong" : `${faults.all.length} things are wrong`}>
      <ul className="mt-1 flex flex-col gap-0.5">
        {faults.all.map(({ path, message }, at) => {
          const { step, field } = placeOf(path);
          return (
            <li key={path + message}>
              <button type="button" className="rounded text-left underline" onClick={() => onLead(at)}>
                {step === undefined ? fieldLabel(field) : `${nameAt(step)}, ${fieldLabel(field)}`}
              </button>
              {`: ${message}`}
            </li>
          );
        })}
      </ul>
    </ErrorNote>
  );
}
