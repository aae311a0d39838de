import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, type ConnectionState } from "../src/connection.js";
import { FakeSocket } from "./fake-socket.js";

describe("a connection", () => {
  let socket: FakeSocket;
  let connection: Connection;
  let states: ConnectionState[];

  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
    socket = new FakeSocket();
    connection = new Connection({ token: "k", socket, random: () => 0 });
    states = [];
    connection.onState((state) => states.push(state));
  });
  afterEach(() => {
    connection.close();
    vi.useRealTimers();
  });

  const statuses = () => states.map((state) => state.status);

  it("is live once the server has accepted it", () => {
    expect(connection.state.status).toBe("connecting");
    socket.open();
    expect(connection.state).toEqual({ status: "live", since: 1_000_000, draining: false });
  });

  it("keeps saying since when it is offline, however often it tries", async () => {
    socket.open();
    socket.drop("ping timeout");
    expect(connection.state).toEqual({ status: "offline", since: 1_000_000, reason: "ping timeout" });
    await vi.advanceTimersByTimeAsync(200);
    expect(socket.dialling).toBe(1);
    socket.refuse("websocket error");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(connection.state).toMatchObject({ status: "offline", since: 1_000_000 });
    expect(socket.dialling).toBe(1);
    socket.open();
    expect(connection.state.status).toBe("live");
  });

  it("waits longer after each failure, up to five seconds", async () => {
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      socket.refuse("websocket error");
      const from = Date.now();
      while (socket.dialling === 0) await vi.advanceTimersByTimeAsync(25);
      waits.push(Date.now() - from);
    }
    expect(waits).toEqual([125, 250, 500, 1000, 2000, 2500, 2500, 2500]);
  });

  it("gives up on a server that does not answer the handshake, and tries again", async () => {
    await vi.advanceTimersByTimeAsync(15_000);
    expect(connection.state).toMatchObject({ status: "offline", reason: "no answer" });
    await vi.advanceTimersByTimeAsync(500);
    expect(socket.dialling).toBe(2);
  });

  it("tries at once when told that the network is back", async () => {
    for (let attempt = 0; attempt < 6; attempt++) {
      socket.refuse("websocket error");
      if (attempt < 5) await vi.advanceTimersByTimeAsync(5_000);
    }
    expect(socket.dialling).toBe(0);
    connection.nudge();
    expect(socket.dialling).toBe(1);
  });

  it.each(["unauthenticated", "forbidden"])("ends when the key is refused with %s", async (code) => {
    socket.refuse(code);
    expect(connection.state).toMatchObject({ status: "closed", code });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(socket.dialling).toBe(0);
  });

  it("ends when its session is closed for good", async () => {
    socket.open();
    socket.push("session.closed", { code: "expired", reconnect: false });
    expect(connection.state).toMatchObject({ status: "closed", code: "expired" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(statuses()).toEqual(["live", "closed"]);
  });

  it("comes back when its session is closed but may reconnect", async () => {
    socket.open();
    socket.push("session.closed", { code: "slow_consumer", reconnect: true });
    socket.drop("io server disconnect");
    expect(connection.state).toMatchObject({ status: "offline", reason: "slow_consumer" });
    await vi.advanceTimersByTimeAsync(200);
    socket.open();
    expect(connection.state.status).toBe("live");
  });

  it("stays on a draining server until the given time, then comes back", async () => {
    socket.open();
    socket.push("server.draining", { reconnectInMs: 2_000 });
    expect(connection.state).toMatchObject({ status: "live", draining: true });
    await vi.advanceTimersByTimeAsync(1_999);
    expect(socket.connected).toBe(true);
    await vi.advanceTimersByTimeAsync(200);
    expect(connection.state.status).toBe("offline");
    socket.open();
    expect(connection.state).toMatchObject({ status: "live", draining: false });
  });

  it("goes on a moment of its own choosing when a server drains, not all at the same one", async () => {
    const left: number[] = [];
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const each = new FakeSocket();
      const other = new Connection({ token: "k", socket: each, random: () => share });
      each.open();
      const from = Date.now();
      each.push("server.draining", { reconnectInMs: 2_000 });
      while (each.connected) await vi.advanceTimersByTimeAsync(50);
      left.push(Date.now() - from);
      other.close();
    }
    expect(left).toEqual([2_000, 1_750, 1_500, 1_250, 1_000]);
  });

  it("spreads its return when the draining server closes it first", async () => {
    const back: number[] = [];
    for (const share of [0, 1]) {
      const each = new FakeSocket();
      const other = new Connection({ token: "k", socket: each, random: () => share });
      each.open();
      each.push("server.draining", { reconnectInMs: 2_000 });
      each.push("session.closed", { code: "shutdown", reconnect: true });
      each.drop("io server disconnect");
      const from = Date.now();
      while (each.dialling === 0) await vi.advanceTimersByTimeAsync(25);
      back.push(Date.now() - from);
      other.close();
    }
    expect(back).toEqual([125, 2_250]);
  });

  it.each([
    ["revoked", false],
    ["expired", false],
    ["replaced", false],
    ["slow_consumer", true],
    ["shutdown", true],
  ])("closed with %s comes back: %s", async (code, reconnect) => {
    socket.open();
    socket.push("session.closed", { code, reconnect });
    socket.drop("io server disconnect");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(socket.dialling > 0).toBe(reconnect);
    expect(connection.state.status).toBe(reconnect ? "offline" : "closed");
  });

  it("fetches a token anew for every connection, and tries again when there is none", async () => {
    const each = new FakeSocket();
    let asked = 0;
    const token = async () => {
      if (++asked === 2) throw new Error("the auth server is away");
      return `token-${asked}`;
    };
    const other = new Connection({ token, workspaceId: "w", socket: each, random: () => 0 });
    await vi.advanceTimersByTimeAsync(0);
    expect(each.auth).toEqual({ token: "token-1", workspaceId: "w" });
    each.open();
    each.drop();
    await vi.advanceTimersByTimeAsync(125);
    expect(other.state).toMatchObject({ status: "offline", reason: "no token: the auth server is away" });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(each.auth).toEqual({ token: "token-3", workspaceId: "w" });
    each.open();
    expect(other.state.status).toBe("live");
    other.close();
  });

  it("hands over what the server tells it alone, and says when it was taken", () => {
    socket.open();
    const heard: string[] = [];
    const stop = connection.on("work.cancelled", ({ attemptId }, acknowledge) => {
      heard.push(attemptId);
      acknowledge();
    });
    const acks: unknown[] = [];
    socket.push("work.cancelled", { attemptId: "a1", stepId: "s1", reason: "cancelled" }, (ack) => acks.push(ack));
    stop();
    socket.push("work.cancelled", { attemptId: "a2", stepId: "s1", reason: "cancelled" }, (ack) => acks.push(ack));
    expect(heard).toEqual(["a1"]);
    expect(acks).toEqual([{ ok: true }]);
  });

  it("can be waited for", async () => {
    const live = connection.live();
    socket.open();
    await live;
    await connection.live();
    socket.push("session.closed", { code: "revoked", reconnect: false });
    await expect(connection.live()).rejects.toMatchObject({ code: "unavailable" });
  });
});
