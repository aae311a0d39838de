import type { ReactNode } from "react";

/** A screen: a heading that stays, what can be done at its right, and what scrolls under it. */
export function Page({ title, count, actions, filters, children }: { title: string; count?: ReactNode; actions?: ReactNode; filters?: ReactNode; children: ReactNode }) {
  return (
    <main className="flex h-full flex-col">
      <header className="shrink-0 border-b border-line bg-surface">
        <div className="flex min-h-14 flex-wrap items-center gap-x-3 gap-y-2 px-4 py-2 sm:px-6">
          <h1 className="text-lg font-semibold tracking-tight">{title}</h1>
          {count !== undefined && <span className="text-sm text-ink-faint tabular-nums">{count}</span>}
          {actions && <div className="ml-auto flex items-center gap-2">{actions}</div>}
        </div>
        {filters && <div className="flex flex-wrap items-center gap-2 px-4 pb-3 sm:px-6">{filters}</div>}
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto" tabIndex={-1}>
        {children}
      </div>
    </main>
  );
}

/** A part of a screen under its own heading. */
export function Section({ title, aside, children, className = "" }: { title: string; aside?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={`min-w-0 ${className}`}>
      <div className="mb-2 flex items-baseline justify-between gap-3">
        <h2 className="text-sm font-semibold text-ink-soft">{title}</h2>
        {aside && <div className="text-xs text-ink-faint">{aside}</div>}
      </div>
      {children}
    </section>
  );
}
