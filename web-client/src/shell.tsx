import { Compass, Ellipsis, Keyboard, LogOut, Monitor, Moon, Sun, UserRound } from "lucide-react";
import { type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { Link, NavLink, Outlet, useLocation, useNavigate } from "react-router";
import { openOnes } from "./inbox/order";
import { useConnection } from "./live/use-connection";
import { useExternal } from "./live/use-live";
import { ADMIN, type Destination, MAIN, PEOPLE, SEARCH } from "./navigation";
import { useSession } from "./session/session";
import { ShortcutHelp } from "./shortcut-help";
import { Key } from "./ui/button";
import { Dialog } from "./ui/dialog";
import { ErrorBoundary } from "./ui/error-boundary";
import { Mark } from "./ui/mark";
import { Menu, MenuItem, MenuLabel, MenuLine } from "./ui/menu";
import { Empty, Loading } from "./ui/notes";
import { applyTheme, type Theme, useTheme } from "./ui/theme";
import { clock } from "./ui/time";
import { useKeys } from "./ui/use-keys";
import { useMedia, WIDE } from "./ui/use-media";

/** What stands around every screen: the way to the others, and whether what is shown is live. */
export function Shell() {
  const { inbox } = useSession();
  const { data } = useExternal(inbox, inbox.state);
  const waiting = data ? openOnes(data).length : 0;
  const wide = useMedia(WIDE);
  const [help, setHelp] = useState(false);
  const { pathname } = useLocation();
  useEffect(() => {
    document.title = waiting > 0 ? `(${waiting}) Baton` : "Baton";
  }, [waiting]);
  useGoKeys();
  const navigate = useNavigate();
  useKeys({ "?": () => setHelp(true), "/": () => void navigate(SEARCH.to) });
  return (
    <div className="flex h-full">
      <a href="#screen" className="sr-only z-30 rounded-lg bg-accent px-3 py-2 text-sm text-accent-ink focus:not-sr-only focus:absolute focus:top-2 focus:left-2">
        Skip to the screen
      </a>
      {wide && <Side waiting={waiting} onHelp={() => setHelp(true)} />}
      <div className="flex min-w-0 flex-1 flex-col">
        {!wide && <PhoneHead />}
        <OfflineBar />
        <div id="screen" tabIndex={-1} className="min-h-0 flex-1 outline-none">
          <ErrorBoundary resetKey={pathname}>
            <Suspense fallback={<Coming />}>
              <Outlet />
            </Suspense>
          </ErrorBoundary>
        </div>
        {!wide && <Foot waiting={waiting} />}
      </div>
      <ShortcutHelp open={help} onOpenChange={setHelp} />
    </div>
  );
}

/** So soon after `g` a letter belongs to it. */
const SECOND_KEY_MS = 1_500;

/** `g` and a letter go to a screen. */
function useGoKeys(): void {
  const navigate = useNavigate();
  const { may } = useSession();
  const since = useRef(Number.NEGATIVE_INFINITY);
  const go = Object.fromEntries(
    allowed([SEARCH, ...MAIN, ...PEOPLE, ...ADMIN], may).map(({ key, to }) => [key, () => void navigate(to)]),
  );
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || (event.target as HTMLElement).closest("input, textarea, select, [contenteditable], [role=dialog]")) return;
      const second = go[event.key];
      // When the keys were pressed, however late this page gets to hear of them.
      if (second && event.timeStamp - since.current < SECOND_KEY_MS) {
        event.preventDefault();
        event.stopImmediatePropagation();
        second();
      }
      since.current = event.key === "g" ? event.timeStamp : Number.NEGATIVE_INFINITY;
    };
    // Before the screens' own single keys, some of which are the same letters.
    window.addEventListener("keydown", press, { capture: true });
    return () => window.removeEventListener("keydown", press, { capture: true });
  });
}

function allowed(destinations: Destination[], may: ReturnType<typeof useSession>["may"]): Destination[] {
  return destinations.filter(({ needs }) => needs === undefined || may(needs));
}

