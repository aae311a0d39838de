import { type AlertRule, type AlertRules, BatonError, toBatonError } from "@baton/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Siren, Trash2 } from "lucide-react";
import { type FormEvent, useId, useRef, useState } from "react";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Empty, Loading, ProblemNote } from "../ui/notes";
import { Page } from "../ui/page";
import { type Draft, draftOf, METRICS, type Metric, newRule, ruleOf, thresholdFault, toldOf } from "./rules";

const KEY = ["alert-rules"];

/** When alerts are raised: for everybody to read, for admins to change. */
export default function AlertRulesScreen() {
  const { rest } = useSession();
  const rules = useQuery({ queryKey: KEY, queryFn: () => rest.get<AlertRules>("/alert-rules") });
  return (
    <Page title="Alert rules">
      {rules.error && (
        <div className="p-4 sm:px-6">
          <ProblemNote error={toBatonError(rules.error)} onRetry={() => void rules.refetch()} />
        </div>
      )}
      {rules.isPending && <Loading label="Loading the rules" rows={4} />}
      {rules.data && <Rules rules={rules.data.items} />}
    </Page>
  );
}

function Rules({ rules }: { rules: readonly AlertRule[] }) {
  const { may, rest } = useSession();
  const client = useQueryClient();
  /** What somebody has changed; none: the rules as they are, whoever changes them. */
  const [drafts, setDrafts] = useState<readonly Draft[]>();
  const [eager, setEager] = useState(false);
  const [error, setError] = useState<BatonError>();
  const [sending, setSending] = useState(false);
  const [saved, setSaved] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const mayChange = may("alert-rules:update");
  const shown = drafts ?? rules.map(draftOf);
  const faults = shown.map(thresholdFault);
  const errors = error?.problem.errors ?? [];

  const change = (to: readonly Draft[]) => {
    setDrafts(to);
    setError(undefined);
    setSaved(false);
  };
  const setRule = (index: number, fields: Partial<Draft>) => change(shown.map((each, at) => (at === index ? { ...each, ...fields } : each)));
  const leave = () => {
    setDrafts(undefined);
    setError(undefined);
    setEager(false);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setEager(true);
    const wrong = faults.findIndex((fault) => fault !== undefined);
    if (wrong >= 0) return form.current?.querySelectorAll<HTMLInputElement>("[data-threshold]")[wrong]?.focus();
    setSending(true);
    setError(undefined);
    try {
      const now = await rest.change<AlertRules>("PUT", "/alert-rules", { items: shown.map(ruleOf) });
      client.setQueryData<AlertRules>(KEY, now);
      leave();
      setSaved(true);
    } catch (cause) {
      setError(toBatonError(cause));
    } finally {
      setSending(false);
    }
  };
  const elsewhere = error && !errors.some(({ path }) => /^items\[\d+\]\.threshold$/.test(path));
  return (
    <form ref={form} noValidate onSubmit={(event) => void submit(event)} className="mx-auto flex max-w-4xl flex-col gap-4 px-4 py-5 sm:px-6">
      <p className="text-sm text-ink-soft">
        An alert is raised when a figure of a process goes above its threshold. {mayChange ? "What you change counts for processes that begin afterwards." : "An admin can change these rules."}
      </p>
      {shown.length === 0 && (
        <Empty icon={<Siren className="size-5" />} title="No rule">
          Nothing raises an alert.
        </Empty>
      )}
      <ul className="flex flex-col gap-3">
        {shown.map((draft, index) => (
          <Rule
            key={draft.id}
            draft={draft}
            // What is wrong is said once the rules were to be saved, and goes as soon as it is mended. Not when the field is left: what
            // moves under the pointer is not pressed.
            fault={(eager ? faults[index] : undefined) ?? toldOf(errors, index, "threshold")}
            mayChange={mayChange}
            onChange={(fields) => setRule(index, fields)}
            onRemove={() => change(shown.filter((_, at) => at !== index))}
          />
        ))}
      </ul>
      {elsewhere && <ProblemNote error={error} />}
      {mayChange && (
        <div className="flex flex-wrap items-center gap-2">
          <AddRule onAdd={(metric) => change([...shown, newRule(metric, shown)])} />
          <span className="ml-auto flex items-center gap-2">
            <span role="status" className="text-sm text-good">
              {saved && "The rules are saved."}
            </span>
            {drafts && <Button onClick={leave}>Undo the changes</Button>}
            <Button type="submit" tone="accent" disabled={!drafts || sending}>
              {sending ? "Saving…" : "Save the rules"}
            </Button>
          </span>
        </div>
      )}
    </form>
  );
}

