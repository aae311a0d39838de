import { backoffMs } from "./backoff.js";
import type { CommandOptions, Reply } from "./commands.js";
import { iterate, type IterateOptions } from "./iterate.js";
import type { CommandName, Commands, JoinedRoom, Json, LogPage, Present, RoomEvent } from "./model.js";
import { BatonError, isTransient, toBatonError } from "./problem.js";
import { MessageStream } from "./stream.js";

/** `live` only when every event up to the head of the log has been handed to the listeners. */
export type RoomStatus = "offline" | "joining" | "catching_up" | "live" | "refused" | "closed";

export interface RoomListener {
  /** The next event of the log: always `seq` one above the last, except for the first after a start or a reset. */
  event?(event: RoomEvent): void;
  /** The log cannot be continued from where this client was: forget what was built from it; events start anew. */
  reset?(): void;
  joined?(joined: JoinedRoom): void;
  status?(status: RoomStatus, error?: BatonError): void;
  /** A signal without a place in the log: presence, typing, a token delta. */
  signal?(name: string, data: unknown): void;
}

export interface RoomOptions {
  /** Start after this event instead of with the last fifty. */
  since?: number;
}

/** What a room needs of its connection. */
export interface RoomLink {
  request<Name extends CommandName>(name: Name, payload: Commands[Name]["payload"]): Promise<Commands[Name]["data"]>;
  command<Name extends CommandName>(name: Name, payload: Commands[Name]["payload"], options?: CommandOptions): Promise<Reply<Commands[Name]["data"]>>;
}

/** A message to post; the body is Markdown. */
export type PostMessage = Omit<Commands["message:send"]["payload"], "roomId" | "body">;

/** Most events in one page of history that the contract allows. */
const PAGE = 500;
/** Live events held back while history is fetched; beyond it they are fetched as history too. */
const MOST_HELD = 5_000;

/**
 * One room's log, delivered in order, without gap and without repeat, whatever the network does.
 *
 * The whole position is `#last` (the seq of the last event delivered) and `#logId`. On every connection the room is
 * joined with them; the ack brings what follows, history what the ack left out, and live events wait in `#held` until
 * the one before them has been delivered. An event at or below `#last` is a repeat and dropped; one further ahead than
 * the next shows a gap, which is read from history.
 */
export class RoomSubscription {
  readonly roomId: string;
  readonly #link: RoomLink;
  readonly #onClose: (room: RoomSubscription) => void;
  readonly #listeners = new Set<RoomListener>();
  readonly #held = new Map<number, RoomEvent>();
  #since: number | undefined;
  #last: number | undefined;
  #origin: number | undefined;
  #logId: string | undefined;
  /** The highest seq known to exist. */
  #head = 0;
  #status: RoomStatus = "offline";
  #error: BatonError | undefined;
  /** Grows with every connection, loss and reset: an answer to a question of an earlier turn is ignored. */
  #turn = 0;
  #filling = false;

  constructor(roomId: string, link: RoomLink, onClose: (room: RoomSubscription) => void, options: RoomOptions = {}) {
    this.roomId = roomId;
    this.#link = link;
    this.#onClose = onClose;
    this.#since = options.since;
  }

  get status(): RoomStatus {
    return this.#status;
  }

  get error(): BatonError | undefined {
    return this.#error;
  }

  /** The seq of the last event delivered; undefined before the first join. */
  get lastSeq(): number | undefined {
    return this.#last;
  }

  /** The seq after which the first event was delivered; undefined before the first join, and again after a reset. */
  get origin(): number | undefined {
    return this.#origin;
  }

