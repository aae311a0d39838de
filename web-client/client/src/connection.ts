import { backoffMs } from "./backoff.js";
import { ACK_TIMEOUT_MS, type CommandOptions, CommandQueue, type Reply, readAck } from "./commands.js";
import type { CommandName, Commands, RoomEvent, Signals } from "./model.js";
import { BatonError, localProblem } from "./problem.js";
import { type RoomOptions, RoomSubscription } from "./room.js";
import { type Credentials, openSocket, type SocketLike, type Token, tokenNow } from "./socket.js";

/** Times are milliseconds since the epoch, of this machine's clock. */
export type ConnectionState =
  | { status: "connecting"; since: number }
  | { status: "live"; since: number; draining: boolean }
  | { status: "offline"; since: number; reason: string }
  /** It will not be tried again: the credential is refused, or the server or the caller has ended the session. */
  | { status: "closed"; since: number; code: string };

export interface ConnectionOptions extends Credentials {
  /** Where the server is; by default the origin of the page. */
  url?: string;
  socket?: SocketLike;
  random?: () => number;
}

/** Receives what the server tells this client alone; `acknowledge` says that it was taken. */
export type SignalListener<Name extends keyof Signals> = (data: Signals[Name], acknowledge: () => void) => void;

/** Refusals of the handshake that trying again with the same credential cannot mend. */
const FINAL: ReadonlySet<string> = new Set(["unauthenticated", "forbidden", "not_found", "invalid_request"]);
/** A handshake that is neither accepted nor refused after this long is given up. */
const CONNECT_TIMEOUT_MS = 15_000;
/** A server that asks for more patience than this is not waited for. */
const MOST_DRAIN_MS = 30_000;

/**
 * One live session with the server: it reconnects by itself, resends commands, and puts its rooms back where they were.
 *
 * It begins to connect at once and goes on until `close`, or until the server says that coming back is of no use: a refused
 * or revoked credential, an expired one, or a session that another has replaced.
 */
export class Connection {
  readonly #socket: SocketLike;
  readonly #commands: CommandQueue;
  readonly #rooms = new Set<RoomSubscription>();
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  /** Questions on the connection of the moment, which fail with it. */
  readonly #questions = new Set<(error: BatonError) => void>();
  readonly #signals = new Map<string, Set<(data: never, acknowledge: () => void) => void>>();
  readonly #token: Token;
  readonly #handshake: { workspaceId?: string; instanceId?: string };
  readonly #random: () => number;
  #state: ConnectionState = { status: "connecting", since: Date.now() };
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** For how long the server, before it stopped, said that its clients may take to come back. */
  #drainMs = 0;
  #farewell: { code: string; reconnect: boolean } | undefined;

