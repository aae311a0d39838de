import type { CollaborationRoom, Participant, RoomEvent } from "@baton/client";
import { ArrowDown, ArrowLeft, MessagesSquare } from "lucide-react";
import { type ReactNode, type Ref, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { type CustomItemComponentProps, Virtualizer, type VirtualizerHandle } from "virtua";
import { EMPTY_LOG, type RoomLog, type RoomLogState } from "../live/room-log";
import { useExternal } from "../live/use-live";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Markdown } from "../ui/markdown";
import { Empty, Loading, ProblemNote } from "../ui/notes";
import { Composer } from "./composer";
import type { Names } from "./describe";
import { EventIndex } from "./index-of-events";
import { Entry, type Threads } from "./timeline";
import { useReadMark } from "./use-read-mark";

type Shown = "all" | "talk" | "handoffs" | "interventions" | "alerts" | "monitoring";

const CHOICES: [Shown, string][] = [
  ["all", "All"],
  ["talk", "Messages"],
  ["handoffs", "Handoffs"],
  ["interventions", "Decisions"],
  ["alerts", "Alerts"],
  ["monitoring", "Progress"],
];

function belongs(shown: Shown, { type, channel }: RoomEvent): boolean {
  if (shown === "all") return true;
  if (shown === "talk") return type.startsWith("message.") || type.startsWith("communication.");
  return channel === shown;
}

const NOTHING = new EventIndex();
const NO_ROWS: readonly RoomEvent[] = [];

interface RoomPanelProps {
  log: RoomLog | undefined;
  roomId: string;
  participants: readonly Participant[];
  /** What ids are called, where the page knows more than the events say. */
  names?: Names;
  archived?: CollaborationRoom["archived"];
  /** What had happened by a moment of the past; absent: what has happened, and what comes. */
  past?: readonly RoomEvent[];
  /** How far this person had read when the room was opened: a line is drawn there. */
  read?: number | undefined;
  /** The event that somebody came to see. */
  target?: number | undefined;
}

/** A room: everything that happened and was said, in one timeline, and a box to say something. */
export function RoomPanel({ log, roomId, participants, names, archived = false, past, read, target }: RoomPanelProps) {
  const state = useExternal(log, EMPTY_LOG);
  const [shown, setShown] = useState<Shown>("all");
  const [thread, setThread] = useState<string>();
  const { may, me } = useSession();
  const live = past === undefined;
  const events = past ?? state.events;
  const visible = useMemo(() => {
    if (thread !== undefined) return events.filter(({ type, data }) => type === "message.posted" && (data.id === thread || data.replyTo === thread));
    return shown === "all" ? events : events.filter((event) => belongs(shown, event));
  }, [events, shown, thread]);
  const mayPost = may("rooms:post") && !archived && live;
  const index = useMemo(() => (past === undefined ? log?.index : new EventIndex(past)), [past, log]) ?? NOTHING;
  const threads = useMemo<Threads>(() => ({ said: (id) => index.said(id), open: thread === undefined ? setThread : undefined, mayReply: mayPost }), [index, mayPost, thread]);
  const markRead = useReadMark(roomId);
  const newest = state.events.at(-1)?.seq;
  const seen = useCallback(() => {
    if (live && newest !== undefined) markRead(newest);
  }, [live, newest, markRead]);
  const firstNew = useFirstNew(events, read);
  const known = state.known || state.error !== undefined;
  useEffect(() => {
    if (target === undefined) return;
    setShown("all");
    setThread(undefined);
    void log?.seek(target);
  }, [log, target]);
  const seeking = live && target !== undefined && state.sought !== target && state.error === undefined;
  return (
    <section aria-label="Room" className="flex h-full min-h-0 flex-col">
      {thread === undefined ? (
        <div role="group" aria-label="Channel" className="flex shrink-0 gap-1 overflow-x-auto border-b border-line bg-surface px-3 py-2">
          {CHOICES.map(([choice, label]) => (
            <button
              key={choice}
              type="button"
              aria-pressed={shown === choice}
              onClick={() => setShown(choice)}
              className={`h-7 shrink-0 rounded-full px-2.5 text-xs font-medium ${shown === choice ? "bg-accent-soft text-accent-text" : "text-ink-soft hover:bg-sunken"}`}
            >
              {label}
            </button>
          ))}
        </div>
      ) : (
        <div className="flex shrink-0 items-center gap-2 border-b border-line bg-surface px-3 py-1.5">
          <Button tone="quiet" onClick={() => setThread(undefined)}>
            <ArrowLeft className="size-4" aria-hidden="true" /> Whole room
          </Button>
          <span className="text-sm font-medium">Thread</span>
        </div>
      )}
      {state.error && (
        <div className="p-3">
          <ProblemNote error={state.error} />
        </div>
      )}
      {!known && events.length === 0 && <Loading label="Loading the room" />}
      {seeking && events.length > 0 && <Loading label="Going back to what you look for" />}
      {known && visible.length === 0 && (
        <Empty icon={<MessagesSquare className="size-5" />} title="Nothing here yet">
          What agents and people do and say appears here as it happens.
        </Empty>
      )}
      <Log key={`${thread ?? ""} ${shown} ${live} ${target ?? ""} ${seeking}`} target={live && shown === "all" && thread === undefined ? target : undefined} rows={seeking ? NO_ROWS : visible} state={live && !seeking ? state : EMPTY_LOG} log={log} names={names ?? index} threads={threads} index={index} me={me?.principal.id} follow={live} firstNew={firstNew} onEnd={seen}>
        {live && thread === undefined && (shown === "all" || shown === "talk") && <Streams log={log} />}
      </Log>
      <Typing log={log} />
      {mayPost && <Composer roomId={roomId} participants={participants} replyTo={thread} />}
      {archived && <p className="shrink-0 border-t border-line px-4 py-3 text-sm text-ink-soft">This room is archived: it can be read, and takes no new messages.</p>}
    </section>
  );
}

