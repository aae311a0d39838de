import { toBatonError } from "@baton/client";
import { Bot } from "lucide-react";
import type { Agent } from "../model";
import { SearchBox, Segments } from "../ui/field";
import { Empty, Loading, ProblemNote } from "../ui/notes";
import { Page } from "../ui/page";
import { type Column, Table } from "../ui/table";
import { useFilters } from "../ui/use-filters";
import { AgentStatus, rate, Slots } from "./agent-status";
import { useAgentList } from "./use-agents";

const STATUSES = [
  ["", "All"],
  ["online", "Online"],
  ["busy", "Busy"],
  ["offline", "Offline"],
] as const;

const COLUMNS: Column<Agent>[] = [
  {
    header: "Agent",
    cell: (agent) => (
      <>
        <span className="block break-words">{agent.name}</span>
        <span className="mt-0.5 block font-mono text-xs font-normal text-ink-faint">{agent.id}</span>
      </>
    ),
  },
  { header: "Status", width: "8rem", cell: (agent) => <AgentStatus status={agent.status} /> },
  { header: "Slots in use", width: "8rem", cell: (agent) => <Slots agent={agent} /> },
  { header: "Success", from: "md", width: "7rem", align: "right", cell: (agent) => <span className={typeof agent.successRate === "number" ? "" : "text-ink-faint"}>{rate(agent.successRate)}</span> },
  { header: "Can", from: "lg", cell: (agent) => <Capabilities of={agent.capabilities} /> },
];

function Capabilities({ of }: { of: string[] }) {
  return (
    <span className="flex flex-wrap gap-1">
      {of.map((each) => (
        <span key={each} className="rounded bg-sunken px-1.5 py-0.5 text-xs text-ink-soft">
          {each}
        </span>
      ))}
    </span>
  );
}

export default function AgentsScreen() {
  const [filters, setFilter] = useFilters("search", "status");
  const list = useAgentList();
  const wanted = filters.search.trim().toLowerCase();
  const all = (list.data ?? []).filter((agent) => !agent.archived);
  const shown = all.filter(
    (agent) =>
      (filters.status === "" || agent.status === filters.status) &&
      [agent.name, agent.id, ...agent.capabilities].some((text) => text.toLowerCase().includes(wanted)),
  );
  const there = all.filter((agent) => agent.status !== "offline").length;
  return (
    <Page
      title="Agents"
      count={all.length > 0 && `${there} of ${all.length} connected`}
      filters={
        <>
          <SearchBox label="Search by name, id or capability" value={filters.search} onChange={(value) => setFilter("search", value)} />
          <Segments label="Status" choices={STATUSES} value={filters.status} onChange={(value) => setFilter("status", value)} />
        </>
      }
    >
      {list.error && (
        <div className="p-4 sm:px-6">
          <ProblemNote error={toBatonError(list.error)} onRetry={() => void list.refetch()} />
        </div>
      )}
      {list.isPending && <Loading label="Loading the agents" rows={6} />}
      {list.data && shown.length === 0 && (
        <Empty icon={<Bot className="size-5" />} title={all.length === 0 ? "No agent yet" : "None matches"}>
          {all.length === 0 ? "An agent appears here when it is registered, joins a team, or announces itself with agent:ready." : "Look for another word, or take a filter away."}
        </Empty>
      )}
      {shown.length > 0 && <Table label="Agents" columns={COLUMNS} rows={shown} keyOf={(agent) => agent.id} linkOf={(agent) => `/agents/${encodeURIComponent(agent.id)}`} />}
    </Page>
  );
}
