/** How the work on a step may end other than with its result. */

/**
 * Thrown by the work on a step to say how it failed: `code` for programs, `retryable: false` where another attempt would fail
 * the same way. Any other exception is a failure too, with the code `agent_error`, that may be retried.
 */
export class StepFailure extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, { retryable = true }: { retryable?: boolean } = {}) {
    super(message);
    this.name = "StepFailure";
    this.code = code;
    this.retryable = retryable;
  }
}

/** Why a step is no longer this agent's. */
export type LossReason =
  /** The server took it back: the process or the step was cancelled, or timed out. */
  | "cancelled"
  /** Another attempt holds the step now, or none: the lease ran out while the agent was away. */
  | "stale"
  /** It waits for a human without an agent, and comes back as a new offer with the answer. */
  | "suspended"
  /** Another agent has accepted it. */
  | "handed_over"
  /** The agent stops, and has given the step back. */
  | "released";

/**
 * The step is no longer this agent's: the reason of the task's `signal`, and what every further call of the task throws. Let it
 * pass: there is nothing to report, and nothing more to change in the outside world.
 */
export class StepLost extends Error {
  readonly reason: LossReason;

  constructor(reason: LossReason, detail?: string) {
    super(detail ?? `the step is no longer held: ${reason}`);
    this.name = "StepLost";
    this.reason = reason;
  }
}

/** The question to a human was withdrawn or has expired without an answer. */
export class Unanswered extends Error {
  constructor(status: string) {
    super(`the question is ${status}: nobody will answer it`);
    this.name = "Unanswered";
  }
}
