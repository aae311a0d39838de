import {
  type BatonError,
  type Connection,
  type RoomEvent,
  type RoomStatus,
  type RoomSubscription,
  toBatonError,
} from "@baton/client";

/** What `apply` gives for an event that it cannot fold into what it has: the snapshot is fetched again. */
export const RELOAD = Symbol("reload");

export interface LiveSource<State> {
  /** The room whose events change the state. */
  room(): Promise<string>;
  /** The state as the server has it now. */
  load(): Promise<State>;
  apply(state: State, event: RoomEvent): State | typeof RELOAD;
}

export interface LiveState<State> {
  status: "loading" | "ready" | "failed";
  data?: State;
  error?: BatonError;
  room: RoomStatus;
}

const RETRY_MS = 2_000;

/**
 * A snapshot over REST, kept current by a room's events.
 *
 * The snapshot is asked for after the room has been joined, so it holds at least every event up to the head that the
 * join told; those are skipped, and later ones wait until it is there. It may already hold some of the later ones too:
 * events say what a field is, not how it changed, so applying one twice, in order, ends at the same state.
 */
export class LiveStore<State> {
  readonly #connection: Connection;
  readonly #source: LiveSource<State>;
  readonly #listeners = new Set<() => void>();
  #state: LiveState<State> = { status: "loading", room: "offline" };
  #subscription: RoomSubscription | undefined;
  /** Events at or below are in the snapshot; undefined until the room is joined. */
  #floor: number | undefined;
  #waiting: RoomEvent[] | undefined = [];
  #loads = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #told = false;

  constructor(connection: Connection, source: LiveSource<State>) {
    this.#connection = connection;
    this.#source = source;
    void this.#open();
  }

  get state(): LiveState<State> {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Takes in what another answer of the server has told, such as the reply to a command. */
  update(change: (state: State) => State): void {
    if (this.#state.data !== undefined) this.#set({ data: change(this.#state.data) });
  }

  /** Fetches the snapshot again, after a failure. */
  readonly reload = (): void => {
    clearTimeout(this.#retry);
    if (this.#subscription) void this.#load();
    else void this.#open();
  };

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#subscription?.close();
    this.#listeners.clear();
  }

  async #open(): Promise<void> {
    try {
      const roomId = await this.#source.room();
      if (this.#closed || this.#subscription) return;
      this.#subscription = this.#connection.room(roomId);
      this.#subscription.subscribe({
        joined: (joined) => {
          if (this.#floor !== undefined) return;
          this.#floor = joined.head;
          void this.#load();
        },
        reset: () => {
          this.#floor = undefined;
          this.#waiting = [];
        },
        event: (event) => this.#receive(event),
        status: (room, error) => {
          this.#set({ room });
          if (room === "refused" && error) this.#fail(error);
        },
      });
    } catch (error) {
      this.#fail(toBatonError(error));
    }
  }

  #receive(event: RoomEvent): void {
    if (this.#floor === undefined || event.seq <= this.#floor) return;
    if (this.#waiting) this.#waiting.push(event);
    else this.#apply([event]);
  }

  #apply(events: RoomEvent[]): void {
    let data = this.#state.data as State;
    for (const event of events) {
      const next = this.#source.apply(data, event);
      if (next === RELOAD) return void this.#load();
      data = next;
    }
    if (data !== this.#state.data) this.#set({ data });
  }

  async #load(): Promise<void> {
    const load = ++this.#loads;
    this.#waiting ??= [];
    try {
      const data = await this.#source.load();
      if (this.#closed || load !== this.#loads || this.#floor === undefined) return;
      const waiting = this.#waiting ?? [];
      this.#waiting = undefined;
      this.#state = { status: "ready", data, room: this.#state.room };
      this.#tell();
      this.#apply(waiting);
    } catch (error) {
      if (!this.#closed && load === this.#loads) this.#fail(toBatonError(error));
    }
  }

  #fail(error: BatonError): void {
    this.#set({ status: this.#state.data === undefined ? "failed" : this.#state.status, error });
    clearTimeout(this.#retry);
    if (error.problem.retryable) this.#retry = setTimeout(this.reload, RETRY_MS);
  }

  #set(change: Partial<LiveState<State>>): void {
    this.#state = { ...this.#state, ...change };
    this.#tell();
  }

  /** Once for a run of events, not for each. */
  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    queueMicrotask(() => {
      this.#told = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
