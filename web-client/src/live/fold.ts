import type { AgentHandoff, Attempt, HumanIntervention, RoomEvent } from "@baton/client";
import type { Intervention, Process, Step } from "../model";
import type { Change, Fields } from "./change";
import { RELOAD } from "./live-store";
import { applyEvent } from "./replay";
import { changedIntervention } from "./replay-intervention";

/** Interventions by id, the open ones and those that were decided while somebody was looking. */
export type Interventions = Readonly<Record<string, HumanIntervention>>;

export function applyToInterventions(all: Interventions, event: RoomEvent): Interventions | typeof RELOAD {
  if (!event.type.startsWith("intervention.")) return all;
  if (event.type === "intervention.requested") {
    const { step: _step, ...intervention } = event.data as unknown as HumanIntervention;
    return { ...all, [intervention.id]: intervention };
  }
  const change = event.data as unknown as Change;
  const known = all[change.id];
  if (known) return { ...all, [change.id]: changedIntervention(known, event.type, change, event.at) };
  // One that was decided before this snapshot began is of no interest; an open one that is unknown must be fetched.
  return (change.status as string) === "pending" ? RELOAD : all;
}

/** Processes by id. */
export type Processes = Readonly<Record<string, Process>>;

export function applyToProcesses(all: Processes, event: RoomEvent): Processes | typeof RELOAD {
  if (event.type.startsWith("process.")) {
    if (event.type === "process.created") {
      const process = event.data as unknown as Process;
      return { ...all, [process.id]: process };
    }
    const id = (event.data as unknown as Change).id;
    const known = all[id];
    if (!known) return RELOAD;
    return { ...all, [id]: changedProcess(known, event) };
  }
  if (event.type.startsWith("intervention.") && event.processId) {
    const known = all[event.processId];
    return known ? { ...all, [known.id]: withWaiting(known, event) } : all;
  }
  return all;
}

/** All that the page of one process shows, apart from its room's log. */
export interface ProcessView {
  process: Process;
  interventions: Readonly<Record<string, Intervention>>;
  handoffs: Readonly<Record<string, AgentHandoff>>;
}

/**
 * What cannot be told twice without counting twice, or resets what a snapshot has already: the page fetches anew. All are rare.
 */
const COUNTS = new Set(["process.retried", "assignment.expired"]);

/** The server's rules (`replay.ts`) on a snapshot. The snapshot has no attempts, so figures that count them stay as they were. */
export function applyToProcessView(view: ProcessView, event: RoomEvent): ProcessView | typeof RELOAD {
  const [subject] = event.type.split(".");
  const { id, status } = event.data as unknown as Change;
  if (COUNTS.has(event.type) || (subject === "assignment" && (status as string) === "failed")) return RELOAD;
  if (subject === "step" && !view.process.steps.some((step) => step.id === id)) return RELOAD;
  if (subject === "handoff" && event.type !== "handoff.requested" && !view.handoffs[id]) return RELOAD;
  if (event.type === "process.created" || subject === "message" || subject === "room" || subject === "communication") return view;
  if (subject === "intervention") {
    const interventions = applyToInterventions(view.interventions, event);
    if (interventions === RELOAD) return RELOAD;
    return { ...view, process: withWaiting(withStepPatch(view.process, event), event), interventions: interventions as ProcessView["interventions"] };
  }
  const after = applyEvent({ seq: event.seq - 1, attempts: {}, ...view }, event);
  if (!after) return RELOAD;
  let { process } = after;
  // The snapshot does not say how an earlier attempt ended, so its end is only known by the attempt that holds the step.
  const held = (event.data as { attemptId?: string }).attemptId;
  if (subject === "assignment" && event.type !== "assignment.offered" && event.type !== "assignment.accepted") process = stillHeld(view.process, process, event);
  if (held !== undefined && event.type === "step.started") process = withStep(process, { id, heldBy: (event.data as { agentId?: string }).agentId });
  const { metrics } = view.process;
  return { process: metrics ? { ...process, metrics } : process, handoffs: after.handoffs, interventions: after.interventions };
}

/** The end of an attempt that no longer holds the step says nothing of the one that does. */
function stillHeld(before: Process, after: Process, event: RoomEvent): Process {
  const { id, stepId } = event.data as unknown as Attempt;
  const step = before.steps.find((each) => each.id === stepId);
  if (!step?.currentAttempt || step.currentAttempt === id) return after;
  return withStep(after, { id: stepId, currentAttempt: step.currentAttempt, heldBy: step.heldBy });
}

function changedProcess(process: Process, event: RoomEvent): Process {
  const { status, name } = event.data as unknown as Process;
  const next: Process = { ...process, status, name: name ?? process.name };
  if (event.type === "process.started") next.startedAt = event.at;
  if (status === "completed" || status === "failed" || status === "cancelled") next.completedAt = event.at;
  else next.completedAt = null;
  return next;
}

function withWaiting<P extends Process>(process: P, event: RoomEvent): Process {
  const { id, status } = event.data as unknown as HumanIntervention;
  const others = process.waitingOn.filter((waiting) => waiting !== id);
  return { ...process, waitingOn: status === "pending" ? [...others, id] : others };
}

/** Whatever an event is about, `data.step` says where it left the step. */
function withStepPatch(process: Process, event: RoomEvent): Process {
  const patch = (event.data as { step?: Change["step"] } | null)?.step;
  return patch ? withStep(process, { ...patch, phase: patch.phase ?? null }) : process;
}

function withStep(process: Process, change: Fields<Step> & { id: string }): Process {
  const steps = process.steps.map((step) => (step.id === change.id ? ({ ...step, ...change } as Step) : step));
  return { ...process, steps };
}
