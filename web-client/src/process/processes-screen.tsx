import { Hand, Plus, Workflow } from "lucide-react";
import { Link } from "react-router";
import { useList } from "../live/use-list";
import type { Process } from "../model";
import { useSession } from "../session/session";
import { useTeams } from "../teams/use-teams";
import { Badge, lookOfProcess, PriorityTag } from "../ui/badge";
import { Button } from "../ui/button";
import { SearchBox, Segments } from "../ui/field";
import { ListBody } from "../ui/list-body";
import { Empty } from "../ui/notes";
import { Page } from "../ui/page";
import { type Column, Table } from "../ui/table";
import { Ago, took, useNow } from "../ui/time";
import { useFilters, useSettled } from "../ui/use-filters";
import { patchProcess } from "./patch";

const STATUSES = [
  ["", "All"],
  ["running", "Running"],
  ["paused", "Paused"],
  ["failed", "Failed"],
  ["completed", "Completed"],
  ["cancelled", "Cancelled"],
] as const;

export default function ProcessesScreen() {
  const { may } = useSession();
  const [filters, setFilter] = useFilters("search", "status", "team");
  const search = useSettled(filters.search);
  const teams = useTeams();
  const status = filters.status || undefined;
  const list = useList<Process>({
    path: "/processes",
    query: { search, status, teamId: filters.team || undefined },
    pageSize: 25,
    patch: (row, event) => {
      const after = patchProcess(row, event);
      return status === undefined || after.status === status ? after : null;
    },
    brings: (event) => event.type === "process.created" || (status !== undefined && event.type.startsWith("process.")),
  });
  const none = !search && !status && !filters.team;
  return (
    <Page
      title="Processes"
      actions={
        may("processes:create") && (
          <Button tone="accent" asChild>
            <Link to="/start">
              <Plus className="size-4" aria-hidden="true" /> Start a process
            </Link>
          </Button>
        )
      }
      filters={
        <>
          <SearchBox label="Search by name" value={filters.search} onChange={(value) => setFilter("search", value)} />
          <Segments label="Status" choices={STATUSES} value={filters.status} onChange={(value) => setFilter("status", value)} />
          {teams.length > 1 && (
            <select aria-label="Team" value={filters.team} onChange={(event) => setFilter("team", event.target.value)} className="field h-9 py-0">
              <option value="">Every team</option>
              {teams.map((team) => (
                <option key={team.id} value={team.id}>
                  {team.name}
                </option>
              ))}
            </select>
          )}
        </>
      }
    >
      <ListBody
        list={list}
        label="Loading the processes"
        empty={
          <Empty icon={<Workflow className="size-5" />} title={none ? "No process yet" : "None matches"}>
            {none ? "Start one here or over the API, or run the demo: it appears by itself." : "Look for another word, or take a filter away."}
          </Empty>
        }
      >
        <Table
          label="Processes"
          columns={columns(new Map(teams.map((team) => [team.id, team.name])))}
          rows={list.rows}
          keyOf={(process) => process.id}
          linkOf={(process) => `/processes/${process.id}`}
          onMore={list.more}
          loadingMore={list.loadingMore}
        />
      </ListBody>
    </Page>
  );
}

function columns(teams: ReadonlyMap<string, string>): Column<Process>[] {
  return [
    {
      header: "Name",
      cell: (process) => (
        <>
          <span className="block break-words">{process.name}</span>
          {process.waitingOn.length > 0 && (
            <span className="mt-0.5 flex items-center gap-1 text-xs font-normal text-wait">
              <Hand className="size-3.5" aria-hidden="true" />
              {process.waitingOn.length === 1 ? "waits for a person" : `${process.waitingOn.length} wait for a person`}
            </span>
          )}
        </>
      ),
    },
    { header: "Status", cell: (process) => <Badge look={lookOfProcess(process.status)} />, width: "9rem" },
    { header: "Steps", from: "md", width: "9rem", cell: (process) => <StepsBar process={process} /> },
    { header: "Team", from: "lg", cell: (process) => <span className="text-ink-soft">{teams.get(process.teamId) ?? ""}</span> },
    { header: "Priority", from: "lg", width: "6rem", cell: (process) => (process.priority ? <PriorityTag priority={process.priority} /> : null) },
    { header: "Started", from: "sm", width: "8rem", align: "right", cell: (process) => <span className="text-ink-soft"><Ago at={process.initiatedAt} /></span> },
    { header: "Took", from: "md", width: "7rem", align: "right", cell: (process) => <Took process={process} /> },
  ];
}

function StepsBar({ process }: { process: Process }) {
  const ended = process.currentStep ?? process.steps.filter((step) => /completed|failed|skipped|cancelled/.test(step.status)).length;
  return (
    <span className="flex items-center gap-2 text-ink-soft">
      <progress max={process.totalSteps} value={ended} aria-label={`${ended} of ${process.totalSteps} steps have ended`} className="progress h-1.5 w-14" />
      <span className="text-xs tabular-nums">
        {ended}/{process.totalSteps}
      </span>
    </span>
  );
}

function Took({ process }: { process: Process }) {
  const now = useNow();
  if (!process.startedAt) return null;
  const until = process.completedAt ? Date.parse(process.completedAt) : now;
  return <span className="text-ink-soft">{took(until - Date.parse(process.startedAt))}</span>;
}
