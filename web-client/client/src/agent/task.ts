import type { CommandOptions, Reply } from "../commands.js";
import type { Connection } from "../connection.js";
import { newId } from "../ids.js";
import type {
  AgentHandoff,
  CommandName,
  Commands,
  HumanIntervention,
  InterventionResponse,
  Json,
  JsonObject,
  PriorAnswer,
  ProcessContext,
  ProcessRef,
  ProcessStep,
  Work,
} from "../model.js";
import { toBatonError } from "../problem.js";
import type { Rest } from "../rest.js";
import { MessageStream } from "../stream.js";
import { StepLost, Unanswered } from "./outcome.js";

/** What to ask a human, as the contract's `intervention:request` has it. */
export type Question = Omit<Commands["intervention:request"]["payload"], "attemptId" | "processId" | "epoch" | "stepId" | "mode"> & {
  /**
   * `hold` (the default) keeps the step, and its slot, while a human thinks. `suspend` gives both up: the answer makes the step
   * ready again, the work begins anew, and the same question then gets that answer at once.
   */
  mode?: "hold" | "suspend";
};

/** To whom and why a step is handed over, or a part of it delegated. */
export type HandoffRequest = Omit<
  Commands["handoff:request"]["payload"],
  "attemptId" | "processId" | "epoch" | "fromAgentId" | "fromStepId" | "kind"
>;

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** At most this often is looked for what may have been missed. */
const SELDOM_MS = 2_000;

const ENDED: ReadonlySet<AgentHandoff["status"]> = new Set(["rejected", "expired", "cancelled", "completed", "failed"]);

/**
 * One step in the hands of this agent: what is to be done, and everything that may be done with it.
 *
 * The agent sends the heartbeats. The work watches `signal`: once it is aborted, with a `StepLost`, somebody else decides
 * about the step. A step is executed at least once: after a crash, and after a suspension, the work begins anew.
 */
export class Task {
  readonly step: ProcessStep;
  readonly process: ProcessRef;
  readonly context: ProcessContext;
  /** What humans answered for this step before this attempt. */
  readonly priorAnswers: PriorAnswer[];
  /** The same for every attempt at this step: pass it on with calls to the outside, so that a repetition of them is harmless. */
  readonly idempotencyKey: string;
  /** Which agent this is. */
  readonly agentId: string;
  readonly attemptId: string;
  readonly epoch: number;
  /** What the step came with, if another agent handed it over: the handoff, and the context that the sender gave. */
  readonly handoff: AgentHandoff | undefined;
  readonly leaseMs: number;

  readonly #connection: Connection;
  readonly #rest: Rest;
  readonly #abort = new AbortController();
  readonly #answers = new Map<string, InterventionResponse>();
  readonly #asked = new Map<string, Waiting<InterventionResponse>>();
  readonly #resolved = new Map<string, AgentHandoff>();
  readonly #handoffs = new Map<string, { until(handoff: AgentHandoff): boolean } & Waiting<AgentHandoff>>();
  #reported = false;

  /** @internal */
  constructor(connection: Connection, rest: Rest, work: Work, handoff?: AgentHandoff) {
    this.#connection = connection;
    this.#rest = rest;
    this.step = work.step;
    this.process = work.process;
    this.context = work.context;
    this.priorAnswers = work.priorAnswers;
    this.idempotencyKey = work.idempotencyKey;
    this.agentId = work.attempt.agentId;
    this.attemptId = work.attempt.id;
    this.epoch = work.attempt.epoch;
    this.leaseMs = work.leaseMs;
    this.handoff = handoff;
  }

  /** The step's inputs, evaluated. */
  get inputs(): JsonObject {
    return this.step.inputs ?? {};
  }

  /** Aborted, with a `StepLost`, when the step is no longer this agent's. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether its end was reported, by the work itself. */
  get reported(): boolean {
    return this.#reported;
  }

  /** Tells how far the work is, for people to see. */
  async progress(percent?: number, note?: string): Promise<void> {
    await this.#send("attempt:progress", { ...(percent === undefined ? {} : { percent }), ...(note === undefined ? {} : { note }) });
  }

