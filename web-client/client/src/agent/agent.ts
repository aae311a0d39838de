import { backoffMs } from "../backoff.js";
import { Connection, type ConnectionOptions } from "../connection.js";
import { newId } from "../ids.js";
import type { AddressedMessage, AgentHandoff, Json, RegisteredAgent, Work } from "../model.js";
import { BatonError, isTransient, toBatonError } from "../problem.js";
import { Rest } from "../rest.js";
import { StepFailure, StepLost } from "./outcome.js";
import { Task } from "./task.js";

/** What the work on a step gives: its outputs; nothing, where it has reported the end itself or there are none. */
export type Outputs = Json | void | undefined;

export interface AgentOptions extends Omit<ConnectionOptions, "instanceId"> {
  /**
   * The work on one step. What it returns are the step's outputs; what it throws is the step's failure, except for a `StepLost`,
   * after which there is nothing to say.
   */
  work(task: Task): Outputs | Promise<Outputs>;
  /**
   * Which running copy of the agent this is. One that is restarted under the same id goes on with what it held; by default
   * each start is a copy of its own.
   */
  instanceId?: string;
  /** The copy that this one takes the place of, known to be dead: its steps are free at once, not when their leases run out. */
  replaces?: string;
  /** How many steps at once; by default what the registry says. */
  slots?: number;
  /** What it can do, where that differs from the registry. */
  capabilities?: string[];
  /** Whether to take an offer; a text refuses it and says why. By default every one is taken. */
  wants?(offer: Work): boolean | string | Promise<boolean | string>;
  /** Whether to take what another agent hands over; a text refuses it and says why. By default everything is taken. */
  wantsHandoff?(handoff: AgentHandoff): boolean | string | Promise<boolean | string>;
  /** A message from another agent, or the response to one of this agent's; what it returns is sent as the response. */
  onMessage?(message: AddressedMessage): string | void | undefined | Promise<string | void | undefined>;
  /** Something went wrong that no step can be blamed for; by default it is written to the console. */
  onError?(error: Error): void;
}

export interface StopOptions {
  /** How long the work in hand may take to end by itself before it is given back. Default none. */
  graceMs?: number;
  /** How long giving back may take; without a connection the leases run out by themselves. Default five seconds. */
  timeoutMs?: number;
}

/**
 * An agent: it says that it is ready, takes offers and handoffs, keeps their leases alive, and runs `work` for each step.
 *
 * It outlives a lost connection and a restarted server with its work in hand. One that is itself restarted, under the same
 * `instanceId`, begins the work on the steps that it still holds anew.
 */
export class Agent {
  readonly connection: Connection;
  readonly instanceId: string;
  readonly #rest: Rest;
  readonly #options: AgentOptions;
  readonly #tasks = new Map<string, { task: Task; done: Promise<void> }>();
  readonly #accepting = new Set<string>();
  /** Attempts that are over: an offer, or a `ready`, that was under way meanwhile must not begin one again. */
  readonly #over = new Recent();
  readonly #messages = new Recent();
  readonly #ready: Promise<RegisteredAgent>;
  #isReady: (agent: RegisteredAgent) => void = () => {};
  #isNotReady: (error: BatonError) => void = () => {};
  #replaces: string | undefined;
  /** Grows with every connection: an `agent:ready` of an earlier one says nothing. */
  #turn = 0;
  #stopping: Promise<void> | undefined;

