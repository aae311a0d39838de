import { backoffMs } from "./backoff";
import { ACK_TIMEOUT_MS, type CommandOptions, CommandQueue, type Reply, readAck } from "./commands";
import type { CommandName, Commands, RoomEvent } from "./model";
import { BatonError, localProblem } from "./problem";
import { type RoomOptions, RoomSubscription } from "./room";
import { type Credentials, openSocket, type SocketLike } from "./socket";

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

/** Refusals of the handshake that trying again with the same credential cannot mend. */
const FINAL: ReadonlySet<string> = new Set(["unauthenticated", "forbidden", "not_found", "invalid_request"]);
/** A handshake that is neither accepted nor refused after this long is given up. */
const CONNECT_TIMEOUT_MS = 15_000;

/** One live session with the server: it reconnects by itself, resends commands, and puts its rooms back where they were. */
export class Connection {
  readonly #socket: SocketLike;
  readonly #commands: CommandQueue;
  readonly #rooms = new Set<RoomSubscription>();
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  /** Questions on the connection of the moment, which fail with it. */
  readonly #questions = new Set<(error: BatonError) => void>();
  readonly #random: () => number;
  #state: ConnectionState = { status: "connecting", since: Date.now() };
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #farewell: { code: string; reconnect: boolean } | undefined;

  constructor(options: ConnectionOptions) {
    const { url, socket, random, ...credentials } = options;
    this.#random = random ?? Math.random;
    this.#socket = socket ?? openSocket(url, credentials);
    this.#commands = new CommandQueue(this.#socket);
    this.#socket.on("connect", () => this.#connected());
    this.#socket.on("disconnect", (reason: string) => this.#lost(reason));
    this.#socket.on("connect_error", (error: Error) => this.#refused(error));
    this.#socket.onAny((name, data) => this.#incoming(name, data));
    this.#open();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  onState(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Sends a command until it is answered; a refusal is thrown as `BatonError`. */
  command<Name extends CommandName>(
    name: Name,
    payload: Commands[Name]["payload"],
    options?: CommandOptions,
  ): Promise<Reply<Commands[Name]["data"]>> {
    return this.#commands.send(name, payload, options);
  }

  /** Follows a room from now until the subscription is closed, over every reconnect. */
  room(roomId: string, options?: RoomOptions): RoomSubscription {
    const room = new RoomSubscription(roomId, (name, payload) => this.#ask(name, payload), (left) => this.#leave(left), options);
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

  close(): void {
    this.#end("closed");
  }

  #open(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
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
    this.#timer = setTimeout(() => this.#open(), backoffMs(this.#attempt++, this.#random));
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
    const problem = FINAL.has(code)
      ? localProblem("unauthenticated", "The server does not accept this key")
      : localProblem("unavailable", "The session has ended", `Ended with: ${code}.`);
    this.#commands.close(new BatonError(problem));
    this.#socket.disconnect();
  }

  #incoming(name: string, data: unknown): void {
    if (typeof data !== "object" || data === null) return;
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
    const delay = typeof data.reconnectInMs === "number" ? data.reconnectInMs : backoffMs(0, this.#random);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#socket.disconnect(), delay);
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

function lostConnection(): BatonError {
  return new BatonError(localProblem("unavailable", "There is no connection to the server"));
}

function isRoomEvent(data: object): data is RoomEvent {
  const { seq, type } = data as { seq?: unknown; type?: unknown };
  return typeof seq === "number" && typeof type === "string";
}