  /** Reports the result. Returning it from the work does the same. */
  async complete(outputs: Json = {}): Promise<void> {
    await this.#report("attempt:complete", { outputs });
  }

  /** Reports a failure. Throwing a `StepFailure` from the work does the same. */
  async fail(code: string, message: string, retryable = true): Promise<void> {
    await this.#report("attempt:fail", { error: { code, message, retryable } });
  }

  /** Gives the step back undone, for another agent to take. It uses up none of the step's attempts. */
  async release(reason?: string): Promise<void> {
    await this.#report("attempt:release", reason === undefined ? {} : { reason });
    this.lose("released");
  }

  /**
   * Asks a human, and waits for the answer.
   *
   * The same step asking again under the same `key`, after a crash, by another agent, in a later attempt, gets the same
   * answer, or waits for the same question: a human is asked once. Without a `key` it is made of type, description and subject.
   * @throws StepLost, when a rejection ends the step, when it is suspended, and when it is lost for any other reason.
   * @throws Unanswered, when the question is withdrawn or expires without an answer.
   */
  async ask(question: Question): Promise<InterventionResponse> {
    const mode = question.mode ?? "hold";
    const payload = { ...question, mode };
    const { data } = await this.#send("intervention:request", payload);
    const { intervention, response } = data;
    if (response) return response;
    if (mode === "suspend") throw this.lose("suspended");
    const early = this.#answers.get(intervention.id);
    if (early) return early;
    if (intervention.status !== "pending") throw new Unanswered(intervention.status);
    let waiting: Waiting<InterventionResponse> | undefined;
    // That a held question was withdrawn, or has expired, is not told to who holds the step; asking again gives it as it is now.
    const stop = this.#lookNowAndThen(async () => {
      const again = await this.#connection.request("intervention:request", { ...payload, attemptId: this.attemptId, epoch: this.epoch });
      if (again.response) this.answered(again.intervention, again.response);
      else if (again.intervention.status !== "pending") waiting?.reject(new Unanswered(again.intervention.status));
    });
    try {
      return await this.#until((each) => this.#asked.set(intervention.id, (waiting = each)));
    } finally {
      this.#asked.delete(intervention.id);
      stop();
    }
  }

  /**
   * Hands the step over to another agent: it is this agent's until the other one accepts. Resolves with what became of it: only
   * after `accepted` is it the other's, and the work is to end; refused or expired, it goes on.
   */
  async handOver(request: HandoffRequest): Promise<AgentHandoff> {
    const handoff = await this.#requestHandoff({ ...request, kind: "transfer" }, (each) => each.status !== "pending");
    if (handoff.status === "accepted" || handoff.status === "completed") this.lose("handed_over");
    return handoff;
  }

  /**
   * Has another agent do a part of the work as a step of its own, and waits until that has ended: `completed`, `failed`, or
   * never begun (`rejected`, `expired`, `cancelled`). The step stays this agent's.
   */
  delegate(request: HandoffRequest): Promise<AgentHandoff> {
    return this.#requestHandoff({ ...request, kind: "delegate" }, (each) => ENDED.has(each.status));
  }

  /** Posts into the process's room. */
  post(body: string, more: Omit<Commands["message:send"]["payload"], "roomId" | "body"> = {}): Promise<Reply<Commands["message:send"]["data"]>> {
    return this.#connection.command("message:send", { ...more, roomId: this.process.roomId, body });
  }

  /** Begins a message to the process's room whose text comes bit by bit. A delta needs the room to be followed. */
  stream(): MessageStream {
    return new MessageStream(this.#connection, this.process.roomId, {});
  }

  /** Sends a message to another agent of the process. */
  async tell(
    toAgentId: string,
    message: string,
    more: Omit<Commands["communication:send"]["payload"], "processId" | "toAgentId" | "message" | "type"> & { type?: Commands["communication:send"]["payload"]["type"] } = {},
  ): Promise<Commands["communication:send"]["data"]> {
    const payload = { type: "update" as const, ...more, processId: this.process.id, toAgentId, message };
    return (await this.#connection.command("communication:send", payload)).data;
  }

  // ---- for the agent ----

  /** @internal The step is no longer ours: whoever waits is told so. Gives what they are told. */
  lose(...because: ConstructorParameters<typeof StepLost>): StepLost {
    if (this.signal.aborted) return this.signal.reason as StepLost;
    const lost = new StepLost(...because);
    this.#abort.abort(lost);
    return lost;
  }

  /** @internal An answer has come, perhaps again: it counts once. */
  answered(intervention: HumanIntervention, response: InterventionResponse): void {
    if (this.#answers.has(intervention.id)) return;
    this.#answers.set(intervention.id, response);
    this.#asked.get(intervention.id)?.resolve(response);
  }

  /** @internal A handoff of this step has changed. */
  handoffChanged(handoff: AgentHandoff): void {
    this.#resolved.set(handoff.id, handoff);
    const waiting = this.#handoffs.get(handoff.id);
    if (waiting?.until(handoff)) waiting.resolve(handoff);
  }

  /** @internal Tells the server that this agent lives; loses the task if it is no longer ours. */
  async heartbeat(): Promise<void> {
    const lease = { attemptId: this.attemptId, epoch: this.epoch };
    try {
      await this.#connection.request("attempt:heartbeat", lease);
    } catch (error) {
      this.#loseIfStale(error);
    }
  }

  async #requestHandoff(
    request: HandoffRequest & { kind: "transfer" | "delegate" },
    until: (handoff: AgentHandoff) => boolean,
  ): Promise<AgentHandoff> {
    const { data } = await this.#send("handoff:request", request);
    const { id } = data.handoff;
    const already = this.#resolved.get(id) ?? data.handoff;
    if (until(already)) return already;
    // What became of it is told once; while this agent was away, to nobody.
    const stop = this.#lookNowAndThen(async () => this.handoffChanged(await this.#rest.handoff(id)));
    try {
      return await this.#until((waiting) => this.#handoffs.set(id, { ...waiting, until }));
    } finally {
      this.#handoffs.delete(id);
      stop();
    }
  }

  /** A promise that also ends with the task. */
  #until<T>(begin: (waiting: Waiting<T>) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const lost = () => reject(this.signal.reason);
      if (this.signal.aborted) return lost();
      this.signal.addEventListener("abort", lost);
      const over = () => this.signal.removeEventListener("abort", lost);
      begin({
        resolve: (value) => {
          over();
          resolve(value);
        },
        reject: (error) => {
          over();
          reject(error);
        },
      });
    });
  }

  /** Looks, as often as a lease lasts, for what may have been missed; gives the way to stop that. */
  #lookNowAndThen(look: () => Promise<void>): () => void {
    const timer = setInterval(() => {
      if (this.#connection.state.status === "live") look().catch((error: unknown) => this.#loseIfStale(error));
    }, Math.max(this.leaseMs, SELDOM_MS));
    return () => clearInterval(timer);
  }

  async #report<Name extends "attempt:complete" | "attempt:fail" | "attempt:release">(
    name: Name,
    more: Omit<Commands[Name]["payload"], "attemptId" | "epoch">,
  ): Promise<void> {
    if (this.#reported) throw new Error("the end of this step was reported already");
    this.#reported = true;
    await this.#send(name, more);
  }

  async #send<Name extends CommandName>(
    name: Name,
    more: Omit<Commands[Name]["payload"], "attemptId" | "epoch">,
  ): Promise<Reply<Commands[Name]["data"]>> {
    if (this.signal.aborted) throw this.signal.reason;
    // However long the server is away: the lease lives on, or the answer will be that it does not.
    const options: CommandOptions = { commandId: newId(), deadlineMs: Infinity };
    const payload = { ...more, attemptId: this.attemptId, epoch: this.epoch } as unknown as Commands[Name]["payload"];
    try {
      return await this.#connection.command(name, payload, options);
    } catch (error) {
      throw this.#loseIfStale(error) ?? error;
    }
  }

  #loseIfStale(error: unknown): StepLost | undefined {
    const { code, message } = toBatonError(error);
    return code === "stale_lease" ? this.lose("stale", message) : undefined;
  }
}
