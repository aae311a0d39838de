import type { ReactNode } from "react";
import type { LiveList } from "../live/use-list";
import { Loading, ProblemNote } from "./notes";

/** What stands in a list's place while it is on its way, failed or empty; else the list. */
export function ListBody<Row>({ list, label, empty, children }: { list: LiveList<Row>; label: string; empty: ReactNode; children: ReactNode }) {
  return (
    <>
      {list.error && (
        <div className="p-4 sm:px-6">
          <ProblemNote error={list.error} onRetry={list.reload} />
        </div>
      )}
      {list.status === "loading" && <Loading label={label} rows={6} />}
      {list.status === "ready" && (list.rows.length === 0 ? empty : <div className={list.stale ? "opacity-60" : ""}>{children}</div>)}
    </>
  );
}
