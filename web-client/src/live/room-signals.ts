import type { Connection, RoomEvent } from "@baton/client";

/** Text on its way, before the message that keeps it. */
export interface Stream {
  streamId: string;
  who: string;
  text: string;
}

export interface RoomSignalsState {
  /** Who types, by name. */
  typing: readonly string[];
  streams: readonly Stream[];
  /** Ids of the agents and people that are connected; undefined where the server does not tell. */
  present: ReadonlySet<string> | undefined;
}

interface Signal {
  actor?: { id: string; name?: string };
  data?: { typing?: boolean; streamId?: string; index?: number; text?: string; id?: string; online?: boolean; status?: string; present?: boolean };
}

/** Somebody who said nothing of it for so long types no more; a stream that fell silent has been given up. */
const TYPING_MS = 6_000;
const STREAM_MS = 60_000;
const TELL_MS = 60;
const MOST_STREAMS = 20;

interface Growing {
  who: string;
  pieces: string[];
  at: number;
}

/** What has no place in the log: who types, who is there, and text that streams in. */
export class RoomSignals {
  readonly #connection: Connection;
  readonly #roomId: string;
  readonly #listeners = new Set<() => void>();
  readonly #typing = new Map<string, { name: string; until: number }>();
  readonly #streams = new Map<string, Growing>();
  /** Streams whose message has come but is not shown yet. */
  readonly #kept = new Set<string>();
  #present: Set<string> | undefined;
  #state: RoomSignalsState = { typing: [], streams: [], present: undefined };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sweep: ReturnType<typeof setInterval> | undefined;

  constructor(connection: Connection, roomId: string) {
    this.#connection = connection;
    this.#roomId = roomId;
  }

  get state(): RoomSignalsState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** The room has been joined: signals were missed, so what is known of presence is asked for anew. */
  joined(): void {
    this.#typing.clear();
    type Presence = { participants?: (string | { id: string })[] };
    const asked = (this.#connection.command as unknown as (name: string, payload: object) => Promise<{ data: Presence }>)("presence:list", { roomId: this.#roomId });
    asked.then(
      ({ data }) => {
        const ids = (data.participants ?? []).map((each) => (typeof each === "string" ? each : each.id));
        if (ids.length > 0) {
          this.#present = new Set(ids);
          this.#tell();
        }
      },
      () => {},
    );
  }

  signal(name: string, raw: unknown): void {
    const { actor, data = {} } = raw as Signal;
    if (name === "typing.changed" && actor) {
      if (data.typing) this.#typing.set(actor.id, { name: actor.name || actor.id, until: Date.now() + TYPING_MS });
      else this.#typing.delete(actor.id);
    } else if (name === "message.delta" && data.streamId !== undefined && actor) {
      const stream = this.#streams.get(data.streamId) ?? { who: actor.name || actor.id, pieces: [], at: 0 };
      stream.pieces[data.index ?? stream.pieces.length] = data.text ?? "";
      stream.at = Date.now();
      this.#streams.set(data.streamId, stream);
      const oldest = this.#streams.keys().next().value;
      if (this.#streams.size > MOST_STREAMS && oldest !== undefined) this.#streams.delete(oldest);
    } else if (name === "presence.changed") {
      const id = data.id ?? actor?.id;
      if (id === undefined) return;
      const there = data.online ?? data.present ?? data.status !== "offline";
      this.#present ??= new Set();
      if (there) this.#present.add(id);
      else this.#present.delete(id);
    } else return;
    this.#tell();
  }

  /** A durable message ends its author's typing, and the stream that it keeps: that one as soon as the message is shown. */
  event({ type, data, actor }: RoomEvent): void {
    if (type !== "message.posted") return;
    if (typeof data.streamId === "string" && this.#streams.has(data.streamId)) this.#kept.add(data.streamId);
    if (this.#typing.delete(actor.id)) this.#tell();
  }

  /** All messages so far are shown in this moment, so that a text which streamed in is never gone between, nor there twice. */
  shown(): void {
    if (this.#kept.size === 0) return;
    for (const streamId of this.#kept) this.#streams.delete(streamId);
    this.#kept.clear();
    this.#show();
  }

  close(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#sweep);
    this.#listeners.clear();
  }

  #tell(): void {
    this.#timer ??= setTimeout(() => this.#show(), TELL_MS);
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const now = Date.now();
    for (const [id, { until }] of this.#typing) if (until < now) this.#typing.delete(id);
    for (const [id, { at }] of this.#streams) if (at + STREAM_MS < now) this.#streams.delete(id);
    this.#state = {
      typing: [...this.#typing.values()].map(({ name }) => name),
      streams: [...this.#streams].map(([streamId, { who, pieces }]) => ({ streamId, who, text: pieces.join("") })),
      present: this.#present && new Set(this.#present),
    };
    // What nobody ends ends by itself.
    if (this.#typing.size + this.#streams.size > 0) this.#sweep ??= setInterval(() => this.#tell(), 1_000);
    else {
      clearInterval(this.#sweep);
      this.#sweep = undefined;
    }
    for (const listener of [...this.#listeners]) listener();
  }
}