/** The first event that was new when the room was opened, where something before it had been read. */
function useFirstNew(events: readonly RoomEvent[], read: number | undefined): number | undefined {
  const opened = useRef<number>(undefined);
  if (opened.current === undefined && read !== undefined && read > 0 && events.length > 0) opened.current = (events.at(-1)?.seq ?? 0) > read ? read + 1 : 0;
  return opened.current || undefined;
}

/**
 * A row's place in the list. Rows are hidden until they have been measured, which is before they are painted: hiding them would only have
 * every element of them styled twice.
 */
function Row({ style: { visibility: _, ...style }, children, ref }: CustomItemComponentProps & { ref?: Ref<HTMLLIElement> }) {
  return (
    <li ref={ref} style={style}>
      {children}
    </li>
  );
}

/** Fetch the page before when the reader is nearer to its beginning than this. */
const NEAR_PX = 1_500;
const AT_END_PX = 48;
/** No measuring moves what is shown by so much. */
const JUMP_PX = 150;

interface LogProps {
  rows: readonly RoomEvent[];
  state: RoomLogState;
  log: RoomLog | undefined;
  names: Names;
  threads: Threads;
  index: EventIndex;
  me: string | undefined;
  /** Whether to keep to the end as events come. */
  follow: boolean;
  firstNew: number | undefined;
  target: number | undefined;
  /** The newest row is in view. */
  onEnd(): void;
  children: ReactNode;
}

