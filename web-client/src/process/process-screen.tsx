import type { AgentHandoff, HumanIntervention, Participant, RoomToRead } from "@baton/client";
import { useQuery } from "@tanstack/react-query";
import { Hand } from "lucide-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { Link, useParams, useSearchParams } from "react-router";
import { applyToProcessView, type ProcessView } from "../live/fold";
import { LiveStore } from "../live/live-store";
import { ReplayLog, type ReplayLogState } from "../live/replay-log";
import { EMPTY_LOG, RoomLog } from "../live/room-log";
import { useExternal, useOwned } from "../live/use-live";
import type { Intervention, Process } from "../model";
import { namesOf } from "../room/describe";
import { RoomPanel } from "../room/room-panel";
import { soughtIn } from "../room/sought";
import { countOf, unreadIn } from "../room/unread";
import { useSession } from "../session/session";
import { Badge, lookOfProcess, PriorityTag } from "../ui/badge";
import { BackLink } from "../ui/detail";
import { Segments } from "../ui/field";
import { Loading, ProblemNote } from "../ui/notes";
import { Ago, duration, took, useNow } from "../ui/time";
import { useFilters } from "../ui/use-filters";
import { useMedia } from "../ui/use-media";
import { Controls } from "./controls";
import { StepDetail } from "./step-detail";
import { StepList } from "./step-list";
import { TimeSlider } from "./time-slider";

const ProcessGraph = lazy(() => import("../graph/process-graph"));

