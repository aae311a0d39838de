import type { AgentHandoff, RoomEvent } from "@baton/client";
import type { AgentUtilization, Attempt, Intervention, Process, Step } from "../model";
import { type Change, given, type StepPatch, without } from "./change";
import { changedHandoff } from "./replay-handoff";
import { changedIntervention } from "./replay-intervention";

/**
 * A process as its log leaves it: the server's own rules of `apply` (`rooms/src/state.rs`), so that a screen can show what was
 * at any seq. Folded over the whole log it equals what `GET /processes/{id}` gives, which a test holds it to; but for the clocks
 * `elapsedMs` and `runningSince`, which no screen shows.
 */
export interface ProcessState {
  readonly seq: number;
  readonly process: Process;
  readonly attempts: Readonly<Record<string, Attempt>>;
  readonly handoffs: Readonly<Record<string, AgentHandoff>>;
  readonly interventions: Readonly<Record<string, Intervention>>;
}

/** The state after a run of the log from its first event; none before the process was created. */
export function replay(events: Iterable<RoomEvent>, from?: ProcessState): ProcessState | undefined {
  let state = from;
  for (const event of events) state = applyEvent(state, event);
  return state;
}

export function applyEvent(before: ProcessState | undefined, event: RoomEvent): ProcessState | undefined {
  if (event.type === "process.created" && event.origin === undefined) {
    return { seq: event.seq, process: event.data as unknown as Process, attempts: {}, handoffs: {}, interventions: {} };
  }
  if (!before) return undefined;
  if (event.origin !== undefined) return { ...before, seq: event.seq };
  const after = new Draft(before);
  after.apply(event);
  return after.finish(event.seq);
}

/** The work on one event: what it changes is copied first, everything else is shared with the state before. */
class Draft {
  #process: Process;
  #attempts: Readonly<Record<string, Attempt>>;
  #handoffs: Readonly<Record<string, AgentHandoff>>;
  #interventions: Readonly<Record<string, Intervention>>;

  constructor(state: ProcessState) {
    this.#process = state.process;
    this.#attempts = state.attempts;
    this.#handoffs = state.handoffs;
    this.#interventions = state.interventions;
  }

