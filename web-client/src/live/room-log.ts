import type { BatonError, Connection, RoomEvent, RoomStatus, RoomSubscription } from "@baton/client";

export interface RoomLogState {
  events: readonly RoomEvent[];
  status: RoomStatus;
  /** Whether something was delivered or found empty: before it, an empty list means nothing. */
  known: boolean;
  error?: BatonError;
}

/** The events of one room for showing them: a growing list, started over when the log is. */
export class RoomLog {
  readonly #subscription: RoomSubscription;
  readonly #listeners = new Set<() => void>();
  #state: RoomLogState = { events: [], status: "offline", known: false };
  #arrived: RoomEvent[] = [];
  #told = false;

  /** `since`: 0 for the whole log; without it the last fifty events and what follows. */
  constructor(connection: Connection, roomId: string, since?: number) {
    this.#subscription = connection.room(roomId, since === undefined ? {} : { since });
    this.#subscription.subscribe({
      event: (event) => {
        this.#arrived.push(event);
        this.#tell();
      },
      reset: () => {
        this.#arrived = [];
        this.#state = { ...this.#state, events: [], known: false };
        this.#tell();
      },
      status: (status, error) => {
        this.#state = { ...this.#state, status, known: this.#state.known || status === "live", ...(error ? { error } : {}) };
        this.#tell();
      },
    });
  }

  get state(): RoomLogState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  close(): void {
    this.#subscription.close();
    this.#listeners.clear();
  }

  /** Once for a page of events, so that a thousand of them are one rendering. */
  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    queueMicrotask(() => {
      this.#told = false;
      if (this.#arrived.length > 0) {
        this.#state = { ...this.#state, events: [...this.#state.events, ...this.#arrived] };
        this.#arrived = [];
      }
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