function Side({ waiting, onHelp }: { waiting: number; onHelp(): void }) {
  const { may } = useSession();
  const admin = allowed(ADMIN, may);
  return (
    <header className="flex w-14 shrink-0 flex-col border-r border-line bg-surface lg:w-52">
      <Link to="/inbox" aria-label="Baton" className="flex h-14 shrink-0 items-center gap-2.5 px-3.5">
        <Mark className="size-7 shrink-0" />
        <span className="hidden text-lg font-semibold tracking-tight lg:inline">Baton</span>
      </Link>
      <nav aria-label="Screens" className="flex min-h-0 flex-1 flex-col gap-0.5 overflow-y-auto px-2 pt-1">
        <SearchLink />
        {MAIN.map((each) => (
          <SideLink key={each.to} destination={each} badge={each.to === "/inbox" ? waiting : 0} />
        ))}
        <Group title="Who works" />
        {PEOPLE.map((each) => (
          <SideLink key={each.to} destination={each} />
        ))}
        {admin.length > 0 && <Group title="Administration" />}
        {admin.map((each) => (
          <SideLink key={each.to} destination={each} />
        ))}
      </nav>
      <div className="flex shrink-0 flex-col gap-1 border-t border-line p-2">
        <ConnectionNote compact />
        <Account onHelp={onHelp} />
      </div>
    </header>
  );
}

/** Looks like the box that it leads to. */
function SearchLink() {
  const { to, label, icon: Icon } = SEARCH;
  return (
    <NavLink
      to={to}
      title="Search the messages"
      aria-keyshortcuts="/"
      className={({ isActive }) =>
        `mb-2 flex h-9 shrink-0 items-center gap-2.5 rounded-lg border px-2.5 text-sm max-lg:justify-center ${isActive ? "border-accent bg-accent-soft text-accent-text" : "border-line-strong bg-surface text-ink-soft hover:bg-sunken hover:text-ink"}`
      }
    >
      <Icon className="size-4 shrink-0" aria-hidden="true" />
      <span className="max-lg:sr-only">{label}</span>
      <span className="ml-auto max-lg:hidden">
        <Key>/</Key>
      </span>
    </NavLink>
  );
}

function Group({ title }: { title: string }) {
  return (
    <p aria-hidden="true" className="mt-4 mb-1 px-2.5 text-xs font-medium text-ink-faint max-lg:mx-2 max-lg:h-px max-lg:bg-line max-lg:text-[0]">
      {title}
    </p>
  );
}

function SideLink({ destination: { to, label, icon: Icon }, badge = 0 }: { destination: Destination; badge?: number }) {
  return (
    <NavLink
      to={to}
      title={label}
      className={({ isActive }) =>
        `relative flex h-9 shrink-0 items-center gap-2.5 rounded-lg px-2.5 text-sm font-medium max-lg:justify-center ${isActive ? "bg-accent-soft text-accent-text" : "text-ink-soft hover:bg-sunken hover:text-ink"}`
      }
    >
      <Icon className="size-4.5 shrink-0" aria-hidden="true" />
      <span className="max-lg:sr-only">{label}</span>
      <Badge count={badge} className="max-lg:absolute max-lg:top-0 max-lg:right-0 lg:ml-auto" />
    </NavLink>
  );
}

function Badge({ count, className = "" }: { count: number; className?: string }) {
  if (count === 0) return null;
  return (
    <span className={`min-w-5 rounded-full bg-accent px-1.5 text-center text-xs leading-5 font-semibold text-accent-ink tabular-nums ${className}`}>
      {count}
      <span className="sr-only"> open</span>
    </span>
  );
}

function PhoneHead() {
  return (
    <header className="flex h-12 shrink-0 items-center justify-between gap-3 border-b border-line bg-surface px-4">
      <Link to="/inbox" aria-label="Baton" className="flex items-center gap-2">
        <Mark className="size-6" />
        <span className="font-semibold tracking-tight">Baton</span>
      </Link>
      <span className="ml-auto">
        <ConnectionNote />
      </span>
      <Link to={SEARCH.to} aria-label="Search the messages" className="-mr-2 grid size-9 place-items-center rounded-lg text-ink-soft hover:bg-sunken">
        <SEARCH.icon className="size-5" aria-hidden="true" />
      </Link>
    </header>
  );
}

