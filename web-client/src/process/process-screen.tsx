import { Hand } from "lucide-react";
import { useMemo, useState } from "react";
import { Link, useParams } from "react-router";
import { applyToProcessView, holdersOf, type ProcessView } from "../live/fold";
import { LiveStore } from "../live/live-store";
import { RoomLog } from "../live/room-log";
import { useExternal, useOwned } from "../live/use-live";
import { useSession } from "../session/session";
import { Badge, lookOfProcess, PriorityTag } from "../ui/badge";
import { Loading, ProblemNote } from "../ui/notes";
import { Ago, duration, useNow } from "../ui/time";
import { Controls } from "./controls";
import { RoomPanel } from "./room-panel";
import { StepList } from "./step-list";

/** One process: its steps, and beside them (on a phone: behind a tab) its room. */
export function ProcessScreen() {
  const { connection, rest } = useSession();
  const { processId } = useParams();
  const store = useOwned(processId, (id) => {
    return new LiveStore<ProcessView>(connection, {
      room: async () => (await rest.process(id)).roomId,
      load: async () => {
        const [process, interventions, handoffs] = await Promise.all([rest.process(id), rest.interventionsOf(id), rest.handoffsOf(id)]);
        return { process, interventions: byId(interventions), handoffs: byId(handoffs) };
      },
      apply: applyToProcessView,
    });
  });
  const state = useExternal(store, undefined);
  if (state?.data) return <Opened view={state.data} />;
  return (
    <main className="p-4">
      {state?.error ? (
        <ProblemNote error={state.error} {...(store ? { onRetry: store.reload } : {})} />
      ) : (
        <Loading label="Loading the process" />
      )}
    </main>
  );
}

function byId<T extends { id: string }>(items: T[]): Record<string, T> {
  return Object.fromEntries(items.map((item) => [item.id, item]));
}

const NO_EVENTS: never[] = [];

function Opened({ view }: { view: ProcessView }) {
  const { connection } = useSession();
  const { process } = view;
  // The whole log: who holds a step may have been said long ago.
  const log = useOwned(process.roomId, (id) => new RoomLog(connection, id, 0));
  const room = useExternal(log, undefined);
  const events = room?.events ?? NO_EVENTS;
  const holders = useMemo(() => holdersOf(events), [events]);
  const [side, setSide] = useState<"steps" | "room">("steps");
  const open = Object.values(view.interventions).filter((each) => each.status === "pending");
  return (
    <main className="flex h-full flex-col lg:grid lg:grid-cols-[minmax(0,1fr)_minmax(24rem,30rem)]" data-process-status={process.status}>
      {side === "room" && <h1 className="sr-only lg:hidden">{process.name}</h1>}
      <div role="tablist" aria-label="Part of the process" className="flex shrink-0 border-b border-line bg-surface px-2 lg:hidden">
        {(["steps", "room"] as const).map((each) => (
          <button
            key={each}
            type="button"
            role="tab"
            aria-selected={side === each}
            onClick={() => setSide(each)}
            className={`h-10 border-b-2 px-3 text-sm font-medium capitalize ${side === each ? "border-accent text-accent-text" : "border-transparent text-ink-soft"}`}
          >
            {each}
          </button>
        ))}
      </div>
      <div className={`min-h-0 flex-1 overflow-y-auto ${side === "steps" ? "" : "hidden lg:block"}`}>
        <header className="flex flex-wrap items-start justify-between gap-3 px-4 pt-5 pb-4 sm:px-6">
          <div className="min-w-0">
            <div className="flex flex-wrap items-center gap-2">
              <Badge look={lookOfProcess(process.status)} />
              {process.priority && <PriorityTag priority={process.priority} />}
            </div>
            <h1 className="mt-2 text-xl font-semibold tracking-tight break-words">{process.name}</h1>
            <p className="mt-1 text-sm text-ink-soft">
              {process.description && <span className="block">{process.description}</span>}
              started by {process.initiatedBy ?? "somebody"} <Ago at={process.initiatedAt} />
              {", "}
              <Runtime from={process.startedAt ?? process.initiatedAt} to={process.completedAt} />
            </p>
          </div>
          <Controls process={process} />
        </header>
        {open.length > 0 && (
          <ul className="mb-4 flex flex-col gap-2 px-4 sm:px-6">
            {open.map((each) => (
              <li key={each.id} className="arriving">
                <Link to={`/inbox/${each.id}`} className="flex items-start gap-2.5 rounded-xl bg-wait-soft p-3 text-sm text-wait hover:underline">
                  <Hand className="mt-0.5 size-4 shrink-0" aria-hidden="true" />
                  <span className="min-w-0 break-words">
                    <strong className="font-semibold">Waits for a person:</strong> {each.description}
                  </span>
                </Link>
              </li>
            ))}
          </ul>
        )}
        <section aria-label="Steps" className="px-4 pb-8 sm:px-6">
          <h2 className="mb-2 text-sm font-semibold text-ink-soft">
            Steps{" "}
            <span className="font-normal">
              {process.steps.filter((step) => step.status === "completed").length} of {process.steps.length} completed
            </span>
          </h2>
          <StepList process={process} holders={holders} />
        </section>
      </div>
      <div className={`min-h-0 flex-1 border-line bg-canvas lg:flex lg:h-full lg:flex-col lg:border-l ${side === "room" ? "" : "hidden"}`}>
        <RoomPanel process={process} log={room} />
      </div>
    </main>
  );
}

function Runtime({ from, to }: { from: string; to: string | null | undefined }) {
  const now = useNow();
  const took = duration((to ? Date.parse(to) : now) - Date.parse(from));
  return <span className="tabular-nums">{to ? `took ${took}` : `running for ${took}`}</span>;
}
