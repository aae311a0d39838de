import type { SocketLike } from "../src/socket.js";

type Handler = (payload: Record<string, unknown>) => unknown;

interface Sent {
  name: string;
  payload: Record<string, unknown>;
  ack: (answer: unknown) => void;
  answered: boolean;
}

/**
 * A socket whose other end is the test: it says when the network is there, sees what is sent, and answers by hand or by
 * a handler per command, which may be a promise. An answer never comes within the call, as a real one's never does.
 */
export class FakeSocket implements SocketLike {
  auth?: unknown;
  connected = false;
  /** Calls of `connect` that the test has not yet answered. */
  dialling = 0;
  readonly sent: Sent[] = [];
  readonly #handlers = new Map<string, Handler>();
  readonly #listeners = new Map<string, ((...args: never[]) => void)[]>();
  #any: (event: string, ...args: unknown[]) => void = () => {};

  connect(): void {
    this.dialling++;
  }

  disconnect(): void {
    this.drop("io client disconnect");
  }

  emit(name: string, ...args: unknown[]): void {
    if (!this.connected) throw new Error(`${name} was sent without a connection`);
    const [payload, ack] = args as [Record<string, unknown>, (answer: unknown) => void];
    const sent: Sent = { name, payload, ack, answered: false };
    this.sent.push(sent);
    const handler = this.#handlers.get(name);
    if (handler) void Promise.resolve(payload).then(handler).then((answer) => this.answer(sent, answer));
  }

  on(event: string, listener: (...args: never[]) => void): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }

  onAny(listener: (event: string, ...args: unknown[]) => void): void {
    this.#any = listener;
  }

  // ---- the other end ----

  open(): void {
    this.dialling = 0;
    this.connected = true;
    this.#fire("connect");
  }

  refuse(code: string): void {
    this.dialling = 0;
    this.#fire("connect_error", new Error(code));
  }

  /** The network goes: whatever is unanswered stays so. */
  drop(reason = "transport close"): void {
    if (!this.connected) return;
    this.connected = false;
    for (const sent of this.sent) sent.answered = true;
    this.#fire("disconnect", reason);
  }

  push(name: string, data: unknown, acknowledge?: (answer: unknown) => void): void {
    this.#any(name, data, acknowledge);
  }

  handle(name: string, handler: Handler): void {
    this.#handlers.set(name, handler);
  }

  answer(sent: Sent, answer: unknown): void {
    if (sent.answered) return;
    sent.answered = true;
    sent.ack(answer);
  }

  /** The last command of this name that has been sent. */
  last(name: string): Sent {
    const found = this.sent.findLast((sent) => sent.name === name);
    if (!found) throw new Error(`${name} was never sent`);
    return found;
  }

  count(name: string): number {
    return this.sent.filter((sent) => sent.name === name).length;
  }

  #fire(event: string, ...args: unknown[]): void {
    for (const listener of this.#listeners.get(event) ?? []) (listener as (...args: unknown[]) => void)(...args);
  }
}
