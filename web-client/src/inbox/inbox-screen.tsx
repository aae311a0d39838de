import type { HumanIntervention } from "@baton/client";
import { Coffee, MousePointerClick } from "lucide-react";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useExternal } from "../live/use-live";
import { useSession } from "../session/session";
import { PriorityTag } from "../ui/badge";
import { Segments } from "../ui/field";
import { Empty, Loading, ProblemNote } from "../ui/notes";
import { Ago, Deadline } from "../ui/time";
import { useKeys } from "../ui/use-keys";
import { useMedia, WIDE } from "../ui/use-media";
import { KINDS } from "./looks";
import { belongsTo, openOnes, type Whose } from "./order";

const WHOSE = [
  ["all", "All"],
  ["mine", "Mine"],
  ["unassigned", "Unassigned"],
] as const;

const HINTS = [
  ["j k", "move"],
  ["Enter", "open"],
  ["a", "approve"],
  ["?", "all keys"],
] as const;

const opening = () => import("./intervention-screen");
const InterventionScreen = lazy(opening);
const UnderWay = lazy(() => import("./under-way"));

/** The list, and beside it (on a phone: instead of it) the one that is open. */
export function InboxScreen() {
  const { inbox, me } = useSession();
  const { interventionId } = useParams();
  const navigate = useNavigate();
  const state = useExternal(inbox, inbox.state);
  const [whose, setWhose] = useState<Whose>("all");
  const [selected, setSelected] = useState<string>();

  const open = state.data ? openOnes(state.data).filter((each) => belongsTo(whose, each, me?.principal.id)) : [];
  const current = interventionId ?? selected;

  // Whoever sees the list will open one: have the screen ready.
  const some = open.length > 0;
  useEffect(() => {
    if (some) void opening();
  }, [some]);

  // There is room for one beside the list: the most urgent, and it stays that one whatever comes.
  const first = open[0]?.id;
  const beside = useMedia(WIDE);
  useEffect(() => {
    if (beside && current === undefined && first !== undefined) setSelected(first);
  }, [beside, current, first]);

  const move = (by: number) => {
    const at = open.findIndex((each) => each.id === current);
    const next = open[at < 0 ? (by > 0 ? 0 : open.length - 1) : Math.min(open.length - 1, Math.max(0, at + by))];
    if (!next) return;
    setSelected(next.id);
    if (interventionId !== undefined) navigate(`/inbox/${next.id}`, { replace: true });
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    Enter: () => {
      if (current !== undefined) navigate(`/inbox/${current}`);
    },
    Escape: () => {
      if (interventionId === undefined) return;
      setSelected(interventionId);
      navigate("/inbox");
    },
  });

  return (
    <main className="grid h-full md:grid-cols-[20rem_minmax(0,1fr)] xl:grid-cols-[23rem_minmax(0,1fr)]">
      <section aria-label="Inbox" className={`min-h-0 flex-col border-r border-line bg-surface ${interventionId ? "hidden md:flex" : "flex"}`}>
        <div className="flex items-center justify-between gap-2 border-b border-line px-4 py-3">
          <h1 className="text-lg font-semibold">Inbox</h1>
          <Segments<Whose> label="Whose" choices={WHOSE} value={whose} onChange={setWhose} />
        </div>
        <div className="min-h-0 flex-1 overflow-y-auto">
          {state.error && (
            <div className="p-4">
              <ProblemNote error={state.error} onRetry={inbox.reload} />
            </div>
          )}
          {state.status === "loading" && <Loading label="Loading the inbox" />}
          {state.status === "ready" && open.length === 0 && (
            <Empty icon={<Coffee className="size-5" />} title={whose === "all" ? "Nothing waits for a person" : "Nothing here"}>
              {whose === "all" ? (
                <>
                  When an agent needs an approval, an answer or a decision, it appears here by itself.{" "}
                  <Link to="/processes" className="text-accent-text underline">
                    See what is running
                  </Link>
                </>
              ) : (
                "Others may be waiting under All."
              )}
            </Empty>
          )}
          <ul>
            {open.map((each) => (
              <Row key={each.id} intervention={each} selected={each.id === current} />
            ))}
          </ul>
        </div>
        <p className="hidden flex-wrap gap-x-3 gap-y-1 border-t border-line px-4 py-2 text-xs text-ink-faint pointer-fine:flex">
          {HINTS.map(([key, does]) => (
            <span key={key} className="whitespace-nowrap">
              <kbd className="font-mono">{key}</kbd> {does}
            </span>
          ))}
        </p>
      </section>
      <section aria-label="What is asked" className={`min-h-0 ${interventionId ? "" : "hidden md:block"}`}>
        {current === undefined && beside && state.status === "ready" && open.length === 0 ? (
          <Suspense fallback={<Loading label="Loading what is under way" rows={2} />}>
            <UnderWay />
          </Suspense>
        ) : current !== undefined ? (
          <Suspense fallback={<Loading label="Loading what is asked" rows={2} />}>
            <InterventionScreen key={current} id={current} />
          </Suspense>
        ) : (
          <Empty icon={<MousePointerClick className="size-5" />} title="Open one to decide">
            You see what is asked, why, and what led to it.
          </Empty>
        )}
      </section>
    </main>
  );
}

function Row({ intervention, selected }: { intervention: HumanIntervention; selected: boolean }) {
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (selected) row.current?.scrollIntoView({ block: "nearest" });
  }, [selected]);
  const { label, icon: Icon } = KINDS[intervention.type];
  return (
    <li ref={row} className="arriving border-b border-line">
      <Link
        to={`/inbox/${intervention.id}`}
        aria-current={selected ? "true" : undefined}
        className={`flex gap-3 px-4 py-3 -outline-offset-2 ${selected ? "bg-accent-soft" : "hover:bg-sunken"}`}
      >
        <Icon className="mt-0.5 size-4.5 shrink-0 text-accent-text" aria-hidden="true" />
        <div className="min-w-0 flex-1">
          <p className="line-clamp-2 text-sm font-medium break-words">{intervention.description}</p>
          <p className="mt-1 flex flex-wrap items-center gap-x-2 gap-y-1 text-xs text-ink-soft">
            <span>{label}</span>
            <PriorityTag priority={intervention.priority} />
            {intervention.dueAt ? <Deadline at={intervention.dueAt} /> : <Ago at={intervention.requestedAt} />}
            {intervention.claimedBy && <span>claimed by {intervention.claimedBy}</span>}
            {!intervention.claimedBy && intervention.assignees && intervention.assignees.length > 0 && <span>for {intervention.assignees.join(", ")}</span>}
          </p>
        </div>
      </Link>
    </li>
  );
}
