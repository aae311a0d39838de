import type { CollaborationRoom, Me, RoomToRead } from "@baton/client";
import { Building2, type LucideIcon, MessagesSquare, Users, Workflow } from "lucide-react";
import { useMemo } from "react";
import { useList } from "../live/use-list";
import { countOf, unreadIn } from "../room/unread";
import { useSession } from "../session/session";
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

/** The icon says it already. */
const PREFIX = /^(Process|Team): /;

const columnsFor = (me: Me | null): Column<RoomToRead>[] => [
  {
    header: "Name",
    cell: ({ name, type, archived }) => {
      const Icon = ROOM_ICON[type];
      return (
        <span className="flex items-center gap-2.5">
          <Icon className="size-4 shrink-0 text-ink-faint" aria-hidden="true" />
          <span className="min-w-0 break-words">{name.replace(PREFIX, "")}</span>
          {archived && <span className="rounded bg-sunken px-1.5 py-0.5 text-xs font-normal text-ink-soft">archived</span>}
        </span>
      );
    },
  },
  { header: "New", width: "4.5rem", align: "right", cell: (room) => <Unread count={unreadIn(room, me)} /> },
  { header: "Type", from: "md", width: "7rem", cell: ({ type }) => <span className="text-ink-soft capitalize">{type}</span> },
  { header: "People and agents", from: "md", width: "9rem", align: "right", cell: ({ participants }) => participants?.length ?? 0 },
  { header: "Events", from: "sm", width: "6rem", align: "right", cell: ({ head }) => head.toLocaleString("en") },
  { header: "Last activity", from: "sm", width: "8rem", align: "right", cell: ({ lastActivity, createdAt }) => <span className="text-ink-soft"><Ago at={lastActivity ?? createdAt ?? ""} /></span> },
];

function Unread({ count }: { count: number }) {
  if (count === 0) return null;
  return (
    <span className="rounded-full bg-accent-soft px-2 py-0.5 text-xs font-semibold text-accent-text" data-unread={count}>
      {countOf(count)}
      <span className="sr-only"> not read</span>
    </span>
  );
}

export default function RoomsScreen() {
  const { me } = useSession();
  const columns = useMemo(() => columnsFor(me), [me]);
  const [filters, setFilter] = useFilters("search", "type");
  const search = useSettled(filters.search);
  const list = useList<RoomToRead>({ path: "/collaboration/rooms", query: { search, type: filters.type || undefined }, everyMs: 10_000 });
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
          columns={columns}
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
