import type { List } from "@baton/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { CircleCheck, Clock, Lightbulb, OctagonAlert, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { openOnes } from "../inbox/order";
import { useExternal } from "../live/use-live";
import { useWorkspaceEvents } from "../live/use-list";
import type { Process } from "../model";
import { useSession } from "../session/session";
import { TONE_CLASS, type Tone } from "../ui/badge";
import { Section } from "../ui/page";
import { Ago, duration, useNow } from "../ui/time";
import { advice } from "./figures";

/** As the contract has it. */
interface Alert {
  id: string;
  type: string;
  severity: "low" | "medium" | "high" | "critical";
  message: string;
  processId?: string;
  timestamp: string;
  acknowledgedBy?: string;
  resolved: boolean;
}

interface Recommendation {
  id?: string;
  message?: string;
  title?: string;
  recommendation?: string;
  evidence?: unknown;
  processId?: string;
}

const MOST = 8;

/** What to look at: alerts, what is overdue or has failed, and what the figures recommend, each with its evidence. */
export function Attention({ processes }: { processes: readonly Process[] }) {
  const { inbox, may, rest } = useSession();
  const { data } = useExternal(inbox, inbox.state);
  const client = useQueryClient();
  const now = useNow();
  const alerts = useQuery({ queryKey: ["alerts"], queryFn: () => rest.get<List<Alert>>("/alerts", { limit: 50 }), enabled: may("alerts:read"), refetchInterval: 15_000 });
  const analytics = useQuery({ queryKey: ["analytics"], queryFn: () => rest.get<{ recommendations?: Recommendation[] }>("/analytics"), enabled: may("analytics:read"), refetchInterval: 60_000 });
  useWorkspaceEvents((event) => {
    if (event.type.startsWith("alert.")) void client.invalidateQueries({ queryKey: ["alerts"] });
  });
  const acknowledge = async (id: string) => {
    await rest.change("PUT", `/alerts/${id}`, { action: "acknowledge" }).catch(() => {});
    await client.invalidateQueries({ queryKey: ["alerts"] });
  };
  const open = (alerts.data?.items ?? []).filter(({ resolved }) => !resolved);
  const overdue = openOnes(data ?? {}).filter(({ dueAt }) => dueAt && Date.parse(dueAt) < now);
  const failed = alerts.data ? [] : processes.filter(({ status }) => status === "failed").slice(0, 3);
  const told = analytics.data?.recommendations?.map((each) => ({
    what: each.message ?? each.title ?? each.recommendation ?? "",
    evidence: typeof each.evidence === "string" ? each.evidence : each.evidence ? Object.entries(each.evidence).map(([name, value]) => `${name}: ${String(value)}`).join(", ") : "",
    ...(each.processId ? { processId: each.processId } : {}),
  }));
  const recommended = told ?? advice(processes);
  const rows = [
    ...open.slice(0, MOST).map((alert) => (
      <Row key={alert.id} tone={alert.severity === "low" ? "neutral" : alert.severity === "medium" ? "wait" : "bad"} icon={<TriangleAlert className="size-4" aria-hidden="true" />} to={alert.processId && `/processes/${alert.processId}`} title={alert.message}>
        {alert.severity}, <Ago at={alert.timestamp} />
        {alert.acknowledgedBy ? (
          `, seen by ${alert.acknowledgedBy}`
        ) : (
          may("alerts:update") && (
            <button type="button" onClick={() => void acknowledge(alert.id)} className="relative ml-2 text-accent-text hover:underline">
              I have seen it
            </button>
          )
        )}
      </Row>
    )),
    ...overdue.slice(0, 4).map((each) => (
      <Row key={each.id} tone="wait" icon={<Clock className="size-4" aria-hidden="true" />} to={`/inbox/${each.id}`} title={each.description}>
        overdue by {duration(now - Date.parse(each.dueAt ?? ""))}
      </Row>
    )),
    ...failed.map((process) => (
      <Row key={process.id} tone="bad" icon={<OctagonAlert className="size-4" aria-hidden="true" />} to={`/processes/${process.id}`} title={`${process.name} has failed`}>
        {process.error?.message ?? process.steps.find(({ error }) => error)?.error?.message}
      </Row>
    )),
    ...recommended.slice(0, 4).map(({ what, evidence, processId }) => (
      <Row key={what} tone="accent" icon={<Lightbulb className="size-4" aria-hidden="true" />} to={processId && `/processes/${processId}`} title={what}>
        {evidence}
      </Row>
    )),
  ];
  return (
    <Section title="To look at">
      {rows.length === 0 ? (
        <p className="card flex items-center gap-2 p-4 text-sm text-ink-soft">
          <CircleCheck className="size-4 text-good" aria-hidden="true" /> Nothing: no alert is open and nothing is overdue.
        </p>
      ) : (
        <ul className="card divide-y divide-line">{rows}</ul>
      )}
    </Section>
  );
}

function Row({ tone, icon, title, to, children }: { tone: Tone; icon: ReactNode; title: string; to?: string | undefined; children: ReactNode }) {
  return (
    <li className="relative flex gap-2.5 px-3.5 py-2.5 text-sm">
      <span className={`mt-0.5 grid size-6 shrink-0 place-items-center rounded-full [&>svg]:size-3.5 ${TONE_CLASS[tone]}`}>{icon}</span>
      <div className="min-w-0">
        <p className="break-words">
          {to ? (
            <Link to={to} className="font-medium hover:underline">
              {title}
            </Link>
          ) : (
            <span className="font-medium">{title}</span>
          )}
        </p>
        <p className="text-xs text-ink-soft">{children}</p>
      </div>
    </li>
  );
}
