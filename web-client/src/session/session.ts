import { Connection, type Me, Rest } from "@baton/client";
import { createContext, useContext } from "react";
import { applyToInterventions, type Interventions } from "../live/fold";
import { LiveStore } from "../live/live-store";

/** What the server's policy table names, as far as the screens ask for it. */
export type Operation =
  | "agents:manage"
  | "alert-rules:update"
  | "alerts:update"
  | "audit:read"
  | "handoffs:update"
  | "interventions:respond"
  | "keys:manage"
  | "processes:create"
  | "processes:update"
  | "rooms:create"
  | "rooms:invite"
  | "rooms:post"
  | "teams:create"
  | "teams:update"
  | "templates:create"
  | "templates:read"
  | "webhooks:manage";

/** Who may read may ask for this, but posting needs a role in the room that no reader has. */
const NEVER_FOR_READERS: ReadonlySet<Operation> = new Set(["rooms:post"]);

function mayOf(me: Me | null): (operation: Operation) => boolean {
  const granted = new Set(me?.operations);
  return (operation) => granted.has(operation) && !(me?.permission === "read" && NEVER_FOR_READERS.has(operation));
}

/** What every screen works with, from sign-in to sign-out. */
export interface Session {
  rest: Rest;
  connection: Connection;
  me: Me | null;
  /** Whether to show what does this, as the server's own table of permissions says. The server decides in any case. */
  may(operation: Operation): boolean;
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
  return { rest, connection, me, may: mayOf(me), workspaceRoom, inbox, signOut };
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
