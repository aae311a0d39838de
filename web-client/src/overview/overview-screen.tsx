import { Activity, ChartNoAxesCombined, CircleCheck, CirclePause, CirclePlay, CircleX, Hand, type LucideIcon } from "lucide-react";
import { lazy, type ReactNode, Suspense, useMemo, useState } from "react";
import { Link } from "react-router";
import { useList } from "../live/use-list";
import type { Process } from "../model";
import { TONE_CLASS, type Tone } from "../ui/badge";
import { Segments } from "../ui/field";
import { ListBody } from "../ui/list-body";
import { Empty, Loading } from "../ui/notes";
import { Page, Section } from "../ui/page";
import { Table } from "../ui/table";
import { took, useNow } from "../ui/time";
import { patchProcess } from "../process/patch";
import { Attention } from "./attention";
import { type AgentLoad, loads, type SlowStep, slowestSteps, standing, successRate, throughput } from "./figures";

const ThroughputChart = lazy(() => import("./throughput-chart"));

const HOUR = 3_600_000;
type Span = "1" | "24" | "168";
const SPANS = [
  ["1", "1 hour"],
  ["24", "24 hours"],
  ["168", "7 days"],
] as const;
const BUCKETS = 30;
/** How many of the newest processes the figures are worked out from. */
const NEWEST = 200;

/** How the workspace does: what runs, what waits, what failed, and what to look at. */
export default function OverviewScreen() {
  const [span, setSpan] = useState<Span>("24");
  const list = useList<Process>({ path: "/processes", pageSize: NEWEST, patch: patchProcess, brings: (event) => event.type === "process.created", everyMs: 15_000 });
  return (
    <Page title="Overview" actions={<Segments<Span> label="Time" choices={SPANS} value={span} onChange={setSpan} />}>
      <ListBody
        list={list}
        label="Working the figures out"
        empty={
          <Empty icon={<ChartNoAxesCombined className="size-5" />} title="No process yet">
            When processes run, this tells how they do.{" "}
            <Link to="/processes" className="text-accent-text underline">
              Start one
            </Link>
          </Empty>
        }
      >
        <Figures processes={list.rows} span={span} partial={list.more !== undefined} />
      </ListBody>
    </Page>
  );
}

function Figures({ processes, span, partial }: { processes: readonly Process[]; span: Span; partial: boolean }) {
  // A minute is fine enough for a chart of hours.
  const now = Math.ceil(useNow() / 60_000) * 60_000;
  const since = now - Number(span) * HOUR;
  const counts = standing(processes, since);
  const rate = successRate(counts);
  const chart = useMemo(() => throughput(processes, since, now, BUCKETS), [processes, since, now]);
  const slow = useMemo(() => slowestSteps(processes, 6), [processes]);
  const agents = useMemo(() => loads(processes, 6), [processes]);
  return (
    <div className="mx-auto flex max-w-7xl flex-col gap-6 px-4 py-5 sm:px-6">
      <ul aria-label="Figures" className="grid grid-cols-2 gap-3 sm:grid-cols-3 xl:grid-cols-6">
        <Figure to="/processes?status=running" name="Running" value={counts.running} tone="busy" icon={CirclePlay} />
        <Figure to="/inbox" name="Waiting" value={counts.waiting} tone="wait" icon={Hand} />
        <Figure to="/processes?status=paused" name="Paused" value={counts.paused} tone="neutral" icon={CirclePause} />
        <Figure to="/processes?status=failed" name="Failed" value={counts.failed} tone="bad" icon={CircleX} />
        <Figure to="/processes?status=completed" name="Completed" value={counts.completed} tone="good" icon={CircleCheck} />
        <Figure name="Success" value={rate === undefined ? "none ended" : `${Math.round(rate)} %`} tone="accent" icon={Activity} />
      </ul>
      <div className="grid gap-6 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
        <Section title="Ended, over time" aside={<Legend />}>
          <div className="card overflow-hidden p-4">
            <Suspense fallback={<Loading label="Loading the chart" rows={2} />}>
              <ThroughputChart data={chart} />
            </Suspense>
          </div>
        </Section>
        <Attention processes={processes} />
      </div>
      <div className="grid gap-6 xl:grid-cols-2">
        <Section title="Slowest steps">
          <Slowest steps={slow} />
        </Section>
        <Section title="Busiest agents">
          <Busiest agents={agents} />
        </Section>
      </div>
      {partial && <p className="text-xs text-ink-faint">Worked out from the newest {NEWEST} processes.</p>}
    </div>
  );
}

function Figure({ name, value, tone, icon: Icon, to }: { name: string; value: ReactNode; tone: Tone; icon: LucideIcon; to?: string }) {
  return (
    <li className={`card relative flex items-center gap-3 p-3.5 ${to ? "transition-colors hover:border-line-strong" : ""}`}>
      <span className={`grid size-9 shrink-0 place-items-center rounded-full ${TONE_CLASS[tone]}`}>
        <Icon className="size-4.5" aria-hidden="true" />
      </span>
      <p className="flex min-w-0 flex-col">
        <strong className={`font-semibold tracking-tight tabular-nums ${typeof value === "number" || String(value).endsWith("%") ? "text-xl leading-7" : "text-sm leading-7"}`}>{value}</strong>
        <span className="truncate text-xs text-ink-soft">
          {to ? (
            <Link to={to} className="after:absolute after:inset-0 after:rounded-xl focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent">
              {name}
            </Link>
          ) : (
            name
          )}
        </span>
      </p>
    </li>
  );
}

function Legend() {
  return (
    <span className="flex gap-3">
      <span className="flex items-center gap-1.5">
        <span className="size-2 rounded-sm bg-good" aria-hidden="true" /> completed
      </span>
      <span className="flex items-center gap-1.5">
        <span className="size-2 rounded-sm bg-bad" aria-hidden="true" /> failed
      </span>
    </span>
  );
}

function Slowest({ steps }: { steps: SlowStep[] }) {
  if (steps.length === 0) return <p className="text-sm text-ink-soft">No step has completed yet.</p>;
  return (
    <div className="card overflow-x-auto">
      <Table
        label="Slowest steps"
        columns={[
          { header: "Step", cell: ({ name }: SlowStep) => name },
          { header: "On average", width: "7rem", align: "right", cell: ({ average }) => took(average) },
          { header: "At worst", from: "sm", width: "7rem", align: "right", cell: ({ slowest }) => took(slowest) },
          { header: "Times", from: "sm", width: "5rem", align: "right", cell: ({ count }) => count },
        ]}
        rows={steps}
        keyOf={({ name }) => name}
        linkOf={({ processId }) => `/processes/${processId}`}
      />
    </div>
  );
}

function Busiest({ agents }: { agents: AgentLoad[] }) {
  if (agents.length === 0) return <p className="text-sm text-ink-soft">No agent has worked yet.</p>;
  return (
    <div className="card overflow-x-auto">
      <Table
        label="Busiest agents"
        columns={[
          { header: "Agent", cell: ({ agentId }: AgentLoad) => agentId },
          { header: "At work", width: "7rem", align: "right", cell: ({ busyMs }) => took(busyMs) },
          { header: "Taken", from: "sm", width: "5rem", align: "right", cell: ({ tasks }) => tasks },
          { header: "Failed", width: "5rem", align: "right", cell: ({ failed }) => <span className={failed > 0 ? "text-bad" : ""}>{failed}</span> },
        ]}
        rows={agents}
        keyOf={({ agentId }) => agentId}
        linkOf={({ agentId }) => `/agents/${encodeURIComponent(agentId)}`}
      />
    </div>
  );
}