  finish(seq: number): ProcessState {
    const waitingOn = Object.values(this.#interventions)
      .filter((each) => each.status === "pending")
      .map((each) => each.id)
      .sort();
    const same = waitingOn.length === this.#process.waitingOn.length && waitingOn.every((id, index) => id === this.#process.waitingOn[index]);
    const process = same ? this.#process : { ...this.#process, waitingOn };
    return { seq, process, attempts: this.#attempts, handoffs: this.#handoffs, interventions: this.#interventions };
  }

  apply({ type, data, at }: RoomEvent): void {
    const change = data as unknown as Change;
    switch (type) {
      case "process.started":
      case "process.resumed":
      case "process.paused":
        return this.#set({ status: change.status, reason: change.reason, ...(change.status === "running" ? { startedAt: this.#process.startedAt ?? at } : {}) });
      case "process.retried":
        return this.#retried(change);
      case "process.completed":
      case "process.failed":
      case "process.cancelled":
        this.#set({ status: change.status, error: change.error, reason: change.reason, completedAt: at });
        return this.#metrics((metrics) => ({ ...metrics, endTime: at, duration: msBetween(metrics.startTime, at) }));
      case "step.ready":
        // Another process will begin its work anew.
        return this.#step(change.id, (step) => ({ ...moved(change), readyAt: at, retryAt: undefined, childProcessId: undefined, ...evaluated(step, change.inputs) }));
      case "step.started":
        return this.#step(change.id, (step) => ({
          ...moved(change),
          startedAt: step.startedAt ?? at,
          retryAt: undefined,
          ...evaluated(step, change.inputs),
          ...given("childProcessId", change.childProcessId),
        }));
      case "step.progress":
        this.#step(change.id, () => ({ ...moved(change), progress: { ...given("percent", change.percent), ...given("note", change.note), at } }));
        return this.#useAnswers(change.id);
      case "step.retry_scheduled":
        this.#step(change.id, (step) => ({
          ...moved(change),
          error: change.error,
          attempts: change.attempts ?? step.attempts,
          retryAt: change.retryAt,
          currentAttempt: undefined,
          heldBy: undefined,
          childProcessId: undefined,
        }));
        this.#endAttempt(change.attemptId, "failed", change.resultHash, at);
        this.#useAnswers(change.id);
        return this.#metrics((metrics) => ({ ...metrics, retryCount: metrics.retryCount + 1, errorCount: metrics.errorCount + (counted(change) ? 0 : 1) }));
      case "step.completed":
        this.#endStep(change, at);
        this.#endAttempt(change.attemptId, "completed", change.resultHash, at);
        this.#useAnswers(change.id);
        return this.#keepOutputs(change.id);
      case "step.failed":
        this.#endStep(change, at);
        this.#endAttempt(change.attemptId, "failed", change.resultHash, at);
        this.#useAnswers(change.id);
        if (counted(change) || change.error?.code === "lease_lost") return;
        return this.#metrics((metrics) => ({ ...metrics, errorCount: metrics.errorCount + 1 }));
      case "step.skipped":
      case "step.cancelled":
        this.#endStep(change, at);
        return this.#endAttempt(change.attemptId, "failed", change.resultHash, at);
      case "assignment.offered": {
        const { step, ...attempt } = data as unknown as Attempt & { step: StepPatch };
        return this.#take(attempt, step);
      }
      case "assignment.accepted": {
        const attempt = this.#attempts[change.id];
        if (attempt) {
          this.#keepAttempt({
            ...attempt,
            status: "leased",
            acceptedAt: at,
            ...given("leaseUntil", change.leaseUntil ?? attempt.leaseUntil),
            ...given("instanceId", change.instanceId ?? attempt.instanceId),
          });
        }
        this.#patch(change.step);
        return this.#use(change.agentId, (use) => ({ ...use, taskCount: use.taskCount + 1 }));
      }
      case "assignment.rejected":
      case "assignment.expired":
      case "assignment.released":
      case "assignment.suspended":
      case "assignment.cancelled":
        return this.#attemptEnded(type, change, at);
      case "handoff.requested": {
        const { step, ...handoff } = data as unknown as AgentHandoff & { step: StepPatch };
        this.#handoffs = { ...this.#handoffs, [handoff.id]: handoff };
        this.#patch(step);
        return this.#metrics((metrics) => ({ ...metrics, handoffCount: metrics.handoffCount + 1 }));
      }
      case "handoff.accepted":
      case "handoff.rejected":
      case "handoff.expired":
      case "handoff.cancelled":
      case "handoff.completed":
      case "handoff.failed":
        return this.#handoffChanged(change, at);
      case "rule.fired":
        return change.redirected && this.#redirect(change.redirected);
      case "intervention.requested": {
        const { step, ...intervention } = data as unknown as Intervention & { step?: StepPatch };
        this.#patch(step);
        this.#interventions = { ...this.#interventions, [intervention.id]: intervention };
        return this.#metrics((metrics) => ({ ...metrics, humanInterventionCount: metrics.humanInterventionCount + 1 }));
      }
      default:
        if (type.startsWith("intervention.")) this.#interventionChanged(type, change, at);
    }
  }

  #set(fields: { [Field in keyof Process]?: Process[Field] | undefined }): void {
    this.#process = without({ ...this.#process, ...fields } as Process);
  }

  #metrics(change: (metrics: NonNullable<Process["metrics"]>) => NonNullable<Process["metrics"]>): void {
    if (this.#process.metrics) this.#process = { ...this.#process, metrics: change(this.#process.metrics) };
  }

  #stepOf(id: string): Step | undefined {
    return this.#process.steps.find((step) => step.id === id);
  }

  #step(id: string, change: (step: Step) => { [Field in keyof Step]?: Step[Field] | undefined }): void {
    const steps = this.#process.steps.map((step) => (step.id === id ? without({ ...step, ...change(step) } as Step) : step));
    this.#process = { ...this.#process, steps };
  }

  #patch(patch: StepPatch | undefined): void {
    if (patch) this.#step(patch.id, () => moved(patch));
  }

  #retried({ status, reason, reset = [] }: Change): void {
    for (const id of reset) {
      this.#step(id, (step) => ({
        status: "pending",
        phase: "blocked",
        run: (step.run ?? 1) + 1,
        attempts: 0,
        lostLeases: 0,
        error: undefined,
        outputs: undefined,
        readyAt: undefined,
        retryAt: undefined,
        completedAt: undefined,
        startedAt: undefined,
        skipReason: undefined,
        failureHandled: false,
        progress: undefined,
        nextStepId: undefined,
        preferredAgentId: undefined,
        avoidAgentId: undefined,
        childProcessId: undefined,
        givenInputs: undefined,
        ...(step.givenInputs ? { inputs: step.givenInputs } : {}),
      }));
    }
    this.#set({ status, reason, error: undefined, completedAt: undefined });
    this.#metrics(({ endTime: _end, duration: _duration, ...metrics }) => metrics);
    this.#countEnded();
  }

  #endStep(change: Change, at: string): void {
    this.#step(change.id, (step) => ({
      ...moved(change),
      outputs: change.outputs ?? undefined,
      // What an earlier attempt failed with is history once the step has ended well.
      ...(change.error || (change.status as string) === "completed" ? { error: change.error } : {}),
      nextStepId: change.nextStepId,
      attempts: change.attempts ?? step.attempts,
      completedAt: at,
      skipReason: change.skipReason,
      failureHandled: change.failureHandled ?? false,
      currentAttempt: undefined,
      heldBy: undefined,
      retryAt: undefined,
    }));
    this.#countEnded();
    if ((change.status as string) !== "completed") return;
    const took = msBetween(this.#stepOf(change.id)?.startedAt, at);
    this.#metrics((metrics) => ({ ...metrics, stepCompletionTimes: { ...metrics.stepCompletionTimes, [change.key]: took } }));
    if (change.agentId !== undefined) this.#use(change.agentId, (use) => ({ ...use, successCount: use.successCount + 1 }));
  }

  #countEnded(): void {
    const currentStep = this.#process.steps.filter(({ status }) => status !== "pending" && status !== "running").length;
    this.#process = { ...this.#process, currentStep };
  }

  #keepAttempt(attempt: Attempt): void {
    this.#attempts = { ...this.#attempts, [attempt.id]: attempt };
  }

  #take(attempt: Attempt, patch: StepPatch): void {
    this.#keepAttempt(attempt);
    this.#step(attempt.stepId, () => ({ ...moved(patch), epoch: attempt.epoch, currentAttempt: attempt.id, heldBy: attempt.agentId }));
  }

  #endAttempt(id: string | undefined, status: Attempt["status"], hash: string | undefined, at: string): void {
    const attempt = id === undefined ? undefined : this.#attempts[id];
    if (!attempt) return;
    this.#keepAttempt({ ...attempt, status, endedAt: at, ...given("resultHash", hash) });
    this.#step(attempt.stepId, () => ({ currentAttempt: undefined, heldBy: undefined }));
    const busy = attempt.acceptedAt === undefined ? 0 : msBetween(attempt.acceptedAt, at);
    const failed = status === "failed" ? 1 : 0;
    this.#use(attempt.agentId, (use) => ({ ...use, busyMs: use.busyMs + busy, errorCount: use.errorCount + failed }));
    if (failed) this.#metrics((metrics) => ({ ...metrics, errorCount: metrics.errorCount + 1 }));
  }

  #attemptEnded(type: string, change: Change, at: string): void {
    const lost = type === "assignment.expired" && this.#attempts[change.id]?.status === "leased";
    this.#endAttempt(change.id, change.status, change.resultHash, at);
    this.#patch(change.step);
    const failed = (change.status as string) === "failed";
    this.#step(change.stepId, (step) => ({
      epoch: change.epoch,
      currentAttempt: undefined,
      heldBy: undefined,
      preferredAgentId: change.prefer ?? (type === "assignment.suspended" ? change.agentId : undefined),
      ...(change.avoid ? { avoidAgentId: change.agentId } : {}),
      ...(change.prefer && step.assignedAgentId ? { assignedAgentId: change.prefer } : {}),
      lostLeases: (step.lostLeases ?? 0) + (lost ? 1 : 0),
      ...(failed ? { attempts: step.attempts + 1, error: change.error } : {}),
    }));
    if (lost) this.#metrics((metrics) => ({ ...metrics, errorCount: metrics.errorCount + 1 }));
  }

  /** Whom a step that nobody holds is offered to next. */
  #redirect({ stepId, avoid, prefer }: NonNullable<Change["redirected"]>): void {
    this.#step(stepId, (step) => ({
      avoidAgentId: avoid,
      ...(prefer ? { preferredAgentId: prefer, ...(step.assignedAgentId ? { assignedAgentId: prefer } : {}) } : {}),
    }));
  }

  #handoffChanged(change: Change, at: string): void {
    const handoff = this.#handoffs[change.id];
    if (handoff) this.#handoffs = { ...this.#handoffs, [handoff.id]: changedHandoff(handoff, change, at) };
    if (change.child) this.#add(change.child);
    this.#patch(change.step);
    if (!change.step || !change.attempt) return;
    this.#take(change.attempt, change.step);
    this.#use(change.attempt.agentId, (use) => ({ ...use, taskCount: use.taskCount + 1 }));
  }

  /** A step more, which a delegation made. */
  #add(child: Step): void {
    if (this.#stepOf(child.id)) return;
    const steps = [...this.#process.steps, child];
    this.#process = { ...this.#process, steps, totalSteps: steps.length };
  }

  #interventionChanged(type: string, change: Change, at: string): void {
    this.#patch(change.step);
    const before = this.#interventions[change.id];
    if (before) this.#interventions = { ...this.#interventions, [change.id]: changedIntervention(before, type, change, at) };
  }

  /** The agent went on: it has what it was answered. */
  #useAnswers(stepId: string): void {
    for (const each of Object.values(this.#interventions)) {
      if (each.stepId === stepId && !each.used && each.status !== "pending") this.#interventions = { ...this.#interventions, [each.id]: { ...each, used: true } };
    }
  }

  #keepOutputs(id: string): void {
    const step = this.#stepOf(id);
    const { context } = this.#process;
    if (!step || !context) return;
    const outputs = step.outputs ?? null;
    const shared = { ...context.sharedData };
    if (step.mergeOutputs && typeof outputs === "object" && outputs !== null && !Array.isArray(outputs)) {
      for (const [key, value] of Object.entries(outputs)) if (key !== "steps") shared[key] = value;
    }
    const steps = shared.steps ?? {};
    if (typeof steps === "object" && !Array.isArray(steps)) shared.steps = { ...steps, [step.key]: outputs };
    this.#process = { ...this.#process, context: { ...context, sharedData: shared } };
  }

  #use(agentId: string | undefined, change: (use: AgentUtilization) => AgentUtilization): void {
    if (agentId === undefined) return;
    this.#metrics((metrics) => {
      const all = metrics.agentUtilization as unknown as Record<string, AgentUtilization>;
      const use = change(all[agentId] ?? { taskCount: 0, successCount: 0, errorCount: 0, busyMs: 0 });
      return { ...metrics, agentUtilization: { ...metrics.agentUtilization, [agentId]: { ...use } } };
    });
  }
}

/** Evaluated inputs take the place of those that were given, which are kept for another run. */
function evaluated(step: Step, inputs: Step["inputs"] | undefined): { inputs?: Step["inputs"]; givenInputs?: Step["givenInputs"] } {
  return inputs ? { inputs, givenInputs: step.givenInputs ?? step.inputs } : {};
}

function moved({ status, phase }: { status: Step["status"]; phase?: Step["phase"] }): Pick<Step, "status"> & { phase?: Step["phase"] | undefined } {
  return { status, phase: phase ?? undefined };
}

/** An attempt that failed and a timeout were counted when they happened. */
function counted({ attemptId, error }: Change): boolean {
  return attemptId !== undefined || error?.code === "timeout";
}

/** Whole milliseconds between two times of the server, which have microseconds. */
function msBetween(from: string | null | undefined, to: string): number {
  if (!from) return 0;
  return Math.max(0, Math.floor((micros(to) - micros(from)) / 1000));
}

function micros(at: string): number {
  const fraction = /\.(\d+)/.exec(at)?.[1] ?? "";
  return Math.floor(Date.parse(at) / 1000) * 1_000_000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}
