import type {
  AgentHandoff,
  Attempt,
  HumanIntervention,
  InterventionComment,
  OrchestrationProcess,
  ProcessStep,
  RoomEvent,
  Vote,
} from "@baton/client";
import { RELOAD } from "./live-store";

/** Interventions by id, the open ones and those that were decided while somebody was looking. */
export type Interventions = Readonly<Record<string, HumanIntervention>>;

interface Change {
  id: string;
  [field: string]: unknown;
}

/** Events tell a change as the id and the fields that changed, beside which stand some that are no fields. */
function fieldsOf(data: unknown, ...notFields: string[]): Change {
  const fields = { ...(data as Change) };
  for (const name of notFields) delete fields[name];
  return fields;
}

export function applyToInterventions(all: Interventions, event: RoomEvent): Interventions | typeof RELOAD {
  if (!event.type.startsWith("intervention.")) return all;
  if (event.type === "intervention.requested") {
    const intervention = fieldsOf(event.data, "step") as unknown as HumanIntervention;
    return { ...all, [intervention.id]: intervention };
  }
  const change = fieldsOf(event.data, "step", "reason", "vote", "comment");
  const known = all[change.id];
  // A late reply changes nothing: the decision stands.
  if (event.type === "intervention.late_reply") return all;
  // One that was decided before this snapshot began is of no interest; an open one that is unknown must be fetched.
  if (!known) return change.status === "pending" ? RELOAD : all;
  const next = { ...known, ...change } as HumanIntervention;
  if (event.type === "intervention.released") next.claimedBy = null;
  if (event.type === "intervention.completed") next.completedAt = event.at;
  const { vote, comment } = event.data as { vote?: Vote; comment?: InterventionComment };
  if (vote && !known.votes?.some((cast) => cast.by === vote.by && cast.round === vote.round)) {
    next.votes = [...(known.votes ?? []), vote];
  }
  if (comment && !known.comments?.some((said) => said.by === comment.by && said.at === comment.at)) {
    next.comments = [...(known.comments ?? []), comment];
  }
  return { ...all, [change.id]: next };
}

/** Processes by id. */
export type Processes = Readonly<Record<string, OrchestrationProcess>>;

export function applyToProcesses(all: Processes, event: RoomEvent): Processes | typeof RELOAD {
  if (event.type.startsWith("process.")) {
    if (event.type === "process.created") {
      const process = event.data as unknown as OrchestrationProcess;
      return { ...all, [process.id]: process };
    }
    const id = (event.data as unknown as Change).id;
    const known = all[id];
    if (!known) return RELOAD;
    return { ...all, [id]: changedProcess(known, event) };
  }
  if (event.type.startsWith("intervention.") && event.processId !== undefined) {
    const known = all[event.processId];
    return known ? { ...all, [known.id]: withWaiting(known, event) } : all;
  }
  return all;
}

/** All that the page of one process shows, apart from its room's log. */
export interface ProcessView {
  process: OrchestrationProcess;
  interventions: Interventions;
  handoffs: Readonly<Record<string, AgentHandoff>>;
}

export function applyToProcessView(view: ProcessView, event: RoomEvent): ProcessView | typeof RELOAD {
  const [subject] = event.type.split(".");
  let process = withStepPatch(view.process, event);
  if (subject === "process") {
    // A retry puts several steps back at once; the event only names them.
    if (event.type === "process.retried") return RELOAD;
    if (event.type !== "process.created") process = changedProcess(process, event);
  } else if (subject === "step") {
    const change = fieldsOf(event.data, "agentId", "attemptId", "conditions", "skipReason", "failureHandled", "resultHash", "retryAt");
    if (!process.steps.some((step) => step.id === change.id)) return RELOAD;
    // A new attempt begins anew: what the last one said of its progress is over.
    process = withStep(process, event.type === "step.started" ? { percent: null, note: null, ...change } : change);
  } else if (subject === "handoff") {
    const change = fieldsOf(event.data, "step", "attempt", "reason");
    const known = view.handoffs[change.id];
    if (event.type === "handoff.requested") {
      const handoff = fieldsOf(event.data, "step") as unknown as AgentHandoff;
      return { ...view, process, handoffs: { ...view.handoffs, [handoff.id]: handoff } };
    }
    if (!known) return RELOAD;
    return { ...view, process, handoffs: { ...view.handoffs, [change.id]: { ...known, ...change } as AgentHandoff } };
  } else if (subject === "intervention") {
    const interventions = applyToInterventions(view.interventions, event);
    if (interventions === RELOAD) return RELOAD;
    return { ...view, process: withWaiting(process, event), interventions };
  }
  return process === view.process ? view : { ...view, process };
}

function changedProcess(process: OrchestrationProcess, event: RoomEvent): OrchestrationProcess {
  const { status, name } = event.data as unknown as OrchestrationProcess;
  const next: OrchestrationProcess = { ...process, status, name: name ?? process.name };
  if (event.type === "process.started") next.startedAt = event.at;
  if (status === "completed" || status === "failed" || status === "cancelled") next.completedAt = event.at;
  else next.completedAt = null;
  return next;
}

function withWaiting(process: OrchestrationProcess, event: RoomEvent): OrchestrationProcess {
  const { id, status } = event.data as unknown as HumanIntervention;
  const others = process.waitingOn.filter((waiting) => waiting !== id);
  return { ...process, waitingOn: status === "pending" ? [...others, id] : others };
}

/** Whatever an event is about, `data.step` says where it left the step. */
function withStepPatch(process: OrchestrationProcess, event: RoomEvent): OrchestrationProcess {
  const patch = (event.data as { step?: Change } | null)?.step;
  return patch ? withStep(process, { ...patch, phase: patch.phase ?? null }) : process;
}

function withStep(process: OrchestrationProcess, change: Change): OrchestrationProcess {
  const steps = process.steps.map((step) => (step.id === change.id ? ({ ...step, ...change } as ProcessStep) : step));
  return { ...process, steps };
}

export interface Holder {
  agentId: string;
  attemptId: string;
  status: "offered" | "leased" | "done";
}

/** Who holds each step, or has completed it, by step id, as the room's log tells. */
export function holdersOf(events: readonly RoomEvent[]): ReadonlyMap<string, Holder> {
  const holders = new Map<string, Holder>();
  for (const event of events) {
    const data = event.data as unknown as Attempt & { attempt?: Attempt };
    if (event.type.startsWith("assignment.")) settleHolder(holders, data);
    else if (event.type === "handoff.accepted" && data.attempt) settleHolder(holders, data.attempt);
    else if (event.type === "step.completed") done(holders, data.id);
    else if (/^step\.(failed|skipped|cancelled|retry_scheduled)$/.test(event.type)) holders.delete(data.id);
  }
  return holders;
}

function done(holders: Map<string, Holder>, stepId: string): void {
  const holder = holders.get(stepId);
  if (holder) holders.set(stepId, { ...holder, status: "done" });
}

function settleHolder(holders: Map<string, Holder>, attempt: Attempt): void {
  const { id, stepId, agentId, status } = attempt;
  if (status === "offered" || status === "leased") holders.set(stepId, { agentId, attemptId: id, status });
  // The end of an earlier attempt says nothing of the one that holds the step now.
  else if (holders.get(stepId)?.attemptId === id) holders.delete(stepId);
}
