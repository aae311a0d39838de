import type { RoomToRead } from "@baton/client";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef } from "react";
import { useSession } from "../session/session";

/** What has been in view for so long has been read. */
const SETTLED_MS = 1_000;
const PATIENCE_MS = 5_000;

/** Tells the server how far this person has read: call it with the newest event that is in view. A page in the background reads nothing. */
export function useReadMark(roomId: string): (seq: number) => void {
  const { connection } = useSession();
  const client = useQueryClient();
  const inView = useRef(0);
  const told = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const settle = useCallback(() => {
    if (document.hidden || inView.current <= told.current) return;
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      if (document.hidden) return;
      const seq = inView.current;
      told.current = seq;
      connection.command("room:read", { roomId, seq }, { deadlineMs: PATIENCE_MS }).then(
        () => client.setQueryData<RoomToRead>(["room", roomId], (room) => room && { ...room, lastReadSeq: seq }),
        () => {
          // The next event tries again.
          told.current = 0;
        },
      );
    }, SETTLED_MS);
  }, [connection, client, roomId]);
  useEffect(() => {
    document.addEventListener("visibilitychange", settle);
    return () => {
      document.removeEventListener("visibilitychange", settle);
      clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [settle]);
  return useCallback(
    (seq) => {
      inView.current = Math.max(inView.current, seq);
      settle();
    },
    [settle],
  );
}
