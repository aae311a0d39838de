import { Plus, Users } from "lucide-react";
import { useNavigate } from "react-router";
import { useList } from "../live/use-list";
import type { AgentTeam } from "../model";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { SearchBox, Segments } from "../ui/field";
import { ListBody } from "../ui/list-body";
import { Empty } from "../ui/notes";
import { Page } from "../ui/page";
import { type Column, Table } from "../ui/table";
import { Ago } from "../ui/time";
import { useFilters, useSettled } from "../ui/use-filters";
import { NewTeam } from "./new-team";
import { TeamStatus } from "./team-status";

const STATUSES = [
  ["", "All"],
  ["active", "Active"],
  ["inactive", "Inactive"],
  ["archived", "Archived"],
] as const;

const COLUMNS: Column<AgentTeam>[] = [
  {
    header: "Name",
    cell: (team) => (
      <>
        <span className="block break-words">{team.name}</span>
        {team.description && <span className="mt-0.5 line-clamp-1 text-xs font-normal text-ink-soft">{team.description}</span>}
      </>
    ),
  },
  { header: "Status", width: "8rem", cell: (team) => <TeamStatus status={team.status} /> },
  { header: "Led by", from: "md", width: "12rem", cell: (team) => <span className="text-ink-soft">{team.agents.find((member) => member.role === "leader")?.agentId ?? "nobody"}</span> },
  { header: "Agents", from: "sm", width: "5rem", align: "right", cell: (team) => team.agents.filter((member) => member.isActive).length },
  { header: "Made", from: "lg", width: "8rem", align: "right", cell: (team) => <span className="text-ink-soft"><Ago at={team.createdAt} /></span> },
];

export default function TeamsScreen() {
  const [filters, setFilter] = useFilters("search", "status");
  const search = useSettled(filters.search);
  const { may } = useSession();
  const navigate = useNavigate();
  const list = useList<AgentTeam>({ path: "/teams", query: { search, status: filters.status || undefined }, everyMs: 10_000 });
  return (
    <Page
      title="Teams"
      actions={
        may("teams:create") && (
          <NewTeam
            onMade={({ id }) => void navigate(`/teams/${id}`)}
            trigger={
              <Button tone="accent">
                <Plus className="size-4" aria-hidden="true" /> Make a team
              </Button>
            }
          />
        )
      }
      filters={
        <>
          <SearchBox label="Search by name" value={filters.search} onChange={(value) => setFilter("search", value)} />
          <Segments label="Status" choices={STATUSES} value={filters.status} onChange={(value) => setFilter("status", value)} />
        </>
      }
    >
      <ListBody
        list={list}
        label="Loading the teams"
        empty={
          <Empty icon={<Users className="size-5" />} title={search || filters.status ? "None matches" : "No team yet"}>
            {search || filters.status ? "Look for another word, or take a filter away." : "Agents take the work of the processes of their team. A team is made here, or over the API."}
          </Empty>
        }
      >
        <Table label="Teams" columns={COLUMNS} rows={list.rows} keyOf={(team) => team.id} linkOf={(team) => `/teams/${team.id}`} onMore={list.more} loadingMore={list.loadingMore} />
      </ListBody>
    </Page>
  );
}
