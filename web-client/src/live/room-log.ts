import type { BatonError, Connection, RoomEvent, RoomStatus, RoomSubscription } from "@baton/client";
import { toBatonError } from "@baton/client";
import { EventIndex } from "../room/index-of-events";
import { RoomSignals } from "./room-signals";

export interface RoomLogState {
  /** A run of the log without a gap. */
  events: readonly RoomEvent[];
  status: RoomStatus;
  /** Whether something was delivered or found empty: before it, an empty list means nothing. */
  known: boolean;
  /** Whether the log has events before the run. */
  earlier: boolean;
  loadingEarlier: boolean;
  /** False once the reader has gone so far back that the newest events were let go. */
  atHead: boolean;
  /** The event that was sought last: it is among those shown, if it is still kept. */
  sought?: number;
  error?: BatonError;
}

export const EMPTY_LOG: RoomLogState = { events: [], status: "offline", known: false, earlier: false, loadingEarlier: false, atHead: true };

/** So many events are kept in memory; beyond it those furthest from the reader are let go, and fetched again when wanted. */
const MOST = 12_000;
/** So many of them at once, so that it is rare. */
const LET_GO = 2_000;
/** Taking in a page is work of one frame. */
const PAGE = 200;
/** Where nobody looks on while it is fetched. */
const FAR_PAGE = 500;
/** A flood is one rendering per so many milliseconds at most, and never one before the last has been painted. */
const TELL_MS = 60;

/** A run of one room's log for showing it: from some event up to the newest, growing at both ends. */
export class RoomLog {
  readonly signals: RoomSignals;
  readonly index = new EventIndex();
  readonly #subscription: RoomSubscription;
  readonly #listeners = new Set<() => void>();
  #state = EMPTY_LOG;
  #arrived: RoomEvent[] = [];
  #changed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Grows with every reset: an older page of another log is ignored. */
  #turn = 0;
  /** What is to be sought as soon as there is a log to seek in. */
  #wanted: number | undefined;

  constructor(connection: Connection, roomId: string) {
    this.signals = new RoomSignals(connection, roomId);
    this.#subscription = connection.room(roomId);
    this.#subscription.subscribe({
      event: (event) => {
        this.signals.event(event);
        // A reader who is far back will fetch the newest again anyway.
        if (!this.#state.atHead && this.#arrived.length >= PAGE) this.#arrived.shift();
        this.#arrived.push(event);
        this.#tell();
      },
      reset: () => {
        this.#turn++;
        this.#arrived = [];
        this.index.clear();
        this.#set({ events: [], known: false, earlier: false, loadingEarlier: false, atHead: true });
      },
      signal: (name, data) => this.signals.signal(name, data),
      status: (status, error) => {
        if (status === "live") {
          this.signals.joined();
          // Whoever looks between now and the next telling must not see an empty room that is not.
          this.#take();
        }
        this.#set({ status, known: this.#state.known || status === "live", ...(error ? { error } : {}) });
        if (status === "live" && this.#wanted !== undefined) void this.seek(this.#wanted);
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

  /** Goes so far back that an event is among those shown. What lies between stays: edits of what is old are among what is new. */
  readonly seek = async (seq: number): Promise<void> => {
    this.#wanted = seq;
    if (this.#state.status !== "live") return;
    for (let from = this.#state.events[0]?.seq ?? 0; from > seq && this.#state.earlier; from = this.#state.events[0]?.seq ?? 0) {
      await this.loadEarlier(FAR_PAGE);
      if (this.#wanted !== seq) return;
      // There is no connection: what is here is shown, and the next one goes on.
      if (this.#state.events[0]?.seq === from) return this.#set({ sought: seq });
    }
    this.#wanted = undefined;
    this.#set({ sought: seq });
  };

  /** Fetches the page before the oldest event shown, if there is one. */
  readonly loadEarlier = async (size = PAGE): Promise<void> => {
    const oldest = this.#state.events[0];
    if (!oldest || oldest.seq <= 1 || this.#state.loadingEarlier || !this.#state.earlier) return;
    const turn = this.#turn;
    this.#set({ loadingEarlier: true });
    try {
      const page = await this.#subscription.history(oldest.seq, size);
      if (turn !== this.#turn) return;
      const events = page.events.filter((event) => event.seq < oldest.seq);
      const all = [...events, ...this.#state.events];
      const kept = all.length > MOST ? all.slice(0, MOST - LET_GO) : all;
      this.index.add(events);
      this.index.remove(all.slice(kept.length));
      const atHead = this.#state.atHead && kept.length === all.length;
      const first = kept[0]?.seq ?? 1;
      this.#set({ events: kept, loadingEarlier: false, earlier: events.length > 0 && first > Math.max(1, page.first), atHead });
    } catch {
      // There is no connection: it can be asked for again when there is one.
      if (turn === this.#turn) this.#set({ loadingEarlier: false });
    }
  };

  /** Back to the newest events, after having gone so far that they were let go. */
  readonly toHead = async (): Promise<void> => {
    if (this.#state.atHead) return;
    const turn = ++this.#turn;
    const last = this.#subscription.lastSeq ?? 0;
    try {
      const page = await this.#subscription.history(last + 1, PAGE);
      if (turn !== this.#turn) return;
      // What came while the page was on its way has been let go too: take it from the subscription's own run.
      const events = [...page.events, ...this.#arrived.filter((event) => event.seq > last)];
      this.#arrived = [];
      this.index.clear();
      this.index.add(events);
      this.#set({ events, atHead: true, earlier: (events[0]?.seq ?? 1) > 1, loadingEarlier: false });
    } catch (error) {
      this.#set({ error: toBatonError(error) });
    }
  };

  close(): void {
    clearTimeout(this.#timer);
    this.#subscription.close();
    this.signals.close();
    this.#listeners.clear();
  }

  #set(change: Partial<RoomLogState>): void {
    this.#state = { ...this.#state, ...change };
    this.#changed = true;
    this.#tell();
  }

  #tell(): void {
    this.#timer ??= setTimeout(() => {
      this.#take();
      this.#changed = false;
      this.signals.shown();
      for (const listener of [...this.#listeners]) listener();
      // Hands over what came meanwhile only after this has been painted: what a person does goes in between.
      painted(() => {
        this.#timer = undefined;
        if (this.#changed || (this.#arrived.length > 0 && this.#state.atHead)) this.#tell();
      });
    }, TELL_MS);
  }

  #take(): void {
    if (this.#arrived.length === 0 || !this.#state.atHead) return;
    const all = [...this.#state.events, ...this.#arrived];
    this.index.add(this.#arrived);
    this.#arrived = [];
    const events = all.length > MOST ? all.slice(all.length - MOST + LET_GO) : all;
    if (events.length < all.length) this.index.remove(all.slice(0, all.length - events.length));
    this.#state = { ...this.#state, events, earlier: (events[0]?.seq ?? 1) > 1 };
  }
}

/** Calls back after the next frame has been drawn; a page in the background draws none, so there at once. */
function painted(then: () => void): void {
  if (typeof document === "undefined" || document.hidden) then();
  else requestAnimationFrame(() => setTimeout(then));
}
