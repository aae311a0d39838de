import { Connection, type Me, Rest } from "@baton/client";
import { createContext, useContext } from "react";
import { applyToInterventions, type Interventions } from "../live/fold";
import { LiveStore } from "../live/live-store";

/** What every screen works with, from sign-in to sign-out. */
export interface Session {
  rest: Rest;
  connection: Connection;
  me: Me | null;
  /** Whether to show what changes something. The server decides in any case. */
  mayAct: boolean;
  /** The room of the whole workspace. */
  workspaceRoom(): Promise<string>;
  inbox: LiveStore<Interventions>;
  signOut(reason?: string): void;
}

/** Finds out who the key speaks for; throws if it speaks for nobody. */
export async function identify(key: string): Promise<Me | null> {
  const rest = new Rest({ token: key });
  const me = await rest.me();
  if (me === null) await rest.get("/interventions", { limit: 1 });
  return me;
}

export function openSession(key: string, me: Me | null, signOut: (reason?: string) => void): Session {
  const rest = new Rest({ token: key });
  const connection = new Connection({ token: key });
  let room: Promise<string> | undefined;
  const workspaceRoom = () => {
    room ??= rest.workspaceRoom().then(
      (found) => found.id,
      (error: unknown) => {
        room = undefined;
        throw error;
      },
    );
    return room;
  };
  const inbox = new LiveStore<Interventions>(connection, {
    room: workspaceRoom,
    load: async () => Object.fromEntries((await rest.openInterventions()).map((each) => [each.id, each])),
    apply: applyToInterventions,
  });
  return { rest, connection, me, mayAct: me?.permission !== "read", workspaceRoom, inbox, signOut };
}

export function closeSession(session: Session): void {
  session.inbox.close();
  session.connection.close();
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("useSession outside of a session");
  return session;
}