const SEVERITIES: readonly AlertRule["severity"][] = ["low", "medium", "high", "critical"];
const TYPES: readonly AlertRule["type"][] = ["performance", "error", "timeout", "resource", "quality"];

interface RuleProps {
  draft: Draft;
  fault: string | undefined;
  mayChange: boolean;
  onChange(fields: Partial<Draft>): void;
  onRemove(): void;
}

/** One sentence: what is looked at, above what, and what is raised. */
function Rule({ draft, fault, mayChange, onChange, onRemove }: RuleProps) {
  const id = useId();
  const { label, unit } = METRICS[draft.metric];
  if (!mayChange) {
    return (
      <li data-rule={draft.id} className="card flex flex-wrap items-baseline gap-x-2 gap-y-1 p-4 text-sm">
        <strong className="font-semibold">{label}</strong>
        <span>
          above <span className="tabular-nums">{draft.threshold}</span> {unit}
        </span>
        <span className="text-ink-soft">
          {draft.severity}, {draft.type}
        </span>
        {!draft.enabled && <span className="text-ink-soft">switched off</span>}
      </li>
    );
  }
  return (
    <li data-rule={draft.id} className="card p-4">
      <div role="group" aria-labelledby={`${id}-name`} className="flex flex-wrap items-start gap-3 text-sm">
        <div className="flex w-full items-center justify-between gap-3">
          <h2 id={`${id}-name`} className={`font-semibold ${draft.enabled ? "" : "text-ink-soft"}`}>
            {label}
          </h2>
          <span className="flex items-center gap-2">
            <label className="flex items-center gap-2 text-ink-soft">
              <input type="checkbox" className="size-4 accent-accent" checked={draft.enabled} onChange={({ currentTarget }) => onChange({ enabled: currentTarget.checked })} />
              On
            </label>
            <Button tone="quiet" className="px-2" aria-label={`Remove the rule ${draft.id}`} title="Remove this rule" onClick={onRemove}>
              <Trash2 className="size-4" aria-hidden="true" />
            </Button>
          </span>
        </div>
        <div className="flex flex-col gap-1.5">
          <span className="flex items-center gap-2">
            <label htmlFor={`${id}-threshold`}>above</label>
            <input
              id={`${id}-threshold`}
              data-threshold
              inputMode="decimal"
              autoComplete="off"
              value={draft.threshold}
              onChange={({ currentTarget }) => onChange({ threshold: currentTarget.value })}
              aria-invalid={fault !== undefined}
              aria-describedby={fault ? `${id}-unit ${id}-fault` : `${id}-unit`}
              className="field h-9 w-20 text-right tabular-nums"
            />
            <span id={`${id}-unit`} className="text-ink-soft">
              {unit}
            </span>
          </span>
          {fault && (
            <p id={`${id}-fault`} role="alert" className="text-xs text-bad">
              {fault}
            </p>
          )}
        </div>
        <span className="flex flex-wrap items-center gap-2 sm:ml-auto">
          <span className="text-ink-soft" aria-hidden="true">
            raises
          </span>
          <Choice label="Severity" value={draft.severity} choices={SEVERITIES} onChange={(severity) => onChange({ severity })} />
          <Choice label="About" value={draft.type} choices={TYPES} onChange={(type) => onChange({ type })} />
        </span>
      </div>
    </li>
  );
}

function Choice<Value extends string>({ label, value, choices, onChange }: { label: string; value: Value; choices: readonly Value[]; onChange(value: Value): void }) {
  return (
    <select aria-label={label} value={value} onChange={({ currentTarget }) => onChange(currentTarget.value as Value)} className="field h-9 py-0">
      {choices.map((each) => (
        <option key={each} value={each}>
          {each}
        </option>
      ))}
    </select>
  );
}

function AddRule({ onAdd }: { onAdd(metric: Metric): void }) {
  const [metric, setMetric] = useState<Metric>("errorRate");
  return (
    <span className="flex items-center gap-2">
      <select aria-label="What the new rule looks at" value={metric} onChange={({ currentTarget }) => setMetric(currentTarget.value as Metric)} className="field h-9 py-0">
        {Object.entries(METRICS).map(([each, { label }]) => (
          <option key={each} value={each}>
            {label}
          </option>
        ))}
      </select>
      <Button onClick={() => onAdd(metric)}>
        <Plus className="size-4" aria-hidden="true" /> Add a rule
      </Button>
    </span>
  );
}
