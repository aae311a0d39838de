import type { HumanIntervention } from "@baton/client";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import type { Change } from "../live/change";
import { withSaid } from "../live/replay-intervention";
import { useSession } from "../session/session";

/** What the process's room tells of a question, and the workspace's does not. */
const TOLD_THERE = /^intervention\.(voted|commented)$/;

/** Keeps the votes and comments of a question current while it is looked at. */
export function useVotes(id: string, roomId: string | undefined): void {
  const { connection, inbox } = useSession();
  const client = useQueryClient();
  useEffect(() => {
    if (roomId === undefined) return;
    const room = connection.room(roomId);
    room.subscribe({
      event: ({ type, data }) => {
        if (!TOLD_THERE.test(type) || data.id !== id) return;
        const change = data as unknown as Change;
        inbox.update((all) => (all[id] ? { ...all, [id]: withSaid(all[id], change) } : all));
        client.setQueryData<HumanIntervention>(["intervention", id], (known) => known && withSaid(known, change));
      },
    });
    return () => room.close();
  }, [connection, inbox, client, id, roomId]);
}
