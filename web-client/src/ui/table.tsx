import type { ReactNode } from "react";
import { Link } from "react-router";
import { Button } from "./button";

export interface Column<Row> {
  header: string;
  /** The narrowest screen that shows it; what matters most is shown everywhere. */
  from?: "sm" | "md" | "lg";
  align?: "right";
  width?: string;
  cell(row: Row): ReactNode;
}

const FROM = { sm: "hidden sm:table-cell", md: "hidden md:table-cell", lg: "hidden lg:table-cell" } as const;

interface TableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  keyOf(row: Row): string;
  /** Where a row leads; the whole row is the target, the first cell holds the link. */
  linkOf?(row: Row): string;
  onMore?: (() => void) | undefined;
  loadingMore?: boolean;
}

export function Table<Row>({ label, columns, rows, keyOf, linkOf, onMore, loadingMore }: TableProps<Row>) {
  return (
    <>
      <table className="w-full border-collapse text-sm">
        <caption className="sr-only">{label}</caption>
        <thead>
          <tr className="text-left text-xs text-ink-faint">
            {columns.map(({ header, from, align, width }) => (
              <th
                key={header}
                scope="col"
                style={width ? { width } : undefined}
                className={`sticky top-0 z-1 border-b border-line bg-canvas px-2 py-2 font-medium first:pl-4 last:pr-4 sm:first:pl-6 sm:last:pr-6 ${align === "right" ? "text-right" : ""} ${from ? FROM[from] : ""}`}
              >
                {header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} data-row={keyOf(row)} className={`relative border-b border-line bg-surface ${linkOf ? "hover:bg-sunken" : ""}`}>
              {columns.map(({ header, from, align, cell }, index) => (
                <td key={header} className={`px-2 py-2.5 align-middle first:pl-4 last:pr-4 sm:first:pl-6 sm:last:pr-6 ${align === "right" ? "text-right tabular-nums" : ""} ${from ? FROM[from] : ""}`}>
                  {index === 0 && linkOf ? (
                    <Link to={linkOf(row)} className="font-medium after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent">
                      {cell(row)}
                    </Link>
                  ) : (
                    cell(row)
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {onMore && (
        <div className="grid place-items-center p-4">
          <Button onClick={onMore} disabled={loadingMore}>
            {loadingMore ? "Loading…" : "Show more"}
          </Button>
        </div>
      )}
    </>
  );
}
