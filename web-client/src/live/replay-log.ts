import { BatonError, type Connection, localProblem, type RoomEvent, type RoomSubscription } from "@baton/client";
import { applyEvent, type ProcessState } from "./replay";

export interface ReplayLogState {
  events: readonly RoomEvent[];
  /** Whether all that has happened so far is here. */
  ready: boolean;
  error?: BatonError;
}

/** A longer log is not replayed in a page: it would take the memory of the tab. */
const MOST = 50_000;
/** A state is kept after so many events; one in between is folded from it. */
const EVERY = 100;
const TELL_MS = 60;

/** A process's whole log, and the process as it was after any of its events. */
export class ReplayLog {
  readonly #subscription: RoomSubscription;
  readonly #listeners = new Set<() => void>();
  #events: RoomEvent[] = [];
  #kept: (ProcessState | undefined)[] = [];
  #last: ProcessState | undefined;
  #state: ReplayLogState = { events: [], ready: false };
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(connection: Connection, roomId: string) {
    this.#subscription = connection.room(roomId, { since: 0 });
    this.#subscription.subscribe({
      joined: ({ head, first }) => {
        if (first > 1) this.#fail("The beginning of this log is no longer kept", "A process can be shown as it was only while its whole log is there.");
        else if (head > MOST) this.#fail("This log is too long to be replayed here", `It has ${head} events, more than ${MOST}.`);
      },
      event: (event) => {
        this.#events.push(event);
        this.#last = applyEvent(this.#last, event);
        if (this.#events.length % EVERY === 0) this.#kept.push(this.#last);
        this.#tell();
      },
      reset: () => {
        this.#events = [];
        this.#kept = [];
        this.#last = undefined;
        this.#state = { events: [], ready: false };
        this.#tell();
      },
      status: (status, error) => {
        this.#state = { ...this.#state, ready: this.#state.ready || status === "live", ...(error ? { error } : {}) };
        this.#tell();
      },
    });
  }

  get state(): ReplayLogState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** The process after the event with this seq; none before it was created. */
  at(seq: number): ProcessState | undefined {
    const count = Math.min(Math.max(0, seq), this.#events.length);
    const checkpoint = Math.floor(count / EVERY);
    let state = checkpoint > 0 ? this.#kept[checkpoint - 1] : undefined;
    for (const event of this.#events.slice(checkpoint * EVERY, count)) state = applyEvent(state, event);
    return state;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#subscription.close();
    this.#listeners.clear();
  }

  #fail(title: string, detail: string): void {
    this.#subscription.close();
    this.#state = { ...this.#state, error: new BatonError(localProblem("conflict", title, detail)) };
    this.#tell();
  }

  #tell(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#state.events.length !== this.#events.length) this.#state = { ...this.#state, events: [...this.#events] };
      for (const listener of [...this.#listeners]) listener();
    }, TELL_MS);
  }
}
