import type { HumanIntervention } from "@baton/client";
import { SendHorizontal } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useState } from "react";
import { useIsLive } from "../live/use-connection";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Markdown } from "../ui/markdown";
import { ProblemNote } from "../ui/notes";
import { Ago } from "../ui/time";
import { withoutSent } from "../room/unsent";
import { useReply } from "./use-reply";

/** What people said of it without deciding. */
export function Comments({ intervention }: { intervention: HumanIntervention }) {
  const { may } = useSession();
  const live = useIsLive();
  const reply = useReply(intervention);
  const [text, setText] = useState("");
  const comments = intervention.comments ?? [];
  const send = () => {
    if (live && !reply.sending && text.trim() !== "") void reply.comment(text.trim()).then((done) => done && setText((now) => withoutSent(now, text)));
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send();
  };
  // As in a room: Enter sends, with Shift it begins a line.
  const press = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <div className="flex flex-col gap-3">
      {comments.length > 0 && (
        <ul className="flex flex-col gap-3">
          {comments.map((comment) => (
            <li key={comment.by + comment.at} className="text-sm">
              <p>
                <strong className="font-semibold">{comment.by}</strong>{" "}
                <span className="text-xs text-ink-faint">
                  <Ago at={comment.at} />
                </span>
              </p>
              <Markdown text={comment.text} />
            </li>
          ))}
        </ul>
      )}
      {reply.error && <ProblemNote error={reply.error} />}
      {may("interventions:respond") && intervention.status === "pending" && (
        <form onSubmit={submit} className="flex items-end gap-2">
          <textarea aria-label="Comment without deciding" placeholder="Comment without deciding" rows={1} value={text} onChange={(event) => setText(event.target.value)} onKeyDown={press} className="field field-sizing-content max-h-32 flex-1 resize-none" />
          <Button type="submit" aria-label="Send the comment" disabled={!live || reply.sending || text.trim() === ""}>
            <SendHorizontal className="size-4" aria-hidden="true" />
          </Button>
        </form>
      )}
      {comments.length === 0 && !(may("interventions:respond") && intervention.status === "pending") && <p className="text-sm text-ink-soft">None.</p>}
    </div>
  );
}
