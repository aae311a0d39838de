import { io } from "socket.io-client";

/** What this client needs of a Socket.IO socket; a test passes a scripted one. */
export interface SocketLike {
  /** What the handshake carries; set before each `connect`. */
  auth?: unknown;
  readonly connected: boolean;
  connect(): unknown;
  disconnect(): unknown;
  emit(event: string, ...args: unknown[]): unknown;
  on(event: string, listener: (...args: never[]) => void): unknown;
  onAny(listener: (event: string, ...args: unknown[]) => void): unknown;
}

/** A key or a token, or how to get one: asked for anew at every connection, as short-lived and single-use tokens need. */
export type Token = string | (() => string | Promise<string>);

export interface Credentials {
  token: Token;
  /** Which workspace, for a credential of several. */
  workspaceId?: string;
  /** Which running copy of an agent this is; the same after a restart, where it is to go on with its work. */
  instanceId?: string;
}

/** The token of this moment. */
export async function tokenNow(token: Token): Promise<string> {
  return typeof token === "function" ? token() : token;
}

/**
 * A stock socket that never reconnects by itself: `Connection` has the one policy for that, since it must also treat the
 * server's own farewells (`server.draining`, `session.closed`), which the stock policy does not know.
 * WebSocket comes first, because long-polling needs sticky sessions behind a load balancer.
 */
export function openSocket(url: string | undefined): SocketLike {
  const options = {
    autoConnect: false,
    reconnection: false,
    forceNew: true,
    timeout: 10_000,
    transports: ["websocket", "polling"],
    tryAllTransports: true,
  };
  return url === undefined ? io(options) : io(url, options);
}
