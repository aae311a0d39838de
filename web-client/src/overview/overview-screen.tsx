import { type Analytics, toBatonError } from "@baton/client";
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { Activity, ChartNoAxesCombined, CircleCheck, CirclePause, CirclePlay, CircleX, Hand, type LucideIcon } from "lucide-react";
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { Link } from "react-router";
import { useList, useWorkspaceEvents } from "../live/use-list";
import type { Process } from "../model";
import { useSession } from "../session/session";
import { TONE_CLASS, type Tone } from "../ui/badge";
import { Segments } from "../ui/field";
import { ListBody } from "../ui/list-body";
import { Empty, Loading, ProblemNote } from "../ui/notes";
import { Page, Section } from "../ui/page";
import { Table } from "../ui/table";
import { took } from "../ui/time";
import { Attention } from "./attention";
import { ends, sum } from "./figures";

const EndsChart = lazy(() => import("./ends-chart"));

const HOUR = 3_600_000;
type Span = "1" | "24" | "168";
const SPANS = [
  ["1", "1 hour"],
  ["24", "24 hours"],
  ["168", "7 days"],
] as const;
const BUCKETS = 30;
const AGAIN_MS = 15_000;
/** The figures are worked out anew at most so often, however much happens. */
const REFETCH_MS = 1_500;
/** What changes a figure. */
const COUNTS = /^process\.|^intervention\.(requested|completed|expired|cancelled)$|^(alert|recommendation)\./;
const SHOWN = 6;

/** How the workspace does: what runs, what waits, what failed, and what to look at. */
export default function OverviewScreen() {
  const { rest } = useSession();
  const client = useQueryClient();
  const [span, setSpan] = useState<Span>("24");
  // Whether there is any.
  const list = useList<Process>({ path: "/processes", pageSize: 1, brings: (event) => event.type === "process.created" });
  const figures = useQuery({
    queryKey: ["analytics", span],
    queryFn: () => rest.get<Analytics>("/analytics", { since: new Date(Date.now() - Number(span) * HOUR).toISOString(), buckets: BUCKETS }),
    placeholderData: keepPreviousData,
    refetchInterval: AGAIN_MS,
  });
  const refetch = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(refetch.current), []);
  useWorkspaceEvents(({ type }) => {
    if (!COUNTS.test(type)) return;
    refetch.current ??= setTimeout(() => {
      refetch.current = undefined;
      void client.invalidateQueries({ queryKey: ["analytics"] });
    }, REFETCH_MS);
  });
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
        {figures.error && (
          <div className="px-4 pt-5 sm:px-6">
            <ProblemNote error={toBatonError(figures.error)} onRetry={() => void figures.refetch()} />
          </div>
        )}
        {figures.data ? <Figures figures={figures.data} /> : !figures.error && <Loading label="Working the figures out" />}
      </ListBody>
    </Page>
  );
}

function Figures({ figures }: { figures: Analytics }) {
  const { standing } = figures;
  const chart = useMemo(() => ends(figures), [figures]);
  const rate = figures.successRate;
  return (
    <div className="mx-auto flex max-w-7xl flex-col gap-6 px-4 py-5 sm:px-6">
      <ul aria-label="Figures" className="grid grid-cols-2 gap-3 sm:grid-cols-3 xl:grid-cols-6">
        <Figure to="/processes?status=running" name="Running" value={standing.running} tone="busy" icon={CirclePlay} />
        <Figure to="/inbox" name="Waiting" value={standing.waiting} tone="wait" icon={Hand} />
        <Figure to="/processes?status=paused" name="Paused" value={standing.paused} tone="neutral" icon={CirclePause} />
        <Figure to="/processes?status=failed" name="Failed" value={sum(chart.failed)} tone="bad" icon={CircleX} />
        <Figure to="/processes?status=completed" name="Completed" value={sum(chart.completed)} tone="good" icon={CircleCheck} />
        <Figure name="Success" value={typeof rate === "number" ? `${Math.round(rate)} %` : "none ended"} tone="accent" icon={Activity} />
      </ul>
      <div className="grid gap-6 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
        <Section title="Throughput and success" aside={<Legend />}>
          <div className="card overflow-hidden p-4">
            <Suspense fallback={<Loading label="Loading the chart" rows={2} />}>
              <EndsChart data={chart} />
            </Suspense>
            <People figures={figures.interventions} />
          </div>
        </Section>
        <Attention recommendations={figures.recommendations} openAlerts={figures.alerts.open} />
      </div>
      <div className="grid gap-6 xl:grid-cols-2">
        <Section title="Slowest steps">
          <Slowest steps={figures.slowestSteps.slice(0, SHOWN)} />
        </Section>
        <Section title="Busiest agents">
          <Busiest agents={figures.agentUtilization.slice(0, SHOWN)} />
        </Section>
      </div>
    </div>
  );
}

/** What was asked of people in the time, and how soon they answered. */
function People({ figures: { requested, completed, pending, overdue, averageResponseTime } }: { figures: Analytics["interventions"] }) {
  if (requested === 0) return null;
  return (
    <p className="mt-3 border-t border-line pt-3 text-sm text-ink-soft">
      People were asked {requested === 1 ? "once" : `${requested} times`}
      {completed > 0 && ` and decided ${completed}`}
      {typeof averageResponseTime === "number" && `, after ${took(averageResponseTime)} on average`}.
      {pending > 0 && ` ${pending} still ${pending === 1 ? "waits" : "wait"}${overdue > 0 ? `, ${overdue} overdue` : ""}.`}
    </p>
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
      <span className="flex items-center gap-1.5">
        <span className="h-0.5 w-3 bg-accent" aria-hidden="true" /> success
      </span>
    </span>
  );
}

function Slowest({ steps }: { steps: Analytics["slowestSteps"] }) {
  if (steps.length === 0) return <p className="text-sm text-ink-soft">No step has completed in this time.</p>;
  return (
    <div className="card overflow-x-auto">
      <Table
        label="Slowest steps"
        columns={[
          { header: "Step", cell: ({ name }: Analytics["slowestSteps"][number]) => name },
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

function share(percent: number): string {
  if (percent > 0 && percent < 0.1) return "under 0.1 %";
  return `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
}

function Busiest({ agents }: { agents: Analytics["agentUtilization"] }) {
  if (agents.length === 0) return <p className="text-sm text-ink-soft">No agent has worked in this time.</p>;
  return (
    <div className="card overflow-x-auto">
      <Table
        label="Busiest agents"
        columns={[
          { header: "Agent", cell: ({ agentId }: Analytics["agentUtilization"][number]) => agentId },
          { header: "At work", width: "7rem", align: "right", cell: ({ busyMs }) => took(busyMs) },
          { header: "Of its slots", from: "sm", width: "7rem", align: "right", cell: ({ utilization }) => share(utilization) },
          { header: "Taken", from: "sm", width: "5rem", align: "right", cell: ({ taskCount }) => taskCount },
          { header: "Failed", width: "5rem", align: "right", cell: ({ errorCount }) => <span className={errorCount > 0 ? "text-bad" : ""}>{errorCount}</span> },
        ]}
        rows={agents}
        keyOf={({ agentId }) => agentId}
        linkOf={({ agentId }) => `/agents/${encodeURIComponent(agentId)}`}
      />
    </div>
  );
}
