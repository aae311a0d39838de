import type { ProcessStep, RoomEvent } from "@baton/client";
import { memo, useMemo } from "react";
import { Link } from "react-router";
import { TONE_CLASS } from "../ui/badge";
import { Markdown } from "../ui/markdown";
import { clock } from "../ui/time";
import { describe, type Line, namesIn } from "./describe";

const NO_STEPS: never[] = [];

interface TimelineProps {
  events: readonly RoomEvent[];
  /** The events that name what these only refer to. */
  context?: readonly RoomEvent[];
  steps?: readonly ProcessStep[];
}

/** A room's events in the order of its log. */
export function Timeline({ events, context = events, steps = NO_STEPS }: TimelineProps) {
  const names = useMemo(() => namesIn(context, steps), [context, steps]);
  return (
    <ol className="flex flex-col">
      {events.map((event) => (
        <Entry key={event.seq} at={event.at} seq={event.seq} line={describe(event, names)} />
      ))}
    </ol>
  );
}

const Entry = memo(
  function Entry({ at, seq, line }: { at: string; seq: number; line: Line }) {
    const Icon = line.icon;
    const said = line.to ? (
      <Link to={line.to} className="underline decoration-line-strong underline-offset-2 hover:decoration-current">
        {line.text}
      </Link>
    ) : (
      line.text
    );
    return (
      <li className="arriving flex gap-2.5 py-1.5 text-sm" data-seq={seq}>
        <span className={`mt-0.5 grid size-6 shrink-0 place-items-center rounded-full ${TONE_CLASS[line.tone]}`}>
          <Icon className="size-3.5" aria-hidden="true" />
        </span>
        <div className="min-w-0 flex-1">
          <p className="flex gap-2">
            <span className="min-w-0 flex-1 break-words text-ink-soft">
              {line.who && <strong className="font-semibold text-ink">{line.who} </strong>}
              {said}
            </span>
            <time dateTime={at} className="shrink-0 text-xs leading-5 text-ink-faint tabular-nums">
              {clock(at)}
            </time>
          </p>
          {line.body && (
            <div className={line.spoken ? "mt-1 rounded-lg rounded-tl-sm border border-line bg-surface px-3 py-2" : "mt-0.5 text-ink-soft"}>
              <Markdown text={line.body} />
            </div>
          )}
        </div>
      </li>
    );
  },
  (before, after) => before.seq === after.seq && before.line.text === after.line.text && before.at === after.at,
);
