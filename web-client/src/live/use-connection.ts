import type { ConnectionState } from "@baton/client";
import { useSyncExternalStore } from "react";
import { useSession } from "../session/session";

export function useConnection(): ConnectionState {
  const { connection } = useSession();
  return useSyncExternalStore(
    (listener) => connection.onState(listener),
    () => connection.state,
  );
}

/** Whether what is shown is current and what is sent arrives. */
export function useIsLive(): boolean {
  return useConnection().status === "live";
}
