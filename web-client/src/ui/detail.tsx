import { type BatonError, toBatonError } from "@baton/client";
import { ArrowLeft } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { Loading, ProblemNote } from "./notes";

/** The screen of one thing: the way back to the list, its name and state, what can be done, and its parts. */
export function Detail({ back, backTo, title, state, lead, actions, children }: { back: string; backTo: string; title: string; state?: ReactNode; lead?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <main className="h-full overflow-y-auto" tabIndex={-1}>
      <header className="border-b border-line bg-surface px-4 pt-3 pb-4 sm:px-6">
        <BackLink to={backTo}>{back}</BackLink>
        <div className="mt-2 flex flex-wrap items-start gap-x-4 gap-y-3">
          <div className="min-w-0 flex-1">
            <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
              <h1 className="text-xl font-semibold tracking-tight break-words">{title}</h1>
              {state}
            </div>
            {lead && <div className="mt-1 text-sm text-ink-soft">{lead}</div>}
          </div>
          {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
        </div>
      </header>
      <div className="flex flex-col gap-6 px-4 py-5 sm:px-6">{children}</div>
    </main>
  );
}

export function BackLink({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Link to={to} className="inline-flex items-center gap-1 text-sm text-ink-soft hover:text-ink">
      <ArrowLeft className="size-4" aria-hidden="true" /> {children}
    </Link>
  );
}

/** What stands in its place until it is there. */
export function DetailPending({ label, error, onRetry }: { label: string; error: unknown; onRetry(): void }) {
  const problem: BatonError | undefined = error ? toBatonError(error) : undefined;
  return (
    <main className="p-4 sm:px-6">
      <h1 className="sr-only">{label}</h1>
      {problem ? <ProblemNote error={problem} onRetry={onRetry} /> : <Loading label={label} />}
    </main>
  );
}

/** Figures side by side, each under its name. */
export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="card grid grid-cols-2 gap-x-6 gap-y-4 p-4 sm:grid-cols-3 lg:grid-cols-6">
      {facts.map(([name, value]) => (
        <div key={name} className="min-w-0">
          <dt className="text-xs text-ink-faint">{name}</dt>
          <dd className="mt-0.5 text-sm font-medium break-words tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
