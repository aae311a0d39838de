import { BatonError, Connection, localProblem, type RoomEvent } from "@baton/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeLog } from "../client/test/fake-log";
import { FakeSocket } from "../client/test/fake-socket";
import { LiveStore, RELOAD } from "../src/live/live-store";

/** A state that shows exactly which events have been counted: those of the snapshot, then each that was applied. */
interface Counted {
  upTo: number;
  applied: number[];
}

describe("a live store", () => {
  let socket: FakeSocket;
  let log: FakeLog;
  let connection: Connection;
  let store: LiveStore<Counted>;
  let loads: { resolve(state: Counted): void; reject(error: unknown): void }[];
  let roomOf: () => Promise<string>;

  beforeEach(async () => {
    vi.useFakeTimers();
    socket = new FakeSocket();
    log = new FakeLog(socket);
    log.append(3);
    connection = new Connection({ token: "k", socket, random: () => 0 });
    loads = [];
    roomOf = async () => "r1";
    store = new LiveStore<Counted>(connection, {
      room: () => roomOf(),
      load: () => new Promise((resolve, reject) => loads.push({ resolve, reject })),
      apply: (state, event) => (event.data.body === "unknown" ? RELOAD : { ...state, applied: [...state.applied, event.seq] }),
    });
    socket.open();
    await settle();
  });
  afterEach(() => {
    store.close();
    connection.close();
    vi.useRealTimers();
  });

  const settle = () => vi.advanceTimersByTimeAsync(0);
  const push = (...events: RoomEvent[]) => {
    for (const each of events) socket.push(each.type, each);
  };

  it("asks for the snapshot only when it has joined, and then once", async () => {
    expect(loads).toHaveLength(1);
    expect(store.state.status).toBe("loading");
    loads[0]!.resolve({ upTo: 3, applied: [] });
    await settle();
    expect(store.state).toMatchObject({ status: "ready", data: { upTo: 3, applied: [] } });
  });

  it("applies what happened while the snapshot was on its way, and nothing from before", async () => {
    push(...log.append(2));
    loads[0]!.resolve({ upTo: 3, applied: [] });
    await settle();
    expect(store.state.data?.applied).toEqual([4, 5]);
    push(...log.append(1));
    expect(store.state.data?.applied).toEqual([4, 5, 6]);
  });

  it("goes on over a reconnect without another snapshot", async () => {
    loads[0]!.resolve({ upTo: 3, applied: [] });
    await settle();
    socket.drop();
    await settle();
    expect(store.state.room).toBe("offline");
    log.append(2);
    await vi.advanceTimersByTimeAsync(500);
    socket.open();
    await settle();
    expect(store.state).toMatchObject({ room: "live", data: { applied: [4, 5] } });
    expect(loads).toHaveLength(1);
  });

  it("takes a new snapshot when the room starts over", async () => {
    loads[0]!.resolve({ upTo: 3, applied: [] });
    await settle();
    socket.drop();
    log.logId = "log-2";
    await vi.advanceTimersByTimeAsync(500);
    socket.open();
    await settle();
    expect(loads).toHaveLength(2);
    loads[1]!.resolve({ upTo: 3, applied: [] });
    await settle();
    push(...log.append(1));
    expect(store.state.data).toEqual({ upTo: 3, applied: [4] });
  });

  it("takes a new snapshot for an event that it cannot fold", async () => {
    loads[0]!.resolve({ upTo: 3, applied: [] });
    await settle();
    const [unknown] = log.append(1);
    push({ ...unknown!, data: { body: "unknown" } });
    expect(loads).toHaveLength(2);
    loads[1]!.resolve({ upTo: 4, applied: [] });
    await settle();
    expect(store.state.data).toEqual({ upTo: 4, applied: [] });
  });

  it("says what went wrong, and tries again by itself when that may help", async () => {
    loads[0]!.reject(new BatonError(localProblem("unavailable", "The server cannot be reached")));
    await settle();
    expect(store.state).toMatchObject({ status: "failed", error: { code: "unavailable" } });
    await vi.advanceTimersByTimeAsync(2_000);
    loads[1]!.resolve({ upTo: 3, applied: [] });
    await settle();
    expect(store.state.status).toBe("ready");
    expect(store.state.error).toBeUndefined();
  });

  it("does not insist when it is not allowed", async () => {
    loads[0]!.reject(new BatonError(localProblem("forbidden", "No")));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(loads).toHaveLength(1);
    expect(store.state.status).toBe("failed");
  });
});
