import { type AgentTeam, type BatonError, type Json, type JsonObject, newId, type OrchestrationProcess, toBatonError } from "@baton/client";
import { useQuery } from "@tanstack/react-query";
import { ArrowLeft, Play } from "lucide-react";
import { type FormEvent, lazy, Suspense, useRef, useState } from "react";
import { Link, useNavigate } from "react-router";
import { useIsLive } from "../live/use-connection";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Field } from "../ui/field";
import { Loading, ProblemNote } from "../ui/notes";
import { Page } from "../ui/page";
import { errorOf } from "./conditions-form";
import { type Template, useTemplate } from "./templates";

const SchemaForm = lazy(() => import("../ui/schema-form"));

/** Starts a process from a template: a team, and the form that its inputs' schema makes. */
export function TemplateStart({ templateId }: { templateId: string }) {
  const template = useTemplate(templateId);
  return (
    <Page title={template.data ? `Start ${template.data.name}` : "Start from a template"}>
      <div className="mx-auto flex max-w-2xl flex-col gap-5 p-4 sm:p-6">
        <Link to="/start" className="inline-flex items-center gap-1.5 self-start rounded text-sm font-medium text-accent-text">
          <ArrowLeft className="size-4" aria-hidden="true" /> Draw a process instead
        </Link>
        {template.error && <ProblemNote error={toBatonError(template.error)} onRetry={() => void template.refetch()} />}
        {template.isPending && <Loading label="Loading the template" rows={3} />}
        {template.data && <StartForm template={template.data} />}
      </div>
    </Page>
  );
}

function StartForm({ template }: { template: Template }) {
  const { rest, may } = useSession();
  const live = useIsLive();
  const navigate = useNavigate();
  const { data: teams = [] } = useQuery({ queryKey: ["teams", "active"], queryFn: () => rest.teams() });
  const [teamId, setTeamId] = useState("");
  const [name, setName] = useState("");
  const [inputs, setInputs] = useState<Json>();
  const [error, setError] = useState<BatonError>();
  const [sending, setSending] = useState(false);
  const sent = useRef({ text: "", key: "" });
  const chosen = teamId || (teams.length === 1 ? (teams[0]?.id ?? "") : "");
  const told = (path: string) => error?.problem.errors?.find((each) => each.path === path)?.message;
  const start = async (given: Json | undefined) => {
    const body = {
      templateId: template.id,
      templateVersion: template.version,
      teamId: chosen,
      ...(name.trim() ? { name: name.trim() } : {}),
      ...(given === undefined || given === null ? {} : { inputs: given }),
    };
    const text = JSON.stringify(body);
    // The same again, after an answer that was lost, starts no second process.
    if (sent.current.text !== text) sent.current = { text, key: newId() };
    setSending(true);
    setError(undefined);
    try {
      const process = await rest.change<OrchestrationProcess>("POST", "/processes", body, sent.current.key);
      void navigate(`/processes/${process.id}`);
    } catch (cause) {
      const failure = toBatonError(cause);
      if (!failure.problem.retryable) sent.current = { text: "", key: "" };
      setError(failure);
      setSending(false);
    }
  };
  const elsewhere = error && !error.problem.errors?.some(({ path }) => path === "teamId" || path === "name" || path.startsWith("inputs"));
  const ready = live && !sending && chosen !== "" && may("processes:create");
  const button = (
    <Button type="submit" tone="accent" className="self-start" disabled={!ready}>
      <Play className="size-4" aria-hidden="true" /> {sending ? "Starting…" : "Start"}
    </Button>
  );
  const schema = template.inputs as JsonObject | null | undefined;
  return (
    <>
      {template.description && <p className="text-ink-soft">{template.description}</p>}
      <TeamField teams={teams} value={chosen} fault={told("teamId")} onChange={setTeamId} />
      <Field label="Name of the process" hint={`Empty: ${template.name}`} {...errorOf(told("name"))}>
        {(id, describedBy) => <input id={id} className="field h-9 w-full" value={name} aria-describedby={describedBy} onChange={(event) => setName(event.target.value)} />}
      </Field>
      {elsewhere && <ProblemNote error={error} />}
      {schema && Object.keys(schema).length > 0 ? (
        <Suspense fallback={<Loading label="Loading the form" rows={2} />}>
          <SchemaForm
            schema={schema}
            value={inputs ?? {}}
            disabled={sending}
            problems={(error?.problem.errors ?? []).filter(({ path }) => path.startsWith("inputs")).map(({ path, message }) => ({ path: path.replace(/^inputs\.?/, ""), message }))}
            onChange={setInputs}
            onSubmit={(value) => ready && void start(value)}
          >
            {button}
          </SchemaForm>
        </Suspense>
      ) : (
        <form
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            void start(undefined);
          }}
        >
          {button}
        </form>
      )}
      {!may("processes:create") && <p className="text-sm text-ink-soft">Your key may only read.</p>}
    </>
  );
}

function TeamField({ teams, value, fault, onChange }: { teams: readonly AgentTeam[]; value: string; fault: string | undefined; onChange(id: string): void }) {
  return (
    <Field label="Team" {...errorOf(fault)}>
      {(id, describedBy) => (
        <select id={id} className="field h-9 w-full" value={value} aria-describedby={describedBy} aria-invalid={fault !== undefined} onChange={(event) => onChange(event.target.value)}>
          {value === "" && <option value="">Choose a team</option>}
          {teams.map((team) => (
            <option key={team.id} value={team.id}>
              {team.name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
