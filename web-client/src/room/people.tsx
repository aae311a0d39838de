import { type BatonError, type Participant, toBatonError } from "@baton/client";
import { Bot, UserPlus, UserRound, X } from "lucide-react";
import { type FormEvent, useState } from "react";
import type { RoomLog } from "../live/room-log";
import { useExternal } from "../live/use-live";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { ProblemNote } from "../ui/notes";

const QUIET = { typing: [], streams: [], present: undefined };
const RANK: Record<Participant["role"], number> = { observer: 0, participant: 1, coordinator: 2, supervisor: 3 };

/** Who takes part, in what role, and who is connected; a coordinator can invite and remove. */
export function People({ roomId, participants, log, onChange }: { roomId: string; participants: readonly Participant[]; log: RoomLog | undefined; onChange(): void }) {
  const { rest, may, me } = useSession();
  const { present } = useExternal(log?.signals, QUIET);
  const [error, setError] = useState<BatonError>();
  const mine = participants.find(({ id, type }) => id === me?.principal.id && type === (me?.principal.kind === "agent" ? "agent" : "human"));
  const role = mine?.role ?? (me?.permission === "admin" ? "supervisor" : "participant");
  const moderates = may("rooms:invite") && RANK[role] >= RANK.coordinator;
  const path = `/collaboration/rooms/${roomId}/participants`;
  const change = async (work: Promise<unknown>) => {
    setError(undefined);
    try {
      await work;
      onChange();
    } catch (cause) {
      setError(toBatonError(cause));
    }
  };
  return (
    <div className="flex flex-col gap-3">
      {error && <ProblemNote error={error} />}
      <ul className="flex flex-col gap-0.5">
        {participants.map(({ id, type, role: has }) => (
          <li key={type + id} className="flex min-h-9 items-center gap-2.5 text-sm">
            <span className="relative grid size-7 shrink-0 place-items-center rounded-full bg-sunken text-ink-soft">
              {type === "agent" ? <Bot className="size-4" aria-hidden="true" /> : <UserRound className="size-4" aria-hidden="true" />}
              {present && <span className={`absolute -right-0.5 -bottom-0.5 size-2.5 rounded-full border-2 border-surface ${present.has(id) ? "bg-good" : "bg-line-strong"}`} />}
            </span>
            <span className="min-w-0 flex-1">
              <span className="block truncate leading-4 font-medium">{id}</span>
              <span className="block text-xs leading-4 text-ink-faint">
                {has}
                {present?.has(id) && ", here now"}
              </span>
            </span>
            {moderates && id !== me?.principal.id && (
              <button
                type="button"
                aria-label={`Remove ${id}`}
                title={`Remove ${id}`}
                onClick={() => void change(rest.change("DELETE", path, { id, type }))}
                className="grid size-8 place-items-center rounded-lg text-ink-faint hover:bg-sunken hover:text-ink"
              >
                <X className="size-4" aria-hidden="true" />
              </button>
            )}
          </li>
        ))}
        {participants.length === 0 && <li className="text-sm text-ink-soft">Nobody in particular: whoever may read the workspace reads along.</li>}
      </ul>
      {moderates && <Invite onInvite={(body) => change(rest.change("POST", path, body))} />}
    </div>
  );
}

function Invite({ onInvite }: { onInvite(body: { type: string; id: string; role: string }): Promise<void> }) {
  const [id, setId] = useState("");
  const [type, setType] = useState("human");
  const [role, setRole] = useState("participant");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (id.trim() !== "") void onInvite({ type, id: id.trim(), role }).then(() => setId(""));
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-2 border-t border-line pt-3">
      <input aria-label="Id of whom to invite" placeholder="Id of a person or an agent" value={id} onChange={(event) => setId(event.target.value)} className="field" />
      <div className="grid grid-cols-2 gap-2">
        <select aria-label="Person or agent" value={type} onChange={(event) => setType(event.target.value)} className="field">
          <option value="human">Person</option>
          <option value="agent">Agent</option>
        </select>
        <select aria-label="Role" value={role} onChange={(event) => setRole(event.target.value)} className="field">
          {Object.keys(RANK).map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </div>
      <Button type="submit" disabled={id.trim() === ""}>
        <UserPlus className="size-4" aria-hidden="true" /> Invite
      </Button>
    </form>
  );
}
