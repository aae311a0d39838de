import type { Json } from "@baton/client";
import { ScrollText } from "lucide-react";
import { type ListSource, useList } from "../live/use-list";
import { Segments } from "../ui/field";
import { ListBody } from "../ui/list-body";
import { Empty } from "../ui/notes";
import { Page } from "../ui/page";
import { type Column, Table } from "../ui/table";
import { Ago } from "../ui/time";
import { useFilters, useSettled } from "../ui/use-filters";

/** One entry: who did or tried what, and what came of it. */
interface AuditEntry {
  id: string;
  at: string;
  actor?: { kind: string; id: string };
  action: string;
  outcome: string;
  status?: number;
  transport?: string;
  address?: string;
  target?: Json;
  detail?: Json;
}

const OUTCOMES = [
  ["", "All"],
  ["ok", "Done"],
  ["forbidden", "Forbidden"],
  ["unauthenticated", "No key"],
] as const;

const COLUMNS: Column<AuditEntry>[] = [
  {
    header: "What",
    cell: (entry) => (
      <>
        <span className="block font-mono text-xs font-medium break-words">{entry.action}</span>
        {entry.detail !== undefined && entry.detail !== null && entry.detail !== "" && (
          <span className="mt-0.5 block text-xs break-words text-ink-soft">{typeof entry.detail === "string" ? entry.detail : JSON.stringify(entry.detail)}</span>
        )}
        <span className="mt-0.5 block text-xs text-ink-faint sm:hidden">
          <Ago at={entry.at} />
        </span>
      </>
    ),
  },
  { header: "Who", width: "8rem", cell: (entry) => (entry.actor ? <span className="break-words">{`${entry.actor.kind} ${entry.actor.id}`}</span> : <span className="text-ink-faint">nobody known</span>) },
  { header: "Outcome", width: "7rem", cell: (entry) => <span className={`break-all ${entry.outcome === "ok" ? "text-good" : "text-bad"}`}>{entry.outcome}</span> },
  { header: "How", from: "lg", width: "11rem", cell: (entry) => <span className="text-ink-soft">{[entry.transport, entry.address].filter(Boolean).join(" from ")}</span> },
  {
    header: "When",
    from: "sm",
    width: "8rem",
    cell: (entry) => (
      <span className="text-ink-soft">
        <Ago at={entry.at} />
      </span>
    ),
  },
];

/** Everything that was done or tried in the workspace, the refusals too. */
export default function AuditScreen() {
  const [filters, setFilter] = useFilters("actor", "action", "outcome", "since");
  const actor = useSettled(filters.actor);
  const action = useSettled(filters.action);
  const since = useSettled(filters.since);
  const source: ListSource<AuditEntry> = {
    path: "/audit",
    query: {
      actor,
      action,
      outcome: filters.outcome || undefined,
      since: since && !Number.isNaN(Date.parse(since)) ? new Date(since).toISOString() : undefined,
    },
    everyMs: 10_000,
  };
  const list = useList<AuditEntry>(source);
  const filtered = Object.values(filters).some((value) => value !== "");
  return (
    <Page
      title="Audit"
      filters={
        <>
          <input aria-label="Who" placeholder="Who: user:eve" autoCapitalize="off" spellCheck={false} className="field h-9 w-full sm:w-48" value={filters.actor} onChange={(event) => setFilter("actor", event.target.value)} />
          <input aria-label="What" placeholder="What: process:start" autoCapitalize="off" spellCheck={false} className="field h-9 w-full sm:w-52" value={filters.action} onChange={(event) => setFilter("action", event.target.value)} />
          <input aria-label="Since" type="datetime-local" className="field h-9 w-full sm:w-56" value={filters.since} onChange={(event) => setFilter("since", event.target.value)} />
          <Segments label="Outcome" choices={OUTCOMES} value={filters.outcome as ""} onChange={(value) => setFilter("outcome", value)} />
        </>
      }
    >
      <ListBody
        list={list}
        label="Loading the audit"
        empty={
          <Empty icon={<ScrollText className="size-5" />} title={filtered ? "None matches" : "Nothing yet"}>
            {filtered ? "Take a filter away." : "Whatever is done, and whatever is refused, appears here."}
          </Empty>
        }
      >
        <Table label="Audit" columns={COLUMNS} rows={list.rows} keyOf={(entry) => entry.id} onMore={list.more} loadingMore={list.loadingMore} />
      </ListBody>
    </Page>
  );
}
