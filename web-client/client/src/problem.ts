import type { Problem, ProblemCode } from "./model.js";

/** A refusal by the server, or by this client when no answer could be had; `problem` is what to show. */
export class BatonError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = "BatonError";
    this.problem = problem;
  }

  get code(): Problem["code"] {
    return this.problem.code;
  }
}

/** Codes that a repetition of the same command may turn into a success. */
const TRANSIENT: ReadonlySet<string> = new Set<ProblemCode>(["unavailable", "rate_limited"]);

export function isTransient(problem: Problem): boolean {
  return TRANSIENT.has(problem.code);
}

/** A problem that this client states itself, for want of one from the server. */
export function localProblem(code: ProblemCode, title: string, detail?: string): Problem {
  return { title, code, status: 0, retryable: TRANSIENT.has(code), ...(detail === undefined ? {} : { detail }) };
}

export function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && typeof (value as Problem).code === "string";
}

export function toBatonError(error: unknown): BatonError {
  if (error instanceof BatonError) return error;
  return new BatonError(localProblem("internal", "Unexpected failure", error instanceof Error ? error.message : String(error)));
}
