import { io } from "socket.io-client";

/** What this client needs of a Socket.IO socket; a test passes a scripted one. */
export interface SocketLike {
  readonly connected: boolean;
  connect(): unknown;
  disconnect(): unknown;
  emit(event: string, ...args: unknown[]): unknown;
  on(event: string, listener: (...args: never[]) => void): unknown;
  onAny(listener: (event: string, ...args: unknown[]) => void): unknown;
}

export interface Credentials {
  token: string;
  workspaceId?: string;
  instanceId?: string;
}

/**
 * A stock socket that never reconnects by itself: `Connection` has the one policy for that, since it must also treat the
 * server's own farewells (`server.draining`, `session.closed`), which the stock policy does not know.
 * WebSocket comes first, because long-polling needs sticky sessions behind a load balancer.
 */
export function openSocket(url: string | undefined, credentials: Credentials): SocketLike {
  const options = {
    autoConnect: false,
    reconnection: false,
    forceNew: true,
    timeout: 10_000,
    transports: ["websocket", "polling"],
    tryAllTransports: true,
    auth: { ...credentials },
  };
  return url === undefined ? io(options) : io(url, options);
}
