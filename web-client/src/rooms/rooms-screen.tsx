import type { CollaborationRoom } from "@baton/client";
import { Building2, type LucideIcon, MessagesSquare, Users, Workflow } from "lucide-react";
import { useList } from "../live/use-list";
import { SearchBox, Segments } from "../ui/field";
import { ListBody } from "../ui/list-body";
import { Empty } from "../ui/notes";
import { Page } from "../ui/page";
import { type Column, Table } from "../ui/table";
import { Ago } from "../ui/time";
import { useFilters, useSettled } from "../ui/use-filters";

const TYPES = [
  ["", "All"],
  ["process", "Process"],
  ["team", "Team"],
  ["workspace", "Workspace"],
] as const;

export const ROOM_ICON: Record<CollaborationRoom["type"], LucideIcon> = { process: Workflow, team: Users, workspace: Building2 };

const COLUMNS: Column<CollaborationRoom>[] = [
  {
    header: "Name",
    cell: ({ name, type, archived }) => {
      const Icon = ROOM_ICON[type];
      return (
        <span className="flex items-center gap-2.5">
          <Icon className="size-4 shrink-0 text-ink-faint" aria-hidden="true" />
          <span className="min-w-0 break-words">{name}</span>
          {archived && <span className="rounded bg-sunken px-1.5 py-0.5 text-xs font-normal text-ink-soft">archived</span>}
        </span>
      );
    },
  },
  { header: "Type", from: "md", width: "7rem", cell: ({ type }) => <span className="text-ink-soft capitalize">{type}</span> },
  { header: "People and agents", from: "md", width: "9rem", align: "right", cell: ({ participants }) => participants?.length ?? 0 },
  { header: "Events", from: "sm", width: "6rem", align: "right", cell: ({ head }) => head.toLocaleString("en") },
  { header: "Last activity", width: "8rem", align: "right", cell: ({ lastActivity, createdAt }) => <span className="text-ink-soft"><Ago at={lastActivity ?? createdAt ?? ""} /></span> },
];

export default function RoomsScreen() {
  const [filters, setFilter] = useFilters("search", "type");
  const search = useSettled(filters.search);
  const list = useList<CollaborationRoom>({ path: "/collaboration/rooms", query: { search, type: filters.type || undefined }, everyMs: 10_000 });
  return (
    <Page
      title="Rooms"
      filters={
        <>
          <SearchBox label="Search by name" value={filters.search} onChange={(value) => setFilter("search", value)} />
          <Segments label="Type" choices={TYPES} value={filters.type} onChange={(value) => setFilter("type", value)} />
        </>
      }
    >
      <ListBody
        list={list}
        label="Loading the rooms"
        empty={
          <Empty icon={<MessagesSquare className="size-5" />} title="None matches">
            Look for another word, or take a filter away.
          </Empty>
        }
      >
        <Table
          label="Rooms"
          columns={COLUMNS}
          rows={list.rows}
          keyOf={({ id }) => id}
          linkOf={({ id, type, processId }) => (type === "process" && processId ? `/processes/${processId}?side=room` : `/rooms/${id}`)}
          onMore={list.more}
          loadingMore={list.loadingMore}
        />
      </ListBody>
    </Page>
  );
}