/** The rows in view and a few around them. It keeps to the end while the reader is there, and stays put when not. */
function Log({ rows, state, log, names, threads, index, me, follow, firstNew, target, onEnd, children }: LogProps) {
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualizerHandle>(null);
  const [atEnd, setAtEnd] = useState(target === undefined);
  /** Whether what somebody came to see has been brought into view. */
  const found = useRef(false);
  const top = useRef(0);
  /** How high all rows were, as far as they had been measured, when it was last looked at. */
  const height = useRef(0);
  /** When the reader last scrolled or pressed a key here. */
  const touched = useRef(0);
  const touch = () => {
    touched.current = Date.now();
  };
  const first = rows[0]?.seq;
  const before = useRef(first);
  // Rows that come in front must not move what is being read.
  const shift = first !== undefined && before.current !== undefined && first < before.current;
  useLayoutEffect(() => {
    before.current = first;
  });
  const end = rows.at(-1)?.seq;
  const toEnd = useCallback(() => {
    const element = box.current;
    if (!element) return;
    height.current = element.scrollHeight;
    element.scrollTop = height.current;
    // This was not the reader.
    top.current = element.scrollTop;
  }, []);
  useLayoutEffect(() => {
    if (atEnd) toEnd();
  }, [end, first, atEnd, toEnd]);
  useLayoutEffect(() => {
    if (target === undefined || found.current || rows.length === 0) return;
    found.current = true;
    const at = rows.findIndex(({ seq }) => seq >= target);
    if (at < 0) setAtEnd(true);
    else list.current?.scrollToIndex(at, { align: "center" });
  }, [rows, target]);
  useEffect(() => {
    if (atEnd) onEnd();
  }, [atEnd, onEnd]);
  const line = useMemo(() => (firstNew === undefined ? undefined : rows.find(({ seq }) => seq >= firstNew)?.seq), [rows, firstNew]);
  useEffect(() => {
    // Rows are measured after they are drawn, which moves the end.
    const content = box.current?.firstElementChild;
    if (!content || !atEnd) return;
    const watch = new ResizeObserver(toEnd);
    watch.observe(content);
    return () => watch.disconnect();
  }, [atEnd, toEnd]);
  const scrolled = () => {
    const element = box.current;
    if (!element) return;
    // Rows that turn out lower than they were taken for bring the end up to the reader, by as much.
    const up = top.current - element.scrollTop - Math.max(0, height.current - element.scrollHeight);
    top.current = element.scrollTop;
    height.current = element.scrollHeight;
    if (element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX) setAtEnd(true);
    // Rows that are measured move the end away from the reader; only the reader moves away from the end.
    else if (up > JUMP_PX || (up > 0 && Date.now() - touched.current < 1_000)) setAtEnd(false);
    if (element.scrollTop < NEAR_PX && state.earlier) void log?.loadEarlier();
  };
  useEffect(() => {
    // Too few rows to scroll, perhaps because a channel has few: look further back.
    const element = box.current;
    if (element && element.scrollHeight <= element.clientHeight + NEAR_PX && state.earlier && !state.loadingEarlier && state.status === "live") void log?.loadEarlier();
  }, [rows, state, log]);
  return (
    <div className="relative min-h-0 flex-1">
      {state.loadingEarlier && <p className="absolute top-2 left-1/2 z-1 -translate-x-1/2 rounded-full bg-raised px-3 py-1 text-xs text-ink-soft shadow-md">Loading earlier events</p>}
      <div
        ref={box}
        tabIndex={0}
        role="log"
        aria-label="Timeline"
        data-first={first}
        data-last={end}
        data-count={rows.length}
        onScroll={scrolled}
        onWheel={touch}
        onTouchMove={touch}
        onKeyDown={touch}
        onPointerDown={touch}
        className="h-full overflow-y-auto overscroll-contain px-4 py-2 -outline-offset-2 [overflow-anchor:none]"
      >
        <div>
          <Virtualizer ref={list} data={rows} as="ol" item={Row} scrollRef={box} shift={shift} bufferSize={300} startMargin={8}>
            {(event) => <Entry key={event.seq} event={event} names={names} threads={threads} replies={event.type === "message.posted" ? index.replies(String(event.data.id)) : 0} now={event.type === "message.posted" ? index.now(String(event.data.id)) : undefined} me={me} isFirstNew={event.seq === line} isTarget={event.seq === target} />}
          </Virtualizer>
          {children}
        </div>
      </div>
      {(!atEnd || !state.atHead) && follow && (
        <Button
          className="absolute bottom-3 left-1/2 -translate-x-1/2 shadow-md"
          onClick={() => {
            void log?.toHead();
            setAtEnd(true);
            toEnd();
          }}
        >
          <ArrowDown className="size-4" aria-hidden="true" /> Latest
        </Button>
      )}
    </div>
  );
}

const QUIET = { typing: [], streams: [], present: undefined };

/** Text that agents are writing at this moment. */
function Streams({ log }: { log: RoomLog | undefined }) {
  const { streams } = useExternal(log?.signals, QUIET);
  return streams.map(({ streamId, who, text }) => (
    <div key={streamId} data-stream={streamId} className="flex gap-2.5 py-1.5 text-sm">
      <span className="mt-0.5 grid size-6 shrink-0 place-items-center rounded-full bg-busy-soft text-busy">
        <MessagesSquare className="size-3.5" aria-hidden="true" />
      </span>
      <div className="min-w-0 flex-1">
        <p className="text-ink-soft">
          <strong className="font-semibold text-ink">{who} </strong>is writing
        </p>
        <div className="mt-1 rounded-lg rounded-tl-sm border border-dashed border-line-strong bg-surface px-3 py-2">
          <Markdown text={text} />
        </div>
      </div>
    </div>
  ));
}

function Typing({ log }: { log: RoomLog | undefined }) {
  const { typing } = useExternal(log?.signals, QUIET);
  if (typing.length === 0) return null;
  const who = typing.length > 3 ? `${typing.length} people` : typing.join(", ");
  return (
    <p role="status" className="shrink-0 px-4 py-1 text-xs text-ink-faint">
      {who} {typing.length === 1 ? "is" : "are"} typing<span className="breathing">…</span>
    </p>
  );
}
