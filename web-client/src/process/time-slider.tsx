import type { RoomEvent } from "@baton/client";
import { ChevronLeft, ChevronRight, History, Radio } from "lucide-react";
import { describe, type Names } from "../room/describe";
import { Button } from "../ui/button";
import { clock } from "../ui/time";

interface TimeSliderProps {
  events: readonly RoomEvent[];
  ready: boolean;
  names: Names;
  /** The event up to which the page shows; absent: live. */
  at: number | undefined;
  onChange(at: number | undefined): void;
}

/** The page as it was after any event of the log. */
export function TimeSlider({ events, ready, names, at, onChange }: TimeSliderProps) {
  const head = events.length;
  if (at === undefined) {
    return (
      <div className="flex shrink-0 items-center justify-end border-t border-line bg-surface px-4 py-1.5 sm:px-6">
        <Button tone="quiet" onClick={() => onChange(Number.MAX_SAFE_INTEGER)}>
          <History className="size-4" aria-hidden="true" /> Look back
        </Button>
      </div>
    );
  }
  const shown = Math.min(at, head);
  const event = events[shown - 1];
  const line = event && describe(event, names);
  return (
    <div role="group" aria-label="Look back" className="shrink-0 border-t border-line bg-wait-soft px-4 py-2 sm:px-6">
      <div className="flex items-center gap-2">
        <Step label="One event earlier" disabled={shown <= 1} onClick={() => onChange(shown - 1)} icon={<ChevronLeft className="size-4" aria-hidden="true" />} />
        <input
          type="range"
          aria-label="Event of the log"
          aria-valuetext={event ? `Event ${shown} of ${head}, ${clock(event.at)}` : "Loading"}
          min={1}
          max={Math.max(1, head)}
          value={Math.max(1, shown)}
          disabled={!ready}
          onChange={({ currentTarget }) => onChange(Number(currentTarget.value))}
          className="h-6 min-w-0 flex-1 accent-accent"
        />
        <Step label="One event later" disabled={shown >= head} onClick={() => onChange(shown + 1)} icon={<ChevronRight className="size-4" aria-hidden="true" />} />
        <Button tone="accent" onClick={() => onChange(undefined)}>
          <Radio className="size-4" aria-hidden="true" /> Live
        </Button>
      </div>
      <p className="mt-0.5 truncate text-xs text-wait tabular-nums" data-replayed={ready ? shown : undefined}>
        {event && line ? (
          <>
            <strong className="font-semibold">
              Event {shown} of {head}
            </strong>
            , {clock(event.at)}: {[line.who, line.text].filter(Boolean).join(" ")}
          </>
        ) : (
          "Loading the log"
        )}
      </p>
    </div>
  );
}

function Step({ label, icon, disabled, onClick }: { label: string; icon: React.ReactNode; disabled: boolean; onClick(): void }) {
  return (
    <button type="button" aria-label={label} title={label} disabled={disabled} onClick={onClick} className="grid size-8 shrink-0 place-items-center rounded-lg text-wait hover:bg-surface disabled:opacity-40">
      {icon}
    </button>
  );
}
