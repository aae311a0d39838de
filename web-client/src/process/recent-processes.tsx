import type { ReactNode } from "react";
import { useList } from "../live/use-list";
import type { Process } from "../model";
import { Badge, lookOfProcess } from "../ui/badge";
import { Section } from "../ui/page";
import { type Column, Table } from "../ui/table";
import { Ago } from "../ui/time";

const COLUMNS: Column<Process>[] = [
  { header: "Name", cell: ({ name }) => name },
  { header: "Status", width: "9rem", cell: ({ status }) => <Badge look={lookOfProcess(status)} /> },
  { header: "Started", from: "sm", width: "8rem", align: "right", cell: ({ initiatedAt }) => <span className="text-ink-soft"><Ago at={initiatedAt} /></span> },
];

/** The newest processes that a filter keeps. */
export function RecentProcesses({ query, none = "None yet." }: { query: Record<string, string>; none?: ReactNode }) {
  const list = useList<Process>({ path: "/processes", query, pageSize: 10, brings: (event) => event.type.startsWith("process.") });
  return (
    <Section title="Latest processes">
      {list.rows.length === 0 ? (
        <div className="text-sm text-ink-soft">{list.status === "ready" ? none : "Loading…"}</div>
      ) : (
        <div className="card overflow-x-auto">
          <Table label="Latest processes" columns={COLUMNS} rows={list.rows} keyOf={({ id }) => id} linkOf={({ id }) => `/processes/${id}`} />
        </div>
      )}
    </Section>
  );
}
