import type { Failure, HumanIntervention, InterventionComment, Json, Vote } from "@baton/client";
import type { Attempt, Intervention, Step } from "../model";

export interface StepPatch {
  id: string;
  status: Step["status"];
  phase?: Step["phase"];
}

/** What is asked now, where it was replaced. */
type Question = Pick<HumanIntervention, "round" | "description" | "schema" | "options" | "subject" | "subjectHash" | "askedHash" | "proposedBy">;

/** The fields of every kind of change that a process's log holds; each event has some of them. */
export interface Change {
  id: string;
  key: string;
  status: never;
  phase?: Step["phase"];
  step?: StepPatch;
  stepId: string;
  attemptId?: string;
  agentId?: string;
  instanceId?: string;
  epoch: number;
  leaseUntil?: string;
  reason?: string;
  error?: Failure;
  reset?: string[];
  nextStepId?: string;
  childProcessId?: string;
  /** The agent is not asked again, if another can. */
  avoid?: boolean;
  /** Who should have it next. */
  prefer?: string;
  /** What a rule did with a step that nobody held: see `avoid` and `prefer`. */
  redirected?: { stepId: string; avoid?: string; prefer?: string };
  inputs?: Step["inputs"];
  outputs?: Step["outputs"];
  attempts?: number;
  retryAt?: string;
  percent?: number;
  note?: string;
  skipReason?: Step["skipReason"];
  failureHandled?: boolean;
  resultHash?: string;
  fromStepId: string;
  toAgentId?: string;
  rejectedBy?: string;
  attempt?: Attempt;
  /** The step that a delegation made. */
  child?: Step;
  result?: Json;
  claimedBy?: string;
  delegatedBy?: string;
  level?: number;
  assignees?: string[];
  vote?: Vote;
  comment?: InterventionComment;
  question?: Question;
  dueAt?: string;
  expiresAt?: string;
  outcome?: Intervention["outcome"];
  response?: Intervention["response"];
}

/** What a change says, over what was: `undefined` takes a field away. */
export type Fields<T> = { [Field in keyof T]?: T[Field] | undefined };

export function given<Name extends string, Value>(name: Name, value: Value | undefined): Partial<Record<Name, Value>> {
  return (value === undefined ? {} : { [name]: value }) as Partial<Record<Name, Value>>;
}

/** The server leaves out what is not there; so does the copy. */
export function without<T extends object>(value: T): T {
  for (const key of Object.keys(value) as (keyof T)[]) if (value[key] === undefined || value[key] === null) delete value[key];
  return value;
}

