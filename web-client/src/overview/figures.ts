import type { AgentUtilization, Process } from "../model";

/** What the overview tells, worked out from the newest processes. All times are milliseconds. */

export interface Now {
  running: number;
  waiting: number;
  paused: number;
  failed: number;
  completed: number;
}

/** How things stand: those under way, and those that ended since `since`. */
export function standing(processes: readonly Process[], since: number): Now {
  const ended = (process: Process) => process.completedAt && Date.parse(process.completedAt) >= since;
  return {
    running: processes.filter(({ status }) => status === "running" || status === "pending").length,
    waiting: processes.filter(({ waitingOn }) => waitingOn.length > 0).length,
    paused: processes.filter(({ status }) => status === "paused").length,
    failed: processes.filter((process) => process.status === "failed" && ended(process)).length,
    completed: processes.filter((process) => process.status === "completed" && ended(process)).length,
  };
}

export interface Throughput {
  /** Seconds since the epoch at which each bucket begins. */
  at: number[];
  completed: number[];
  failed: number[];
}

/** How many processes ended in each of `buckets` equal parts of the time from `since` to `now`. */
export function throughput(processes: readonly Process[], since: number, now: number, buckets: number): Throughput {
  const width = (now - since) / buckets;
  const result: Throughput = {
    at: Array.from({ length: buckets }, (_, bucket) => (since + bucket * width) / 1000),
    completed: Array.from({ length: buckets }, () => 0),
    failed: Array.from({ length: buckets }, () => 0),
  };
  for (const { status, completedAt } of processes) {
    if (!completedAt || (status !== "completed" && status !== "failed")) continue;
    const bucket = Math.floor((Date.parse(completedAt) - since) / width);
    if (bucket >= 0 && bucket < buckets) result[status][bucket] = (result[status][bucket] ?? 0) + 1;
  }
  return result;
}

/** Percent of the processes that ended which ended well; none where none ended. */
export function successRate({ completed, failed }: Pick<Now, "completed" | "failed">): number | undefined {
  return completed + failed === 0 ? undefined : (completed * 100) / (completed + failed);
}

export interface SlowStep {
  name: string;
  average: number;
  slowest: number;
  count: number;
  /** The process in which it took longest. */
  processId: string;
}

/** The steps that take longest on the average, by name. */
export function slowestSteps(processes: readonly Process[], most: number): SlowStep[] {
  const steps = new Map<string, SlowStep & { total: number }>();
  for (const process of processes) {
    for (const [key, took] of Object.entries(process.metrics?.stepCompletionTimes ?? {})) {
      const name = process.steps.find((step) => step.key === key)?.name ?? key;
      const known = steps.get(name) ?? { name, average: 0, slowest: -1, count: 0, total: 0, processId: process.id };
      known.count += 1;
      known.total += took;
      known.average = known.total / known.count;
      if (took > known.slowest) Object.assign(known, { slowest: took, processId: process.id });
      steps.set(name, known);
    }
  }
  return [...steps.values()]
    .sort((a, b) => b.average - a.average)
    .slice(0, most)
    .map(({ total: _total, ...step }) => step);
}

export interface Advice {
  what: string;
  /** The figures that led to it. */
  evidence: string;
  processId?: string;
}

const SLOW_MS = 5 * 60_000;

/** The model's own rules for recommendations, on the newest processes. */
export function advice(processes: readonly Process[]): Advice[] {
  const found: Advice[] = [];
  const slow = slowestSteps(processes, 3).filter(({ average }) => average > SLOW_MS);
  for (const { name, average, count, processId } of slow) {
    found.push({ what: `Split “${name}”, or let parts of it run side by side`, evidence: `It takes ${Math.round(average / 60_000)} min on the average of ${count}.`, processId });
  }
  const steps = processes.reduce((sum, { totalSteps }) => sum + totalSteps, 0);
  const handoffs = processes.reduce((sum, { metrics }) => sum + (metrics?.handoffCount ?? 0), 0);
  if (steps > 0 && handoffs > steps / 2) found.push({ what: "Look at who does what: much work changes hands", evidence: `${handoffs} handoffs on ${steps} steps.` });
  const failed = processes.reduce((sum, process) => sum + process.steps.filter(({ status }) => status === "failed").length, 0);
  const ended = processes.reduce((sum, process) => sum + process.steps.filter(({ status }) => status === "failed" || status === "completed").length, 0);
  if (ended > 0 && failed * 10 > ended) found.push({ what: "Allow more attempts, or have results reviewed", evidence: `${failed} of ${ended} steps that ended have failed.` });
  return found;
}

export interface AgentLoad {
  agentId: string;
  tasks: number;
  succeeded: number;
  failed: number;
  busyMs: number;
}

/** What each agent did, the busiest first. */
export function loads(processes: readonly Process[], most: number): AgentLoad[] {
  const all = new Map<string, AgentLoad>();
  for (const { metrics } of processes) {
    for (const [agentId, raw] of Object.entries(metrics?.agentUtilization ?? {})) {
      const use = raw as unknown as AgentUtilization;
      const load = all.get(agentId) ?? { agentId, tasks: 0, succeeded: 0, failed: 0, busyMs: 0 };
      load.tasks += use.taskCount;
      load.succeeded += use.successCount;
      load.failed += use.errorCount;
      load.busyMs += use.busyMs ?? 0;
      all.set(agentId, load);
    }
  }
  return [...all.values()].sort((a, b) => b.busyMs - a.busyMs || b.tasks - a.tasks).slice(0, most);
}
