import { type RoomToRead, toBatonError } from "@baton/client";
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
  const over = useRef(false);
  const again = useRef(() => {});
  const settle = useCallback(() => {
    if (document.hidden || inView.current <= told.current) return;
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      if (document.hidden) return;
      const seq = inView.current;
      told.current = seq;
      connection.command("room:read", { roomId, seq }, { deadlineMs: PATIENCE_MS }).then(
        () => client.setQueryData<RoomToRead>(["room", roomId], (room) => room && { ...room, lastReadSeq: seq }),
        (cause: unknown) => {
          if (over.current) return;
          told.current = 0;
          // No later event may come; what is refused for good is asked again only with one.
          if (toBatonError(cause).problem.retryable) again.current();
        },
      );
    }, SETTLED_MS);
  }, [connection, client, roomId]);
  useEffect(() => {
    over.current = false;
    again.current = settle;
    document.addEventListener("visibilitychange", settle);
    return () => {
      over.current = true;
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