/** One process: its graph, and beside it (on a phone: behind a tab) its room; now, or as it was. */
export default function ProcessScreen() {
  const { connection, rest } = useSession();
  const { processId } = useParams();
  const store = useOwned(processId, (id) => {
    return new LiveStore<ProcessView>(connection, {
      room: async () => (await rest.process(id)).roomId,
      load: async () => {
        const [process, interventions, handoffs] = await Promise.all([rest.process(id), rest.interventionsOf(id), rest.handoffsOf(id)]);
        return { process: process as Process, interventions: byId(interventions as Intervention[]), handoffs: byId(handoffs) };
      },
      apply: applyToProcessView,
    });
  });
  const state = useExternal(store, undefined);
  if (state?.data) return <Opened key={state.data.process.id} view={state.data} />;
  return (
    <main className="p-4">
      <h1 className="sr-only">Process</h1>
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

type Side = "graph" | "steps" | "room";

const NOT_YET: ReplayLogState = { events: [], ready: false };
const NOBODY: Participant[] = [];

function Opened({ view }: { view: ProcessView }) {
  const { connection, rest } = useSession();
  const { roomId } = view.process;
  const log = useOwned(roomId, (id) => new RoomLog(connection, id));
  const [at, setAt] = useMoment();
  // The whole log is fetched only by who looks back.
  const replay = useOwned(at === undefined ? undefined : roomId, (id) => new ReplayLog(connection, id));
  const past = useExternal(replay, NOT_YET);
  const then = at !== undefined && past.ready ? replay?.at(Math.min(at, past.events.length)) : undefined;
  const room = useQuery({ queryKey: ["room", roomId], queryFn: () => rest.get<RoomToRead>(`/collaboration/rooms/${roomId}`) });

  const process = then?.process ?? view.process;
  const interventions = Object.values(then?.interventions ?? view.interventions);
  const handoffs = Object.values(then?.handoffs ?? view.handoffs);
  const { steps } = view.process;
  const names = useMemo(() => namesOf(steps, Object.values(view.interventions)), [steps, view.interventions]);
  const upTo = useMemo(() => (at === undefined ? undefined : past.events.slice(0, at)), [past.events, at]);

  const beside = useMedia("(min-width: 64rem)");
  const [parameters] = useSearchParams();
  const [side, setSide] = useState<Side>(parameters.get("side") === "room" ? "room" : beside ? "graph" : "steps");
  const [chosen, setChosen] = useState<string>();
  const shown = beside && side === "room" ? "graph" : side;
  const unread = useUnread(log, room.data);
  const panel = <RoomPanel log={log} roomId={roomId} participants={room.data?.participants ?? NOBODY} names={names} read={room.data?.lastReadSeq ?? undefined} target={soughtIn(parameters)} {...(upTo ? { past: upTo } : {})} />;
  return (
    <main className="flex h-full flex-col" data-process-status={process.status}>
      <Head process={process} live={at === undefined}>
        <Segments<Side> label="Part of the process" choices={beside ? WIDE_SIDES : [...SIDES, ["room", unread > 0 && shown !== "room" ? `Room, ${countOf(unread)} new` : "Room"]]} value={shown} onChange={setSide} />
      </Head>
      <div className="flex min-h-0 flex-1">
        <div className="flex min-w-0 flex-1 flex-col">
          {shown !== "room" && <Waiting interventions={interventions} />}
          {past.error && at !== undefined && (
            <div className="p-4">
              <ProblemNote error={past.error} />
            </div>
          )}
          {shown === "room" ? (
            <div className="min-h-0 flex-1">{panel}</div>
          ) : (
            <Work shown={shown} process={process} handoffs={handoffs} chosen={chosen} onChoose={setChosen} />
          )}
          {(shown !== "room" || at !== undefined) && <TimeSlider events={past.events} ready={past.ready} names={names} at={at} onChange={setAt} />}
        </div>
        {beside && <div className="w-[26rem] shrink-0 border-l border-line xl:w-[30rem]">{panel}</div>}
      </div>
    </main>
  );
}

const WIDE_SIDES: [Side, string][] = [
  ["graph", "Graph"],
  ["steps", "Steps"],
];
const SIDES: [Side, string][] = [
  ["steps", "Steps"],
  ["graph", "Graph"],
];

/** How much this person has not read of a room that is not in view, now. */
function useUnread(log: RoomLog | undefined, room: RoomToRead | undefined): number {
  const { me } = useSession();
  const { events } = useExternal(log, EMPTY_LOG);
  return room ? unreadIn({ ...room, head: Math.max(room.head, events.at(-1)?.seq ?? 0) }, me) : 0;
}

/** Which event the page shows up to is part of its address. */
function useMoment(): [number | undefined, (at: number | undefined) => void] {
  const [{ at: text }, set] = useFilters("at");
  const at = text === "" ? undefined : text === "head" ? Number.MAX_SAFE_INTEGER : Math.max(1, Number.parseInt(text, 10) || 1);
  return [at, (next) => set("at", next === undefined ? "" : next === Number.MAX_SAFE_INTEGER ? "head" : String(next))];
}

function Head({ process, live, children }: { process: Process; live: boolean; children: React.ReactNode }) {
  return (
    <header className="shrink-0 border-b border-line bg-surface px-4 pt-3 pb-3 sm:px-6">
      <BackLink to="/processes">Processes</BackLink>
      <div className="mt-1.5 flex flex-wrap items-start justify-between gap-x-4 gap-y-3">
        <div className="min-w-0">
          <div className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
            <h1 className="text-xl font-semibold tracking-tight break-words">{process.name}</h1>
            <Badge look={lookOfProcess(process.status)} />
            {process.priority && <PriorityTag priority={process.priority} />}
          </div>
          <p className="mt-1 text-sm text-ink-soft">
            started by {process.initiatedBy ?? "somebody"} <Ago at={process.initiatedAt} />
            {live && (
              <>
                {", "}
                <Runtime from={process.startedAt ?? process.initiatedAt} to={process.completedAt} />
              </>
            )}
            {process.error && <span className="block text-bad">{process.error.message}</span>}
          </p>
        </div>
        <div className="flex flex-wrap items-center gap-2">
          {children}
          {live && <Controls process={process} />}
        </div>
      </div>
    </header>
  );
}

function Waiting({ interventions }: { interventions: readonly HumanIntervention[] }) {
  const open = interventions.filter((each) => each.status === "pending");
  if (open.length === 0) return null;
  return (
    <ul className="shrink-0 border-b border-line">
      {open.map((each) => (
        <li key={each.id}>
          <Link to={`/inbox/${each.id}`} className="flex items-start gap-2.5 bg-wait-soft px-4 py-2 text-sm text-wait -outline-offset-2 hover:underline sm:px-6">
            <Hand className="mt-0.5 size-4 shrink-0" aria-hidden="true" />
            <span className="min-w-0 break-words">
              <strong className="font-semibold">Waits for a person:</strong> {each.description}
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

interface WorkProps {
  shown: "graph" | "steps";
  process: Process;
  handoffs: readonly AgentHandoff[];
  chosen: string | undefined;
  onChoose(stepId: string | undefined): void;
}

/** The steps, drawn or listed, and the one that somebody looks at. */
function Work({ shown, process, handoffs, chosen, onChoose }: WorkProps) {
  const step = process.steps.find((each) => each.id === chosen);
  if (shown === "steps") {
    return (
      <section aria-label="Steps" className="min-h-0 flex-1 overflow-y-auto px-4 py-4 sm:px-6" tabIndex={-1}>
        <h2 className="sr-only">Steps</h2>
        <StepList process={process} handoffs={handoffs} chosen={chosen} onChoose={onChoose} />
      </section>
    );
  }
  return (
    <>
      <h2 className="sr-only">Steps</h2>
      <section aria-label="Graph of the steps" className="min-h-48 flex-1">
        <Suspense fallback={<Loading label="Loading the graph" rows={2} />}>
          <ProcessGraph process={process} chosen={chosen} onChoose={onChoose} />
        </Suspense>
      </section>
      {step && (
        <div className="rising max-h-[45%] shrink-0 overflow-y-auto border-t border-line bg-surface px-4 py-4 sm:px-6">
          <StepDetail step={step} process={process} handoffs={handoffs} onClose={() => onChoose(undefined)} />
        </div>
      )}
    </>
  );
}

function Runtime({ from, to }: { from: string; to: string | null | undefined }) {
  const now = useNow();
  const ms = (to ? Date.parse(to) : now) - Date.parse(from);
  return <span className="tabular-nums">{to ? `took ${took(ms)}` : `running for ${duration(ms)}`}</span>;
}
