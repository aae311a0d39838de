import { backoffMs } from "./backoff.js";
import { newId } from "./ids.js";
import type { Ack, CommandName, Commands } from "./model.js";
import { BatonError, isProblem, isTransient, localProblem } from "./problem.js";
import type { SocketLike } from "./socket.js";

export interface Reply<Data> {
  data: Data;
  /** The place in the room's log of what the command appended, where it appended something. */
  seq?: number;
}

export interface CommandOptions {
  /** Repeat an earlier command of unknown outcome: the server gives the first result again. */
  commandId?: string;
  /** Give up after this long, connected or not; `Infinity` never does. Default one minute. */
  deadlineMs?: number;
}

/** An ack that has not come after this long may be lost: the command is sent again, with the same id. */
export const ACK_TIMEOUT_MS = 10_000;
export const DEADLINE_MS = 60_000;

interface Pending {
  name: string;
  payload: object;
  tries: number;
  settle(outcome: Ack<unknown>): void;
  retry?: ReturnType<typeof setTimeout>;
  deadline?: ReturnType<typeof setTimeout>;
}

/**
 * The commands that wait for their ack. Each carries a `commandId`, with which the server executes it once however often
 * it is sent; so each is repeated after a reconnect, after a silence and after a transient refusal, until it is
 * answered or its deadline passes.
 */
export class CommandQueue {
  readonly #socket: SocketLike;
  /** In the order of issue, which is the order of resending. */
  readonly #pending = new Map<string, Pending>();
  #closed: BatonError | undefined;

  constructor(socket: SocketLike) {
    this.#socket = socket;
  }

  get size(): number {
    return this.#pending.size;
  }

  send<Name extends CommandName>(
    name: Name,
    payload: Commands[Name]["payload"],
    options: CommandOptions = {},
  ): Promise<Reply<Commands[Name]["data"]>> {
    if (this.#closed) return Promise.reject(this.#closed);
    const commandId = options.commandId ?? newId();
    return new Promise((resolve, reject) => {
      const settle = (outcome: Ack<unknown>) => {
        const pending = this.#pending.get(commandId);
        if (!pending) return;
        clearTimeout(pending.retry);
        clearTimeout(pending.deadline);
        this.#pending.delete(commandId);
        if (!outcome.ok) return reject(new BatonError(outcome.error));
        const data = outcome.data as Commands[Name]["data"];
        resolve(outcome.seq === undefined ? { data } : { data, seq: outcome.seq });
      };
      const pending: Pending = { name, payload: { ...payload, commandId }, tries: 0, settle };
      const patience = options.deadlineMs ?? DEADLINE_MS;
      if (Number.isFinite(patience)) {
        pending.deadline = setTimeout(() => {
          const detail = "It may still take effect: look before you repeat it.";
          settle({ ok: false, error: localProblem("unavailable", "The server did not answer in time", detail) });
        }, patience);
      }
      this.#pending.set(commandId, pending);
      if (this.#socket.connected) this.#transmit(commandId);
    });
  }

  /** The socket is connected, perhaps again: whatever is unanswered goes out, in order. */
  resume(): void {
    for (const commandId of [...this.#pending.keys()]) this.#transmit(commandId);
  }

  /** No connection will come any more: everything unanswered fails with `error`, and so does whatever is sent later. */
  close(error: BatonError): void {
    this.#closed = error;
    for (const pending of [...this.#pending.values()]) pending.settle({ ok: false, error: error.problem });
  }

  #transmit(commandId: string): void {
    const pending = this.#pending.get(commandId);
    if (!pending) return;
    this.#retryIn(pending, commandId, ACK_TIMEOUT_MS);
    this.#socket.emit(pending.name, pending.payload, (ack: unknown) => {
      // An ack of an earlier sending counts as well: it is the same command.
      if (this.#pending.get(commandId) !== pending) return;
      const outcome = readAck(ack);
      if (!outcome.ok && isTransient(outcome.error)) {
        this.#retryIn(pending, commandId, backoffMs(pending.tries++));
      } else {
        pending.settle(outcome);
      }
    });
  }

  #retryIn(pending: Pending, commandId: string, delayMs: number): void {
    clearTimeout(pending.retry);
    pending.retry = setTimeout(() => {
      if (this.#socket.connected) this.#transmit(commandId);
    }, delayMs);
  }
}

/** An ack as the contract has it; anything else becomes a problem instead of an exception far away. */
export function readAck(ack: unknown): Ack<unknown> {
  if (typeof ack === "object" && ack !== null && "ok" in ack) {
    if (ack.ok === true && "data" in ack) return ack as Ack<unknown>;
    if (ack.ok === true) return { ok: true, data: null };
    if (ack.ok === false && "error" in ack && isProblem(ack.error)) return { ok: false, error: ack.error };
  }
  return { ok: false, error: localProblem("internal", "The server's answer is not understood") };
}