  subscribe(listener: RoomListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Older events than `before`, for reading back; they are not delivered to listeners. */
  async history(before: number, limit = PAGE): Promise<LogPage & { events: RoomEvent[] }> {
    return this.#link.request("room:history", { roomId: this.roomId, before, limit });
  }

  /** What came after `since`, oldest first, as far as one page holds; it is not delivered to listeners. */
  async after(since: number, limit = PAGE): Promise<LogPage & { events: RoomEvent[] }> {
    return this.#link.request("room:history", { roomId: this.roomId, since, limit });
  }

  /**
   * The room's events, in order, without gap or repeat, from where this subscription began, and then live until the room or
   * the signal ends it. Memory stays bounded: a reader that falls behind is fed from the log.
   */
  events(options?: IterateOptions): AsyncIterableIterator<RoomEvent> {
    return iterate(this, options);
  }

  /** Posts a message; the reply has its id and its place in the log. */
  post(body: string, more: PostMessage = {}, options?: CommandOptions): Promise<Reply<Commands["message:send"]["data"]>> {
    return this.#link.command("message:send", { ...more, roomId: this.roomId, body }, options);
  }

  /** Begins a message whose text comes bit by bit. */
  stream(more: PostMessage = {}): MessageStream {
    return new MessageStream(this.#link, this.roomId, more);
  }

  /** Tells the others that this client's user is typing, or no longer is. Ephemeral: lost without a connection. */
  async typing(typing: boolean): Promise<void> {
    await this.#link.request("typing:set", { roomId: this.roomId, typing }).catch(() => {});
  }

  /** Who is here now; what changes afterwards comes as the signal `presence.changed`. */
  async presence(): Promise<Present[]> {
    return (await this.#link.request("presence:list", { roomId: this.roomId })).participants;
  }

  /** Says up to where this client's user has read. */
  async markRead(seq: number): Promise<void> {
    await this.#link.command("room:read", { roomId: this.roomId, seq });
  }

  /** Sends `custom.<name>` to the room: an event of its log, or, `ephemeral`, a signal without a place in it. */
  async broadcast(name: string, data: Json, ephemeral = false): Promise<void> {
    await this.#link.command("event:broadcast", { roomId: this.roomId, name, data, ephemeral });
  }

  close(): void {
    if (this.#status === "closed") return;
    this.#turn++;
    this.#held.clear();
    this.#setStatus("closed");
    this.#listeners.clear();
    this.#onClose(this);
  }

  /** For the connection: the socket is connected, perhaps again. */
  connected(): void {
    if (this.#status === "closed") return;
    void this.#join(++this.#turn);
  }

  /** For the connection: the socket is gone. */
  disconnected(): void {
    if (this.#status === "closed" || this.#status === "refused") return;
    this.#turn++;
    this.#held.clear();
    this.#setStatus("offline");
  }

  /** For the connection: an event of this room has come. */
  receive(event: RoomEvent): void {
    if (this.#status !== "joining" && this.#status !== "catching_up" && this.#status !== "live") return;
    this.#head = Math.max(this.#head, event.seq);
    if (this.#held.size < MOST_HELD) this.#held.set(event.seq, event);
    if (this.#status === "joining") return;
    this.#drain();
    if (this.#behind() && !this.#filling) void this.#fill(this.#turn);
  }

  /** For the connection: a signal without seq has come. */
  signal(name: string, data: unknown): void {
    this.#tell((listener) => listener.signal?.(name, data));
  }

  async #join(turn: number): Promise<void> {
    this.#held.clear();
    this.#filling = false;
    this.#setStatus("joining");
    for (let attempt = 0; turn === this.#turn; attempt++) {
      try {
        const joined = await this.#link.request("room:join", { roomId: this.roomId, ...this.#position() });
        if (turn === this.#turn) this.#joined(joined);
        return;
      } catch (cause) {
        if (turn !== this.#turn) return;
        const error = toBatonError(cause);
        if (!isTransient(error.problem)) return this.#setStatus("refused", error);
        await wait(backoffMs(attempt));
      }
    }
  }

  #position(): { since?: number; logId?: string } {
    const since = this.#last ?? this.#since;
    return {
      ...(since === undefined ? {} : { since }),
      ...(this.#logId === undefined ? {} : { logId: this.#logId }),
    };
  }

  #joined(joined: JoinedRoom): void {
    const askedFor = this.#last ?? this.#since;
    const otherLog = this.#logId !== undefined && joined.logId !== this.#logId;
    if (askedFor !== undefined && (joined.reset || otherLog)) return this.#startOver();
    this.#logId = joined.logId;
    this.#head = joined.head;
    for (const seq of this.#held.keys()) this.#head = Math.max(this.#head, seq);
    this.#tell((listener) => listener.joined?.(joined));
    this.#last ??= this.#since ?? (joined.events[0] ? joined.events[0].seq - 1 : joined.head);
    this.#origin ??= this.#last;
    this.#setStatus("catching_up");
    for (const event of joined.events) this.#held.set(event.seq, event);
    this.#drain();
    void this.#fill(this.#turn);
  }

  #startOver(): void {
    this.#since = undefined;
    this.#last = undefined;
    this.#origin = undefined;
    this.#logId = undefined;
    this.#head = 0;
    this.#tell((listener) => listener.reset?.());
    void this.#join(++this.#turn);
  }

  /** Reads history until nothing is known to be missing. */
  async #fill(turn: number): Promise<void> {
    this.#filling = true;
    for (let idle = 0; turn === this.#turn && this.#behind(); ) {
      this.#setStatus("catching_up");
      const since = this.#last ?? 0;
      try {
        const page = await this.#link.request("room:history", { roomId: this.roomId, since, limit: PAGE });
        if (turn !== this.#turn) return;
        // What follows our place is gone, or belongs to another log.
        if (page.logId !== this.#logId || page.first > since + 1) return this.#startOver();
        for (const event of page.events) this.#held.set(event.seq, event);
        this.#drain();
        idle = this.#last === since ? idle + 1 : 0;
      } catch (cause) {
        if (turn !== this.#turn) return;
        const error = toBatonError(cause);
        if (!isTransient(error.problem)) return this.#setStatus("refused", error);
        idle++;
      }
      if (idle > 0 && this.#behind()) await wait(backoffMs(idle - 1));
    }
    if (turn !== this.#turn) return;
    this.#filling = false;
    this.#setStatus("live");
  }

  #behind(): boolean {
    return this.#last !== undefined && this.#last < this.#head;
  }

  /** Delivers what is held, as far as it runs without a gap, and drops repeats. */
  #drain(): void {
    for (;;) {
      if (this.#last === undefined || this.#held.size === 0) break;
      const next = this.#held.get(this.#last + 1);
      if (!next) break;
      this.#held.delete(next.seq);
      this.#last = next.seq;
      this.#tell((listener) => listener.event?.(next));
    }
    for (const seq of this.#held.keys()) if (this.#last !== undefined && seq <= this.#last) this.#held.delete(seq);
  }

  #setStatus(status: RoomStatus, error?: BatonError): void {
    if (this.#status === status && this.#error === error) return;
    this.#status = status;
    this.#error = error;
    this.#tell((listener) => listener.status?.(status, error));
  }

  /** One listener's failure is its own: it is reported, and the others still hear. */
  #tell(call: (listener: RoomListener) => void): void {
    for (const listener of [...this.#listeners]) {
      try {
        call(listener);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
