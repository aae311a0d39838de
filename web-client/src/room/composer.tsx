import { type BatonError, type Participant, toBatonError } from "@baton/client";
import { SendHorizontal } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useIsLive } from "../live/use-connection";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { ProblemNote } from "../ui/notes";
import { mentionsIn, wordAt } from "./mentions";
import { withoutSent } from "./unsent";

/** Others are told again so often that somebody still types. */
const TYPING_MS = 3_000;

/** Where a person writes to the room. Enter sends, Shift and Enter begins a line, `@` offers whom to mention. */
export function Composer({ roomId, participants, replyTo }: { roomId: string; participants: readonly Participant[]; replyTo?: string | undefined }) {
  const { connection } = useSession();
  const live = useIsLive();
  const [body, setBody] = useState("");
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<BatonError>();
  const [caret, setCaret] = useState(0);
  const [choice, setChoice] = useState(0);
  const box = useRef<HTMLTextAreaElement>(null);
  const listId = useId();
  const told = useRef(0);

  const typing = (on: boolean) => {
    if (!live || (on && Date.now() - told.current < TYPING_MS) || (!on && told.current === 0)) return;
    told.current = on ? Date.now() : 0;
    connection.command("typing:set", { roomId, typing: on }, { deadlineMs: TYPING_MS }).catch(() => {});
  };
  useEffect(() => () => typing(false), []);

  const word = wordAt(body, caret);
  const offered = word === undefined ? [] : participants.filter(({ id }) => id.toLowerCase().startsWith(word.text.toLowerCase())).slice(0, 6);
  const mention = (id: string) => {
    if (!word) return;
    const after = `${body.slice(0, word.from)}@${id} ${body.slice(caret)}`;
    setBody(after);
    const at = word.from + id.length + 2;
    setCaret(at);
    requestAnimationFrame(() => box.current?.setSelectionRange(at, at));
    box.current?.focus();
  };

  const send = async () => {
    if (body.trim() === "" || sending || !live) return;
    setSending(true);
    setError(undefined);
    typing(false);
    try {
      const mentions = mentionsIn(body, participants);
      await connection.command("message:send", { roomId, body, ...(mentions.length > 0 ? { mentions } : {}), ...(replyTo === undefined ? {} : { replyTo }) });
      setBody((now) => withoutSent(now, body));
    } catch (cause) {
      setError(toBatonError(cause));
    } finally {
      setSending(false);
      box.current?.focus();
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void send();
  };
  const press = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const chosen = offered[Math.min(choice, offered.length - 1)];
    if (chosen) {
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      if (step !== 0) {
        event.preventDefault();
        setChoice((choice + step + offered.length) % offered.length);
        return;
      }
      if (event.key === "Enter" || event.key === "Tab") {
        event.preventDefault();
        mention(chosen.id);
        return;
      }
    }
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    void send();
  };
  return (
    <form onSubmit={submit} className="relative shrink-0 border-t border-line bg-surface p-3">
      {error && (
        <div className="mb-2">
          <ProblemNote error={error} />
        </div>
      )}
      {offered.length > 0 && (
        <ul id={listId} role="listbox" aria-label="Whom to mention" className="absolute bottom-full left-3 mb-1 min-w-48 rounded-xl border border-line bg-raised p-1 shadow-xl">
          {offered.map(({ id, role }, index) => (
            <li
              key={id}
              id={`${listId}-${index}`}
              role="option"
              aria-selected={index === choice}
              onPointerDown={(event) => {
                event.preventDefault();
                mention(id);
              }}
              className={`flex cursor-pointer items-baseline gap-2 rounded-lg px-2.5 py-1.5 text-sm ${index === choice ? "bg-sunken" : ""}`}
            >
              {id} <span className="text-xs text-ink-faint">{role}</span>
            </li>
          ))}
        </ul>
      )}
      <div className="flex items-end gap-2">
        <textarea
          ref={box}
          rows={1}
          aria-label={replyTo === undefined ? "Message to the room" : "Reply in this thread"}
          {...(offered.length > 0 ? { "aria-controls": listId, "aria-activedescendant": `${listId}-${choice}` } : {})}
          aria-autocomplete="list"
          value={body}
          onChange={(event) => {
            setBody(event.target.value);
            setCaret(event.target.selectionStart);
            setChoice(0);
            if (event.target.value.trim() !== "") typing(true);
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
          onBlur={() => typing(false)}
          onKeyDown={press}
          placeholder={live ? (replyTo === undefined ? "Message the room, @ to mention" : "Reply in this thread") : "Offline: messages can be sent when the connection is back"}
          className="field field-sizing-content max-h-40 min-h-9 flex-1 resize-none"
        />
        <Button type="submit" tone="accent" aria-label="Send" disabled={!live || sending || body.trim() === ""}>
          <SendHorizontal className="size-4" aria-hidden="true" />
        </Button>
      </div>
    </form>
  );
}
