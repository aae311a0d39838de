import type { Alert, List, Recommendation } from "@baton/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { CircleCheck, Clock, Lightbulb, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { openOnes } from "../inbox/order";
import { useExternal } from "../live/use-live";
import { useWorkspaceEvents } from "../live/use-list";
import { useSession } from "../session/session";
import { TONE_CLASS, type Tone } from "../ui/badge";
import { Section } from "../ui/page";
import { Ago, duration, useNow } from "../ui/time";
import { evidence } from "./figures";

const MOST_ALERTS = 8;
const MOST_OVERDUE = 4;
const MOST_ADVICE = 4;
const AGAIN_MS = 15_000;

const TONE_OF: Record<Alert["severity"], Tone> = { low: "neutral", medium: "wait", high: "bad", critical: "bad" };

/** What to look at: open alerts, what is overdue, and what the figures recommend, each with its evidence. */
export function Attention({ recommendations, openAlerts }: { recommendations: readonly Recommendation[]; openAlerts: number }) {
  const { inbox, may, rest } = useSession();
  const { data } = useExternal(inbox, inbox.state);
  const client = useQueryClient();
  const now = useNow();
  const alerts = useQuery({ queryKey: ["alerts"], queryFn: () => rest.get<List<Alert>>("/alerts", { resolved: "false", limit: 50 }), refetchInterval: AGAIN_MS });
  useWorkspaceEvents((event) => {
    if (event.type.startsWith("alert.")) void client.invalidateQueries({ queryKey: ["alerts"] });
  });
  const acknowledge = async (id: string) => {
    await rest.change("PUT", `/alerts/${id}`, { action: "acknowledge" }).catch(() => {});
    await client.invalidateQueries({ queryKey: ["alerts"] });
  };
  const open = alerts.data?.items ?? [];
  // An alert says it already.
  const told = new Set(open.map(({ interventionId }) => interventionId));
  const overdue = openOnes(data ?? {}).filter(({ id, dueAt }) => dueAt && Date.parse(dueAt) < now && !told.has(id));
  const rows = [
    ...open.slice(0, MOST_ALERTS).map((alert) => (
      <Row key={alert.id} tone={TONE_OF[alert.severity]} icon={<TriangleAlert className="size-4" aria-hidden="true" />} to={leadOf(alert)} title={alert.message} figures={evidence(alert.details)}>
        <span className="capitalize">{alert.severity}</span>, <Ago at={alert.timestamp} />
        {alert.acknowledgedBy ? (
          `, seen by ${alert.acknowledgedBy}`
        ) : (
          may("alerts:update") && (
            <button type="button" onClick={() => void acknowledge(alert.id)} className="relative ml-2 rounded font-medium text-accent-text hover:underline">
              I have seen it
            </button>
          )
        )}
      </Row>
    )),
    ...overdue.slice(0, MOST_OVERDUE).map((each) => (
      <Row key={each.id} tone="wait" icon={<Clock className="size-4" aria-hidden="true" />} to={`/inbox/${each.id}`} title={each.description}>
        overdue by {duration(now - Date.parse(each.dueAt ?? ""))}
      </Row>
    )),
    ...recommendations.slice(0, MOST_ADVICE).map(({ id, message, evidence: figures, processId }) => (
      <Row key={id} tone="accent" icon={<Lightbulb className="size-4" aria-hidden="true" />} to={`/processes/${processId}`} title={message} figures={evidence(figures)} />
    )),
  ];
  return (
    <Section
      title="To look at"
      aside={
        <Link to="/alert-rules" className="text-accent-text hover:underline">
          Alert rules
        </Link>
      }
    >
      {rows.length === 0 ? (
        <p className="card flex items-center gap-2 p-4 text-sm text-ink-soft">
          <CircleCheck className="size-4 text-good" aria-hidden="true" /> Nothing: no alert is open and nothing is overdue.
        </p>
      ) : (
        <ul className="card divide-y divide-line">{rows}</ul>
      )}
      {openAlerts > MOST_ALERTS && <p className="mt-2 text-xs text-ink-soft">The newest {MOST_ALERTS} of {openAlerts.toLocaleString("en")} open alerts.</p>}
    </Section>
  );
}

function leadOf({ interventionId, processId }: Alert): string | undefined {
  if (interventionId) return `/inbox/${interventionId}`;
  return processId ? `/processes/${processId}` : undefined;
}

function Row({ tone, icon, title, to, figures, children }: { tone: Tone; icon: ReactNode; title: string; to?: string | undefined; figures?: string; children?: ReactNode }) {
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
        {figures && <p className="text-xs text-ink-soft tabular-nums">{figures}</p>}
        {children && <p className="text-xs text-ink-faint">{children}</p>}
      </div>
    </li>
  );
}
