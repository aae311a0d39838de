import type { ConnectionState } from "@baton/client";
import { Compass, Inbox, LogOut, Workflow } from "lucide-react";
import { type ReactNode, useEffect, useSyncExternalStore } from "react";
import { Link, NavLink, Outlet } from "react-router";
import { openOnes } from "./inbox/order";
import { useExternal } from "./live/use-live";
import { useSession } from "./session/session";
import { Mark } from "./ui/mark";
import { Empty } from "./ui/notes";
import { clock } from "./ui/time";

export function Shell() {
  const { me, inbox, signOut } = useSession();
  const { data } = useExternal(inbox, inbox.state);
  const waiting = data ? openOnes(data).length : 0;
  useEffect(() => {
    document.title = waiting > 0 ? `(${waiting}) Baton` : "Baton";
  }, [waiting]);
  return (
    <div className="flex h-full flex-col">
      <header className="flex h-13 shrink-0 items-center gap-1 border-b border-line bg-surface px-3 sm:gap-2 sm:px-4">
        <Link to="/inbox" aria-label="Baton" className="mr-1 flex items-center gap-2 rounded-lg sm:mr-3">
          <Mark className="size-7" />
          <span className="hidden font-semibold tracking-tight sm:inline">Baton</span>
        </Link>
        <nav aria-label="Screens" className="flex gap-1">
          <Tab to="/inbox" icon={<Inbox className="size-4" aria-hidden="true" />}>
            Inbox
            {waiting > 0 && (
              <span className="rounded-full bg-accent px-1.5 text-xs font-semibold text-accent-ink tabular-nums">
                {waiting}
                <span className="sr-only"> open</span>
              </span>
            )}
          </Tab>
          <Tab to="/processes" icon={<Workflow className="size-4" aria-hidden="true" />}>
            Processes
          </Tab>
        </nav>
        <div className="ml-auto flex min-w-0 items-center gap-3">
          <ConnectionNote />
          {me && (
            <span className="hidden max-w-48 truncate text-sm text-ink-soft md:inline" title={`Workspace ${me.workspaceId}, ${me.permission}`}>
              {me.principal.name ?? me.principal.id}
              {me.permission === "read" && " (read only)"}
            </span>
          )}
          <button
            type="button"
            onClick={() => signOut()}
            aria-label="Sign out"
            title="Sign out"
            className="grid size-9 place-items-center rounded-lg text-ink-soft hover:bg-sunken hover:text-ink"
          >
            <LogOut className="size-4" aria-hidden="true" />
          </button>
        </div>
      </header>
      <OfflineBar />
      <div className="min-h-0 flex-1">
        <Outlet />
      </div>
    </div>
  );
}

function Tab({ to, icon, children }: { to: string; icon: ReactNode; children: ReactNode }) {
  return (
    <NavLink
      to={to}
      className={({ isActive }) =>
        `flex h-9 items-center gap-1.5 rounded-lg px-2 text-sm font-medium sm:px-3 ${isActive ? "bg-accent-soft text-accent-text" : "text-ink-soft hover:bg-sunken hover:text-ink"}`
      }
    >
      <span className="hidden sm:inline">{icon}</span>
      {children}
    </NavLink>
  );
}

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

function ConnectionNote() {
  const state = useConnection();
  const [dot, text] =
    state.status === "live"
      ? state.draining
        ? ["bg-wait", "Live, server restarting"]
        : ["bg-good", "Live"]
      : state.status === "connecting"
        ? ["bg-wait breathing", "Connecting"]
        : ["bg-bad", "Offline"];
  return (
    <span role="status" data-connection={state.status} className="flex items-center gap-1.5 text-sm whitespace-nowrap text-ink-soft">
      <span className={`size-2 rounded-full ${dot}`} aria-hidden="true" />
      {text}
    </span>
  );
}

function OfflineBar() {
  const state = useConnection();
  if (state.status !== "offline") return null;
  return (
    <p className="arriving shrink-0 bg-bad-soft px-4 py-1.5 text-sm text-bad" role="alert">
      <strong className="font-semibold">Offline since {clock(state.since)}, reconnecting.</strong> What you see is from then; it is
      brought up to date as soon as the server answers.
    </p>
  );
}

export function NotFound() {
  return (
    <Empty icon={<Compass className="size-5" />} title="There is nothing here">
      <Link className="text-accent-text underline" to="/inbox">
        Go to the inbox
      </Link>
    </Empty>
  );
}