function Foot({ waiting }: { waiting: number }) {
  const { may } = useSession();
  const [more, setMore] = useState(false);
  const { pathname } = useLocation();
  useEffect(() => setMore(false), [pathname]);
  const rest = [...PEOPLE, ...allowed(ADMIN, may)];
  const elsewhere = rest.some(({ to }) => pathname.startsWith(to));
  return (
    <nav aria-label="Screens" className="grid shrink-0 grid-cols-5 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)]">
      {MAIN.map(({ to, label, icon: Icon }) => (
        <NavLink key={to} to={to} className={({ isActive }) => foot(isActive)}>
          <span className="relative">
            <Icon className="size-5" aria-hidden="true" />
            {to === "/inbox" && <Badge count={waiting} className="absolute -top-2 left-3" />}
          </span>
          {label}
        </NavLink>
      ))}
      <Dialog
        title="More"
        open={more}
        onOpenChange={setMore}
        trigger={
          <button type="button" className={foot(elsewhere)}>
            <Ellipsis className="size-5" aria-hidden="true" />
            More
          </button>
        }
      >
        <div className="flex flex-col gap-1">
          {rest.map(({ to, label, icon: Icon }) => (
            <NavLink key={to} to={to} className={({ isActive }) => `flex h-12 items-center gap-3 rounded-lg px-3 font-medium ${isActive ? "bg-accent-soft text-accent-text" : "hover:bg-sunken"}`}>
              <Icon className="size-5 shrink-0" aria-hidden="true" />
              {label}
            </NavLink>
          ))}
        </div>
        <div className="mt-2 border-t border-line pt-2">
          <Account />
        </div>
      </Dialog>
    </nav>
  );
}

function foot(active: boolean): string {
  return `flex h-14 flex-col items-center justify-center gap-0.5 text-xs font-medium -outline-offset-2 ${active ? "text-accent-text" : "text-ink-soft"}`;
}

const THEMES: [Theme, string, ReactNode][] = [
  ["system", "As the system", <Monitor key="system" />],
  ["light", "Light", <Sun key="light" />],
  ["dark", "Dark", <Moon key="dark" />],
];

function Account({ onHelp }: { onHelp?: () => void }) {
  const { me, signOut } = useSession();
  const theme = useTheme();
  const name = me ? (me.principal.name ?? me.principal.id) : "Signed in";
  return (
    <Menu
      trigger={
        <button type="button" className="flex h-10 w-full items-center gap-2.5 rounded-lg px-2 text-left text-sm text-ink-soft hover:bg-sunken hover:text-ink max-lg:md:justify-center">
          <span className="grid size-6 shrink-0 place-items-center rounded-full bg-sunken text-ink-soft">
            <UserRound className="size-3.5" aria-hidden="true" />
          </span>
          <span className="min-w-0 max-lg:md:sr-only">
            <span className="sr-only">Account </span>
            <span className="block truncate leading-4 font-medium text-ink">{name}</span>
            {me && <span className="block truncate text-xs leading-4 text-ink-faint">{me.permission === "read" ? "read only" : me.permission}</span>}
          </span>
        </button>
      }
    >
      {me && <MenuLabel>{`Workspace ${me.workspaceId}`}</MenuLabel>}
      {THEMES.map(([each, label, icon]) => (
        <MenuItem key={each} icon={icon} onSelect={() => applyTheme(each)}>
          {label}
          {theme === each && <span className="ml-auto text-xs text-ink-faint">chosen</span>}
        </MenuItem>
      ))}
      <MenuLine />
      {onHelp && (
        <MenuItem icon={<Keyboard />} onSelect={onHelp}>
          Keyboard shortcuts
        </MenuItem>
      )}
      <MenuItem icon={<LogOut />} onSelect={() => signOut()}>
        Sign out
      </MenuItem>
    </Menu>
  );
}

function ConnectionNote({ compact = false }: { compact?: boolean }) {
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
    <span
      role="status"
      data-connection={state.status}
      title={text}
      className={`flex items-center gap-2 text-sm whitespace-nowrap text-ink-soft ${compact ? "h-7 px-2.5 max-lg:justify-center" : ""}`}
    >
      <span className={`size-2 shrink-0 rounded-full ${dot}`} aria-hidden="true" />
      <span className={compact ? "max-lg:sr-only" : ""}>{text}</span>
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

/** A screen that is being fetched. */
function Coming() {
  return (
    <main>
      <Loading label="Loading the screen" />
    </main>
  );
}

export function NotFound() {
  return (
    <main>
      <Empty as="h1" icon={<Compass className="size-5" />} title="There is nothing here">
        <Link className="text-accent-text underline" to="/inbox">
          Go to the inbox
        </Link>
      </Empty>
    </main>
  );
}