  constructor(options: ConnectionOptions) {
    const { url, socket, random, token, ...handshake } = options;
    this.#random = random ?? Math.random;
    this.#token = token;
    this.#handshake = handshake;
    this.#socket = socket ?? openSocket(url);
    this.#commands = new CommandQueue(this.#socket);
    this.#socket.on("connect", () => this.#connected());
    this.#socket.on("disconnect", (reason: string) => this.#lost(reason));
    this.#socket.on("connect_error", (error: Error) => this.#refused(error));
    this.#socket.onAny((name, data, acknowledge) => this.#incoming(name, data, acknowledge));
    this.#open();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Hears every change of state; gives the way to stop that. */
  onState(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves once the connection is live, at once if it is; fails when it ends before. */
  live(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settled = (state: ConnectionState) => {
        if (state.status === "live") resolve();
        else if (state.status === "closed") reject(endedBy(state.code));
        return state.status === "live" || state.status === "closed";
      };
      if (settled(this.#state)) return;
      const stop = this.onState((state) => settled(state) && stop());
    });
  }

  /** Hears what the server tells this client alone, such as `work.offered`; gives the way to stop that. */
  on<Name extends keyof Signals & string>(name: Name, listener: SignalListener<Name>): () => void {
    const listeners = this.#signals.get(name) ?? new Set();
    this.#signals.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * Sends a command until it is answered: again after a reconnect, after a silence and after a refusal for the moment, always
   * under the same `commandId`, so that it takes effect once. A refusal is thrown as `BatonError`.
   */
  command<Name extends CommandName>(
    name: Name,
    payload: Commands[Name]["payload"],
    options?: CommandOptions,
  ): Promise<Reply<Commands[Name]["data"]>> {
    return this.#commands.send(name, payload, options);
  }

  /**
   * Asks once, on the connection of the moment, and fails with it: for what has no meaning on another connection, or is not
   * worth repeating. It carries no `commandId`.
   */
  request<Name extends CommandName>(name: Name, payload: Commands[Name]["payload"]): Promise<Commands[Name]["data"]> {
    return this.#ask(name, payload);
  }

  /** Follows a room from now until the subscription is closed, over every reconnect. */
  room(roomId: string, options?: RoomOptions): RoomSubscription {
    const room = new RoomSubscription(roomId, this, (left) => this.#leave(left), options);
    this.#rooms.add(room);
    // In a microtask, so that the caller's listeners are there before the first event is.
    queueMicrotask(() => {
      if (this.#rooms.has(room) && this.#socket.connected && room.status === "offline") room.connected();
    });
    return room;
  }

  /** The network may be back: do not sit out the rest of the pause. */
  nudge(): void {
    if (this.#state.status === "offline" && this.#timer !== undefined) this.#open();
  }

  /** Ends the session for good; commands without an answer fail. */
  close(): void {
    this.#end("closed");
  }

  #open(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (typeof this.#token === "string") return this.#dial(this.#token);
    // A token of its own for each connection; while it is fetched a `nudge` must not fetch another.
    tokenNow(this.#token).then(
      (token) => this.#state.status !== "closed" && this.#dial(token),
      (error: unknown) => this.#lost(`no token: ${error instanceof Error ? error.message : String(error)}`),
    );
  }

  #dial(token: string): void {
    this.#socket.auth = { token, ...this.#handshake };
    this.#socket.connect();
    this.#timer = setTimeout(() => {
      this.#socket.disconnect();
      this.#lost("no answer");
    }, CONNECT_TIMEOUT_MS);
  }

  #connected(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#attempt = 0;
    this.#farewell = undefined;
    this.#setState({ status: "live", since: Date.now(), draining: false });
    for (const room of [...this.#rooms]) room.connected();
    this.#commands.resume();
  }

  #refused(error: Error): void {
    if (FINAL.has(error.message)) this.#end(error.message);
    else this.#lost(error.message);
  }

  #lost(reason: string): void {
    if (this.#state.status === "closed") return;
    this.#interrupt();
    if (this.#farewell && !this.#farewell.reconnect) return this.#end(this.#farewell.code);
    const since = this.#state.status === "offline" ? this.#state.since : Date.now();
    this.#setState({ status: "offline", since, reason: this.#farewell?.code ?? reason });
    clearTimeout(this.#timer);
    // The clients of a server that is being stopped come back one by one, not all in the moment in which it closed them.
    const spread = this.#attempt === 0 ? this.#drainMs * this.#random() : 0;
    this.#drainMs = 0;
    this.#timer = setTimeout(() => this.#open(), spread + backoffMs(this.#attempt++, this.#random));
  }

  #interrupt(): void {
    for (const fail of [...this.#questions]) fail(lostConnection());
    for (const room of [...this.#rooms]) room.disconnected();
  }

  #end(code: string): void {
    if (this.#state.status === "closed") return;
    clearTimeout(this.#timer);
    this.#setState({ status: "closed", since: Date.now(), code });
    this.#interrupt();
    this.#commands.close(endedBy(code));
    this.#socket.disconnect();
  }

  #incoming(name: string, data: unknown, acknowledge: unknown): void {
    if (typeof data !== "object" || data === null) return;
    const taken = typeof acknowledge === "function" ? () => void acknowledge({ ok: true }) : () => {};
    for (const listener of [...(this.#signals.get(name) ?? [])]) listener(data as never, taken);
    if (name === "server.draining") return this.#draining(data);
    if (name === "session.closed") return this.#sessionClosed(data);
    const roomId = (data as { roomId?: unknown }).roomId;
    for (const room of [...this.#rooms]) {
      if (room.roomId !== roomId) continue;
      if (isRoomEvent(data)) room.receive(data);
      else room.signal(name, data);
    }
  }

  /** The server is about to stop: stay while it lasts, then come back, to it or to another node. */
  #draining(data: { reconnectInMs?: unknown }): void {
    if (this.#state.status !== "live") return;
    this.#setState({ ...this.#state, draining: true });
    const within = typeof data.reconnectInMs === "number" ? Math.min(Math.max(0, data.reconnectInMs), MOST_DRAIN_MS) : backoffMs(0, this.#random);
    this.#drainMs = within;
    clearTimeout(this.#timer);
    // Spread over the second half of the time that there is.
    this.#timer = setTimeout(() => {
      this.#drainMs = 0;
      this.#socket.disconnect();
    }, within * (1 - this.#random() / 2));
  }

  #sessionClosed(data: { code?: unknown; reconnect?: unknown }): void {
    this.#farewell = { code: typeof data.code === "string" ? data.code : "closed", reconnect: data.reconnect !== false };
    if (!this.#farewell.reconnect) this.#end(this.#farewell.code);
  }

  /** A question that has no meaning on another connection, so it is asked once and never carries a `commandId`. */
  #ask<Name extends CommandName>(name: Name, payload: Commands[Name]["payload"]): Promise<Commands[Name]["data"]> {
    if (!this.#socket.connected) return Promise.reject(lostConnection());
    return new Promise((resolve, reject) => {
      const fail = (error: BatonError) => {
        clearTimeout(timer);
        this.#questions.delete(fail);
        reject(error);
      };
      const timer = setTimeout(
        () => fail(new BatonError(localProblem("unavailable", "The server did not answer in time"))),
        ACK_TIMEOUT_MS,
      );
      this.#questions.add(fail);
      this.#socket.emit(name, payload, (answer: unknown) => {
        if (!this.#questions.has(fail)) return;
        const ack = readAck(answer);
        if (!ack.ok) return fail(new BatonError(ack.error));
        clearTimeout(timer);
        this.#questions.delete(fail);
        resolve(ack.data as Commands[Name]["data"]);
      });
    });
  }

  #leave(left: RoomSubscription): void {
    this.#rooms.delete(left);
    const stillFollowed = [...this.#rooms].some((room) => room.roomId === left.roomId);
    if (this.#socket.connected && !stillFollowed) {
      this.#socket.emit("room:leave", { roomId: left.roomId }, () => {});
    }
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

function endedBy(code: string): BatonError {
  return new BatonError(
    FINAL.has(code)
      ? localProblem("unauthenticated", "The server does not accept this key", `It was refused with: ${code}.`)
      : localProblem("unavailable", "The session has ended", `Ended with: ${code}.`),
  );
}

function lostConnection(): BatonError {
  return new BatonError(localProblem("unavailable", "There is no connection to the server"));
}

function isRoomEvent(data: object): data is RoomEvent {
  const { seq, type } = data as { seq?: unknown; type?: unknown };
  return typeof seq === "number" && typeof type === "string";
}
