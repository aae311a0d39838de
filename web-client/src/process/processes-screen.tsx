import type { OrchestrationProcess } from "@baton/client";
import { Hand, Workflow } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { applyToProcesses, type Processes } from "../live/fold";
import { LiveStore } from "../live/live-store";
import { useExternal, useOwned } from "../live/use-live";
import { useSession } from "../session/session";
import { Badge, lookOfProcess, PriorityTag } from "../ui/badge";
import { Empty, Loading, ProblemNote } from "../ui/notes";
import { Ago } from "../ui/time";

export function ProcessesScreen() {
  const { connection, rest, workspaceRoom } = useSession();
  const store = useOwned("processes", () => {
    return new LiveStore<Processes>(connection, {
      room: workspaceRoom,
      load: async () => Object.fromEntries((await rest.processes()).map((each) => [each.id, each])),
      apply: applyToProcesses,
    });
  });
  const state = useExternal(store, undefined);
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLowerCase();
  const all = Object.values(state?.data ?? {}).sort((a, b) => Date.parse(b.initiatedAt) - Date.parse(a.initiatedAt));
  const shown = all.filter((each) => each.name.toLowerCase().includes(wanted) || each.status === wanted);
  return (
    <main className="mx-auto h-full w-full max-w-4xl overflow-y-auto px-4 py-5 sm:px-6">
      <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
        <h1 className="text-xl font-semibold tracking-tight">Processes</h1>
        <input
          type="search"
          aria-label="Search by name or status"
          placeholder="Search by name or status"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          className="h-9 w-full rounded-lg border border-line-strong bg-surface px-3 text-sm placeholder:text-ink-faint sm:w-64"
        />
      </div>
      {state?.error && <ProblemNote error={state.error} {...(store ? { onRetry: store.reload } : {})} />}
      {(!state || state.status === "loading") && <Loading label="Loading the processes" />}
      {state?.status === "ready" && shown.length === 0 && (
        <Empty icon={<Workflow className="size-5" />} title={all.length === 0 ? "No process yet" : "None matches"}>
          {all.length === 0 ? "Start one over the API, or run the demo: it appears here by itself." : "Look for another word."}
        </Empty>
      )}
      <ul className="flex flex-col gap-2">
        {shown.map((process) => (
          <ProcessRow key={process.id} process={process} />
        ))}
      </ul>
    </main>
  );
}

function ProcessRow({ process }: { process: OrchestrationProcess }) {
  const waiting = process.waitingOn.length;
  return (
    <li className="arriving">
      <Link
        to={`/processes/${process.id}`}
        className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 rounded-xl border border-line bg-surface px-4 py-3 transition-colors hover:border-line-strong"
      >
        <div className="min-w-0">
          <p className="font-medium break-words">{process.name}</p>
          <p className="text-sm text-ink-soft">
            {process.totalSteps} {process.totalSteps === 1 ? "step" : "steps"}, started <Ago at={process.initiatedAt} />
          </p>
        </div>
        <div className="flex items-center gap-2">
          {waiting > 0 && (
            <span className="inline-flex h-6 items-center gap-1.5 rounded-full bg-wait-soft px-2 text-xs font-medium text-wait">
              <Hand className="size-3.5" aria-hidden="true" />
              {waiting === 1 ? "waits for a person" : `${waiting} wait for a person`}
            </span>
          )}
          {process.priority && <PriorityTag priority={process.priority} />}
          <Badge look={lookOfProcess(process.status)} />
        </div>
      </Link>
    </li>
  );
}
