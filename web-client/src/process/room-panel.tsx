import { type BatonError, type Channel, type OrchestrationProcess, type RoomEvent, toBatonError } from "@baton/client";
import { ArrowDown, MessagesSquare, SendHorizontal } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { RoomLogState } from "../live/room-log";
import { useSession } from "../session/session";
import { useIsLive } from "../shell";
import { Button } from "../ui/button";
import { Empty, Loading, ProblemNote } from "../ui/notes";
import { Timeline } from "./timeline";

type Shown = "all" | "talk" | Channel;

const CHOICES: [Shown, string][] = [
  ["all", "All"],
  ["talk", "Messages"],
  ["handoffs", "Handoffs"],
  ["interventions", "Decisions"],
  ["alerts", "Alerts"],
  ["monitoring", "Progress"],
];

/** More rows than this are shown when asked for. */
const ROWS = 200;

function belongs(shown: Shown, { type, channel }: RoomEvent): boolean {
  if (shown === "all") return true;
  if (shown === "talk") return type.startsWith("message.") || type.startsWith("communication.");
  return channel === shown;
}

/** The room of a process: everything that happened and was said, and a box to say something. */
export function RoomPanel({ process, log }: { process: OrchestrationProcess; log: RoomLogState | undefined }) {
  const [shown, setShown] = useState<Shown>("all");
  const [rows, setRows] = useState(ROWS);
  const { mayAct } = useSession();
  const all = log?.events ?? [];
  const chosen = all.filter((event) => belongs(shown, event));
  const visible = chosen.slice(-rows);
  return (
    <section aria-label="Room" className="flex h-full min-h-0 flex-col">
      <div role="group" aria-label="Channel" className="flex shrink-0 gap-1 overflow-x-auto border-b border-line px-4 py-2">
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
      <Scroller end={visible.at(-1)?.seq}>
        {log?.error && <ProblemNote error={log.error} />}
        {!log?.known && !log?.error && all.length === 0 && <Loading label="Loading the room" />}
        {log?.known && visible.length === 0 && (
          <Empty icon={<MessagesSquare className="size-5" />} title="Nothing here yet">
            What agents and people do and say in this process appears here as it happens.
          </Empty>
        )}
        {chosen.length > rows && (
          <Button tone="quiet" className="mx-auto mb-2 flex" onClick={() => setRows(rows + ROWS)}>
            Show earlier ({chosen.length - rows})
          </Button>
        )}
        <Timeline events={visible} context={all} steps={process.steps} />
      </Scroller>
      {mayAct && <PostBox roomId={process.roomId} />}
    </section>
  );
}

/** Keeps to the end while the reader is there, and stays put when the reader has scrolled back. */
function Scroller({ end, children }: { end: number | undefined; children: React.ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const toEnd = () => box.current?.scrollTo({ top: box.current.scrollHeight });
  useLayoutEffect(() => {
    if (atEnd) toEnd();
  }, [end, atEnd]);
  useEffect(() => {
    // Markdown and images of type change heights after the first layout.
    const watch = new ResizeObserver(() => {
      if (atEnd) toEnd();
    });
    if (box.current?.firstElementChild) watch.observe(box.current.firstElementChild);
    return () => watch.disconnect();
  }, [atEnd]);
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={box}
        tabIndex={0}
        role="log"
        aria-label="Timeline"
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => setAtEnd(scrollHeight - scrollTop - clientHeight < 40)}
        className="h-full overflow-y-auto px-4 py-3 -outline-offset-2"
      >
        <div>{children}</div>
      </div>
      {!atEnd && (
        <Button className="absolute bottom-3 left-1/2 -translate-x-1/2 shadow-md" onClick={toEnd}>
          <ArrowDown className="size-4" aria-hidden="true" /> Latest
        </Button>
      )}
    </div>
  );
}

function PostBox({ roomId }: { roomId: string }) {
  const { connection } = useSession();
  const live = useIsLive();
  const [body, setBody] = useState("");
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<BatonError>();
  const send = async () => {
    if (body.trim() === "" || sending || !live) return;
    setSending(true);
    setError(undefined);
    try {
      await connection.command("message:send", { roomId, body });
      setBody("");
    } catch (cause) {
      setError(toBatonError(cause));
    } finally {
      setSending(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void send();
  };
  const press = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };
  return (
    <form onSubmit={submit} className="shrink-0 border-t border-line bg-surface p-3">
      {error && (
        <div className="mb-2">
          <ProblemNote error={error} />
        </div>
      )}
      <div className="flex items-end gap-2">
        <label htmlFor="message" className="sr-only">
          Message to the room
        </label>
        <textarea
          id="message"
          rows={1}
          value={body}
          onChange={(event) => setBody(event.target.value)}
          onKeyDown={press}
          placeholder={live ? "Message the room…" : "Offline: messages can be sent when the connection is back"}
          className="field-sizing-content max-h-40 min-h-9 flex-1 resize-none rounded-lg border border-line-strong bg-surface px-3 py-1.5 text-sm placeholder:text-ink-faint"
        />
        <Button type="submit" tone="accent" aria-label="Send" disabled={!live || sending || body.trim() === ""}>
          <SendHorizontal className="size-4" aria-hidden="true" />
        </Button>
      </div>
    </form>
  );
}