  /** Connects, and takes work as soon as the server has said that it may. */
  constructor(options: AgentOptions) {
    const { url, token, workspaceId, socket, random } = options;
    const server = { token, ...(url === undefined ? {} : { url }), ...(workspaceId === undefined ? {} : { workspaceId }) };
    this.#rest = new Rest(server);
    this.#options = options;
    this.instanceId = options.instanceId ?? newId();
    this.#replaces = options.replaces;
    this.#ready = new Promise((resolve, reject) => {
      this.#isReady = resolve;
      this.#isNotReady = reject;
    });
    this.#ready.catch(() => {}); // whoever waits for it is told
    const tools = { ...(socket === undefined ? {} : { socket }), ...(random === undefined ? {} : { random }) };
    const connection = new Connection({ ...server, ...tools, instanceId: this.instanceId });
    this.connection = connection;
    connection.on("work.offered", (work) => void this.#offered(work));
    connection.on("work.cancelled", ({ attemptId, reason }) => void this.#tasks.get(attemptId)?.task.lose("cancelled", reason));
    connection.on("work.answered", ({ attemptId, intervention, response }, acknowledge) => {
      const held = this.#tasks.get(attemptId);
      // One that is not begun yet asks again, and has the answer with that.
      if (!held) return;
      held.task.answered(intervention, response);
      acknowledge();
    });
    connection.on("work.handoff_requested", ({ handoff }) => void this.#handedOver(handoff));
    connection.on("work.handoff_resolved", ({ handoff }) => this.#handoffChanged(handoff));
    connection.on("work.message", ({ communication }) => void this.#message(communication));
    connection.onState((state) => {
      if (state.status === "live") void this.#announce(++this.#turn);
      else this.#turn++;
      if (state.status === "closed") this.#ended(state.code);
    });
  }

  /** Resolves with the agent as it is registered, once it may take work; fails when it never will. */
  ready(): Promise<RegisteredAgent> {
    return this.#ready;
  }

  /** The work in hand. */
  get tasks(): Task[] {
    return [...this.#tasks.values()].map(({ task }) => task);
  }

  /** Takes work by itself instead of waiting for offers: up to `max` steps, leased at once. Gives how many. */
  async claim(max = 1): Promise<number> {
    const { data } = await this.connection.command("work:claim", { max });
    for (const work of data.attempts) this.#begin(work);
    return data.attempts.length;
  }

  /**
   * Ends in good order: takes nothing new, lets the work in hand end for `graceMs`, gives the rest back, so that another agent
   * has it at once, and closes the connection.
   */
  stop(options: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async #stop({ graceMs = 0, timeoutMs = 5_000 }: StopOptions): Promise<void> {
    if (graceMs > 0) await within(graceMs, Promise.all([...this.#tasks.values()].map(({ done }) => done)));
    const giveBack = async (task: Task) => {
      if (!task.reported && !task.signal.aborted) await task.release("the agent stops").catch(() => {});
    };
    // Work that has reported its end waits for the ack: it is as good as done.
    const rest = [...this.#tasks.values()].map(({ task, done }) => (task.reported ? done : giveBack(task)));
    await within(timeoutMs, Promise.all(rest));
    for (const { task } of this.#tasks.values()) task.lose("released");
    this.connection.close();
  }

  /** On every connection: who we are, and what is still ours. */
  async #announce(turn: number): Promise<void> {
    const { slots, capabilities } = this.#options;
    for (let attempt = 0; turn === this.#turn; attempt++) {
      const before = new Set(this.#tasks.keys());
      try {
        const mine = await this.connection.request("agent:ready", {
          instanceId: this.instanceId,
          ...(this.#replaces === undefined ? {} : { replaces: this.#replaces }),
          ...(slots === undefined ? {} : { slots }),
          ...(capabilities === undefined ? {} : { capabilities }),
        });
        this.#replaces = undefined;
        this.#isReady(mine.agent);
        if (turn !== this.#turn) return;
        this.#resume(before, mine.attempts);
        for (const { attemptId, intervention, response } of mine.answers) this.#tasks.get(attemptId)?.task.answered(intervention, response);
        for (const handoff of mine.handoffs) void this.#handedOver(handoff);
        return;
      } catch (cause) {
        const error = toBatonError(cause);
        if (turn !== this.#turn) return;
        if (!isTransient(error.problem)) {
          this.#isNotReady(error);
          return this.#error(error);
        }
        await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt)));
      }
    }
  }

  /** What the server says is ours goes on, or is begun anew after a restart; what it does not name is lost. */
  #resume(before: ReadonlySet<string>, held: Work[]): void {
    const still = new Set(held.map(({ attempt }) => attempt.id));
    for (const [attemptId, { task }] of this.#tasks) {
      // A result that is under way has ended the attempt: its ack is still to come.
      if (before.has(attemptId) && !still.has(attemptId) && !task.reported) task.lose("stale");
    }
    if (this.#stopping) return;
    for (const work of held) this.#begin(work);
  }

  async #offered(work: Work): Promise<void> {
    const { id: attemptId, epoch } = work.attempt;
    // An offer is repeated until it is answered.
    if (this.#tasks.has(attemptId) || this.#accepting.has(attemptId) || this.#over.has(attemptId)) return;
    this.#accepting.add(attemptId);
    try {
      const wanted = this.#stopping ? "the agent stops" : ((await this.#options.wants?.(work)) ?? true);
      if (wanted !== true) {
        await this.connection.command("attempt:reject", { attemptId, epoch, ...(typeof wanted === "string" ? { reason: wanted } : {}) });
        return;
      }
      const { data } = await this.connection.command("attempt:accept", { attemptId, epoch });
      this.#begin({ ...work, leaseMs: data.leaseMs, attempt: { ...work.attempt, epoch: data.epoch ?? epoch } });
    } catch (error) {
      // Too late: it went to somebody else. Anything else is worth knowing.
      const { code } = toBatonError(error);
      if (code !== "stale_lease" && code !== "illegal_transition" && !this.#stopping) this.#error(error);
    } finally {
      this.#accepting.delete(attemptId);
    }
  }

  async #handedOver(handoff: AgentHandoff): Promise<void> {
    if (this.#accepting.has(handoff.id)) return;
    this.#accepting.add(handoff.id);
    const handoffId = handoff.id;
    try {
      const wanted = this.#stopping ? "the agent stops" : ((await this.#options.wantsHandoff?.(handoff)) ?? true);
      if (wanted !== true) {
        await this.connection.command("handoff:reject", { handoffId, ...(typeof wanted === "string" ? { reason: wanted } : {}) });
        return;
      }
      const { data } = await this.connection.command("handoff:accept", { handoffId });
      const { handoff: accepted, processContext, ...work } = data;
      this.#begin({ ...work, context: processContext }, accepted);
    } catch (error) {
      // Withdrawn, expired or taken by another meanwhile; or no slot is free, and it comes again while it is pending.
      const { code } = toBatonError(error);
      if (code !== "illegal_transition" && code !== "conflict" && code !== "not_found" && !this.#stopping) this.#error(error);
    } finally {
      this.#accepting.delete(handoffId);
    }
  }

  #handoffChanged(handoff: AgentHandoff): void {
    for (const { task } of this.#tasks.values()) if (task.step.id === handoff.fromStepId) task.handoffChanged(handoff);
  }

  async #message(message: AddressedMessage): Promise<void> {
    // An unanswered message comes again with every `agent:ready`.
    const known = `${message.id}${message.response ? ":response" : ""}`;
    if (this.#messages.has(known) || !this.#options.onMessage) return;
    this.#messages.add(known);
    try {
      const reply = await this.#options.onMessage(message);
      if (typeof reply === "string") await this.connection.command("communication:respond", { communicationId: message.id, message: reply });
    } catch (error) {
      this.#error(error);
    }
  }

  #begin(work: Work, handoff?: AgentHandoff): void {
    const attemptId = work.attempt.id;
    if (this.#tasks.has(attemptId) || this.#over.has(attemptId)) return;
    const task = new Task(this.connection, this.#rest, work, handoff);
    const beat = setInterval(() => {
      if (this.connection.state.status === "live" && !task.reported) void task.heartbeat();
    }, Math.max(task.leaseMs / 3, 10));
    task.signal.addEventListener("abort", () => clearInterval(beat));
    const done = this.#run(task).finally(() => {
      clearInterval(beat);
      this.#over.add(attemptId);
      this.#tasks.delete(attemptId);
    });
    this.#tasks.set(attemptId, { task, done });
  }

  async #run(task: Task): Promise<void> {
    try {
      // Only after the caller has noted the task: the work may ask at once.
      await Promise.resolve();
      const outputs = await this.#options.work(task);
      if (!task.reported && !task.signal.aborted) await task.complete(outputs ?? {});
    } catch (error) {
      await this.#failed(task, error);
    }
  }

  async #failed(task: Task, error: unknown): Promise<void> {
    if (error instanceof StepLost || task.signal.aborted) return;
    if (task.reported) return this.#error(error);
    const code = error instanceof StepFailure || error instanceof BatonError ? error.code : "agent_error";
    const retryable = error instanceof StepFailure ? error.retryable : true;
    const message = error instanceof Error ? error.message : String(error);
    try {
      await task.fail(code, message || code, retryable);
    } catch (second) {
      if (!(second instanceof StepLost) && !this.#stopping) this.#error(second);
    }
  }

  #ended(code: string): void {
    const error = new BatonError({ code: "unavailable", title: "The agent's session has ended", status: 0, detail: `Ended with: ${code}.` });
    this.#isNotReady(error);
    for (const { task } of this.#tasks.values()) task.lose("stale", error.message);
    if (!this.#stopping) this.#error(error);
  }

  #error(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    if (this.#options.onError) this.#options.onError(error);
    else console.error("baton agent:", error.message);
  }
}

/** The last ten thousand names. */
class Recent {
  readonly #names = new Set<string>();

  has(name: string): boolean {
    return this.#names.has(name);
  }

  add(name: string): void {
    this.#names.add(name);
    const [oldest] = this.#names;
    if (this.#names.size > 10_000 && oldest !== undefined) this.#names.delete(oldest);
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
