import type { BatonError } from "@baton/client";
import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "./button";

/** What happened, and what to do. */
export function ErrorNote({ title, detail, children }: { title: string; detail?: string; children?: ReactNode }) {
  return (
    <div role="alert" className="flex gap-2.5 rounded-lg bg-bad-soft p-3 text-sm text-bad">
      <CircleAlert className="mt-0.5 size-4 shrink-0" aria-hidden="true" />
      <div className="min-w-0">
        <p className="font-medium">{title}</p>
        {detail && <p className="mt-0.5">{detail}</p>}
        {children}
      </div>
    </div>
  );
}

export function ProblemNote({ error, onRetry }: { error: BatonError; onRetry?: () => void }) {
  const { title, detail, errors } = error.problem;
  return (
    <ErrorNote title={title} {...(detail && detail !== title && !errors?.length ? { detail } : {})}>
      {errors && errors.length > 0 && (
        <ul className="mt-1 list-disc pl-4">
          {errors.map((each) => (
            <li key={each.path + each.message}>
              {each.path && <code className="font-mono text-xs">{each.path}</code>} {each.message}
            </li>
          ))}
        </ul>
      )}
      {onRetry && (
        <Button className="mt-2" onClick={onRetry}>
          Try again
        </Button>
      )}
    </ErrorNote>
  );
}

export function Empty({ icon, title, as: Heading = "h2", children }: { icon: ReactNode; title: string; as?: "h1" | "h2"; children?: ReactNode }) {
  return (
    <div className="grid place-items-center px-6 py-16 text-center">
      <div className="mb-3 grid size-12 place-items-center rounded-full bg-sunken text-ink-faint">{icon}</div>
      <Heading className="text-base font-semibold">{title}</Heading>
      <div className="mt-1 max-w-xs text-sm text-balance text-ink-soft">{children}</div>
    </div>
  );
}

/** The shape of rows to come. */
export function Loading({ label, rows = 4 }: { label: string; rows?: number }) {
  return (
    <div role="status" className="flex flex-col gap-2 p-4">
      <span className="sr-only">{label}</span>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="breathing h-16 rounded-lg bg-sunken" />
      ))}
    </div>
  );
}
