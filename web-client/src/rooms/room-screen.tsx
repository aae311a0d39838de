import type { Participant, RoomToRead } from "@baton/client";
import { useQuery } from "@tanstack/react-query";
import { Users } from "lucide-react";
import { useParams, useSearchParams } from "react-router";
import { RoomLog } from "../live/room-log";
import { useOwned } from "../live/use-live";
import { People } from "../room/people";
import { RoomPanel } from "../room/room-panel";
import { soughtIn } from "../room/sought";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { BackLink, DetailPending } from "../ui/detail";
import { Dialog } from "../ui/dialog";
import { useMedia } from "../ui/use-media";

const NOBODY: Participant[] = [];

/** A room of a team or of the workspace: its timeline, and beside it (on a phone: behind a button) who takes part. */
export default function RoomScreen() {
  const { rest, connection } = useSession();
  const { roomId = "" } = useParams();
  const [parameters] = useSearchParams();
  const beside = useMedia("(min-width: 64rem)");
  const room = useQuery({ queryKey: ["room", roomId], queryFn: () => rest.get<RoomToRead>(`/collaboration/rooms/${encodeURIComponent(roomId)}`), refetchInterval: 15_000 });
  const log = useOwned(room.data?.id, (id) => new RoomLog(connection, id));
  if (!room.data) return <DetailPending label="Room" error={room.error} onRetry={() => void room.refetch()} />;
  const { id, name, participants = NOBODY, archived, lastReadSeq } = room.data;
  const people = <People roomId={id} participants={participants} log={log} onChange={() => void room.refetch()} />;
  return (
    <main className="flex h-full flex-col">
      <header className="shrink-0 border-b border-line bg-surface px-4 pt-3 pb-3 sm:px-6">
        <BackLink to="/rooms">Rooms</BackLink>
        <div className="mt-1 flex items-center justify-between gap-3">
          <h1 className="min-w-0 truncate text-lg font-semibold tracking-tight">{name}</h1>
          {!beside && (
            <Dialog
              title="Who takes part"
              trigger={
                <Button>
                  <Users className="size-4" aria-hidden="true" /> {participants.length} <span className="sr-only">take part</span>
                </Button>
              }
            >
              {people}
            </Dialog>
          )}
        </div>
      </header>
      <div className="flex min-h-0 flex-1">
        <div className="min-w-0 flex-1">
          <RoomPanel log={log} roomId={id} participants={participants} archived={archived ?? false} read={lastReadSeq ?? undefined} target={soughtIn(parameters)} />
        </div>
        {beside && (
          <aside aria-label="Who takes part" className="w-72 shrink-0 overflow-y-auto border-l border-line bg-surface p-4">
            <h2 className="mb-3 text-sm font-semibold text-ink-soft">Who takes part</h2>
            {people}
          </aside>
        )}
      </div>
    </main>
  );
}
