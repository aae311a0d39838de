import type { RoomEvent } from "@baton/client";
import { CornerUpLeft } from "lucide-react";
import { memo } from "react";
import { Link } from "react-router";
import { TONE_CLASS } from "../ui/badge";
import { Markdown } from "../ui/markdown";
import { clock, moment } from "../ui/time";
import { describe, type Line, type Names } from "./describe";

/** What can be done with a message of the timeline; nothing where nobody may post. */
export interface Threads {
  /** What a reply answers, by the id of the message. */
  said(id: string): { who: string; text: string } | undefined;
  /** Absent where a thread is open already. */
  open: ((id: string) => void) | undefined;
  mayReply: boolean;
}

/** A few events in the order of the log, all of them drawn. */
export function Timeline({ events, names }: { events: readonly RoomEvent[]; names: Names }) {
  return (
    <ol className="flex flex-col">
      {events.map((event) => (
        <li key={event.seq}>
          <Entry event={event} names={names} />
        </li>
      ))}
    </ol>
  );
}

interface EntryProps {
  event: RoomEvent;
  names: Names;
  threads?: Threads;
  replies?: number;
  /** What a message says since it was edited; null since it was removed. */
  now?: string | null | undefined;
  me?: string | undefined;
  /** What is above was read before. */
  isFirstNew?: boolean;
  /** Somebody came to see this one. */
  isTarget?: boolean;
}

/** One event: an icon for what happened, who did it, and what was said. */
export const Entry = memo(function Entry({ event, names, threads, replies = 0, now, me, isFirstNew = false, isTarget = false }: EntryProps) {
  const posted = describe(event, names);
  const line = now === undefined ? posted : { ...posted, body: now ?? "*This message was removed.*" };
  const { id, replyTo, mentions } = event.data as { id?: string; replyTo?: string; mentions?: string[] };
  const isMessage = event.type === "message.posted" && id !== undefined;
  const forMe = me !== undefined && isMessage && mentions?.includes(me);
  const answered = isMessage && replyTo !== undefined ? threads?.said(replyTo) : undefined;
  const row = (
    <div className={`flex gap-2.5 py-1.5 text-sm [contain:layout_style] ${isTarget ? "-mx-2 rounded-lg bg-wait-soft px-2" : forMe ? "-mx-2 rounded-lg bg-accent-soft/60 px-2" : ""}`} data-seq={event.seq} aria-current={isTarget || undefined}>
      <Dot line={line} />
      <div className="min-w-0 flex-1">
        <p className="flex gap-2">
          <span className="min-w-0 flex-1 break-words text-ink-soft">
            {line.who && <strong className="font-semibold text-ink">{line.who} </strong>}
            <Said line={line} />
            {forMe && <span className="text-accent-text"> mentions you</span>}
          </span>
          <time dateTime={event.at} onPointerEnter={({ currentTarget }) => void (currentTarget.title = `${moment(event.at)}, event ${event.seq}`)} className="shrink-0 text-xs leading-5 text-ink-faint tabular-nums">
            {clock(event.at)}
          </time>
        </p>
        {answered && (
          <p className="mt-0.5 flex min-w-0 items-center gap-1 text-xs text-ink-faint">
            <CornerUpLeft className="size-3 shrink-0" aria-hidden="true" />
            <span className="truncate">
              {answered.who}: {answered.text}
            </span>
          </p>
        )}
        {line.body && <Markdown text={line.body} className={line.spoken ? "mt-1 rounded-lg rounded-tl-sm border border-line bg-surface px-3 py-2" : "mt-0.5 text-ink-soft"} />}
        {isMessage && threads?.open && (threads.mayReply || replies > 0 || replyTo) && (
          <button
            type="button"
            onClick={() => threads.open?.(replyTo ?? id)}
            className={`mt-0.5 min-h-6 rounded text-xs hover:underline ${replies > 0 ? "text-accent-text" : "text-ink-faint"}`}
          >
            {replies > 0 ? `${replies} ${replies === 1 ? "reply" : "replies"}` : replyTo ? "Thread" : "Reply"}
          </button>
        )}
      </div>
    </div>
  );
  if (!isFirstNew) return row;
  return (
    <>
      <p className="flex items-center gap-2 py-1 text-xs font-medium text-accent-text before:h-px before:flex-1 before:bg-accent/40 after:h-px after:flex-1 after:bg-accent/40" data-first-new>
        New since you were here
      </p>
      {row}
    </>
  );
});

/** Icons as they came out when each was first drawn: a timeline that scrolls draws the same few again and again. */
const copies = new Map<Line["icon"], string>();

function Dot({ line: { icon: Icon, tone } }: { line: Line }) {
  const look = `mt-0.5 grid size-6 shrink-0 place-items-center rounded-full ${TONE_CLASS[tone]}`;
  const copy = copies.get(Icon);
  if (copy !== undefined) return <span className={look} dangerouslySetInnerHTML={{ __html: copy }} />;
  return (
    <span className={look} ref={(element) => void (element && copies.set(Icon, element.innerHTML))}>
      <Icon className="size-3.5" aria-hidden="true" />
    </span>
  );
}

function Said({ line }: { line: Line }) {
  if (!line.to) return <>{line.text}</>;
  return (
    <Link to={line.to} className="underline decoration-line-strong underline-offset-2 hover:decoration-current">
      {line.text}
    </Link>
  );
}
