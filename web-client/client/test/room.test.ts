import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/connection.js";
import type { RoomEvent } from "../src/model.js";
import type { RoomSubscription } from "../src/room.js";
import { event, FakeLog } from "./fake-log.js";
import { FakeSocket } from "./fake-socket.js";

describe("a room", () => {
  let socket: FakeSocket;
  let connection: Connection;
  let log: FakeLog;
  let seen: number[];
  let resets: number;

  beforeEach(() => {
    vi.useFakeTimers();
    socket = new FakeSocket();
    log = new FakeLog(socket);
    connection = new Connection({ token: "k", socket, random: () => 0 });
    seen = [];
    resets = 0;
  });
  afterEach(() => {
    connection.close();
    vi.useRealTimers();
  });

  const settle = () => vi.advanceTimersByTimeAsync(0);
  const push = (...events: RoomEvent[]) => {
    for (const each of events) socket.push(each.type, each);
  };
  const run = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

  async function follow(since?: number): Promise<RoomSubscription> {
    const room = connection.room("r1", since === undefined ? {} : { since });
    room.subscribe({
      event: (each) => seen.push(each.seq),
      reset: () => {
        resets++;
        seen = [];
      },
    });
    socket.open();
    await settle();
    return room;
  }

  async function reconnect(): Promise<void> {
    await vi.advanceTimersByTimeAsync(500);
    socket.open();
    await settle();
  }

  it("begins with the last fifty events and goes on live", async () => {
    log.append(80);
    const room = await follow();
    expect(seen).toEqual(run(31, 80));
    expect(room.status).toBe("live");
    expect(socket.last("room:join").payload).toEqual({ roomId: "r1" });
    push(...log.append(2));
    expect(seen).toEqual(run(31, 82));
  });

  it("asked from the beginning reads what the join left out before it goes live", async () => {
    log.append(1_234);
    const room = await follow(0);
    expect(seen).toEqual(run(1, 1_234));
    expect(socket.count("room:history")).toBe(2);
    expect(room.status).toBe("live");
  });

  it("follows an empty log from its first event", async () => {
    await follow();
    push(...log.append(1));
    expect(seen).toEqual([1]);
  });

  it("resumes after a reconnect with exactly what it missed", async () => {
    log.append(10);
    const room = await follow(0);
    socket.drop();
    expect(room.status).toBe("offline");
    log.append(5);
    await reconnect();
    expect(socket.last("room:join").payload).toEqual({ roomId: "r1", since: 10, logId: "log-1" });
    expect(seen).toEqual(run(1, 15));
    expect(resets).toBe(0);
  });

  it("delivers live events only after the history between join and head", async () => {
    log.append(700);
    log.joinPage = 100;
    const held: unknown[] = [];
    socket.handle("room:history", (payload) => {
      if (held.length === 0) {
        held.push(payload);
        push(...log.append(2)); // live, while history is being read
      }
      return log.history(payload as { since?: number });
    });
    const room = await follow(0);
    await vi.runOnlyPendingTimersAsync();
    expect(held).toHaveLength(1);
    expect(seen).toEqual(run(1, 702));
    expect(room.status).toBe("live");
  });

  it("holds back live events that overtake the ack of the join", async () => {
    log.append(3);
    socket.handle("room:join", (payload) => {
      const ack = log.join(payload as { since?: number });
      push(...log.append(1)); // 4 is live, and arrives before the ack
      return ack;
    });
    await follow(0);
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it("drops repeats", async () => {
    log.append(3);
    await follow(0);
    push(event(2), event(3), ...log.append(1), event(4), event(1));
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it("keeps nothing of repeats, however many: the next event is not taken for one too many", async () => {
    log.append(3);
    await follow(0);
    for (let count = 0; count < 2; count++) push(...run(-10_000, 3).map((seq) => event(seq)));
    push(...log.append(1));
    await settle();
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(socket.count("room:history")).toBe(0);
  });

  it("puts frames that come out of order back in order", async () => {
    log.append(1);
    await follow(0);
    socket.handle("room:history", () => new Promise(() => {})); // whatever it asks meanwhile is not answered
    const [two, three, four] = log.append(3);
    push(four!, three!);
    expect(seen).toEqual([1]);
    push(two!);
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it("reads a gap from history", async () => {
    log.append(1);
    const room = await follow(0);
    log.append(3); // 2, 3 and 4 are never pushed
    push(...log.append(1));
    expect(room.status).toBe("catching_up");
    await settle();
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(room.status).toBe("live");
    expect(socket.last("room:history").payload).toMatchObject({ since: 1 });
  });

  it("asks again when history is not there yet", async () => {
    log.append(1);
    await follow(0);
    let asked = 0;
    socket.handle("room:history", (payload) =>
      ++asked < 3 ? { ok: true, data: { events: [], first: 1, head: 1, logId: "log-1", more: false } } : log.history(payload as object),
    );
    log.append(1);
    push(...log.append(1));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(asked).toBe(3);
    expect(seen).toEqual([1, 2, 3]);
  });

  it.each([
    ["the server says so, as its place is below the first event kept", () => void (log.first = 900)],
    ["the log is another one after a restore", () => void (log.logId = "log-2")],
  ])("starts over when %s", async (_why, change) => {
    log.append(10);
    await follow(0);
    socket.drop();
    log.append(990);
    change();
    await reconnect();
    expect(resets).toBe(1);
    expect(seen).toEqual(run(951, 1_000));
    expect(socket.last("room:join").payload).toEqual({ roomId: "r1" });
    push(...log.append(1));
    expect(seen.at(-1)).toBe(1_001);
  });

  it("starts over when the join is answered from another log, even if nobody says so", async () => {
    log.append(10);
    await follow(0);
    socket.drop();
    log.logId = "log-2";
    socket.handle("room:join", (payload) => {
      const ack = log.join(payload as object) as { data: { reset: boolean } };
      ack.data.reset = false;
      return ack;
    });
    await reconnect();
    expect(resets).toBe(1);
    expect(seen).toEqual(run(1, 10));
  });

  it("gives nobody an event of another log that overtakes the answer which says so", async () => {
    log.append(10);
    await follow(0);
    const given: [number, number][] = [];
    connection.room("r1", { since: 10 }).subscribe({ event: ({ seq }) => given.push([resets, seq]) });
    await settle();
    socket.drop();
    log.logId = "log-2";
    log.append(5);
    socket.handle("room:join", (payload) => {
      const ack = log.join(payload as object);
      push(event(11));
      return ack;
    });
    await reconnect();
    expect(resets).toBe(1);
    expect(given.filter(([after]) => after === 0)).toEqual([]);
    expect(seen).toEqual(run(1, 15));
  });

  it("starts over when history turns out to be of another log", async () => {
    log.append(3);
    await follow(0);
    log.logId = "log-2";
    log.append(1); // 4 is never pushed
    push(...log.append(1));
    await settle();
    expect(resets).toBe(1);
    expect(seen).toEqual(run(1, 5));
  });

  it("starts over when a gap can no longer be read", async () => {
    log.append(1);
    await follow(0);
    log.append(99);
    log.first = 60;
    push(...log.append(1));
    await settle();
    expect(resets).toBe(1);
    expect(seen).toEqual(run(60, 101));
  });

  it("does not mistake an answer of a lost connection for one of the present", async () => {
    log.append(5);
    const late: (() => void)[] = [];
    socket.handle("room:join", () => new Promise(() => {}));
    const room = connection.room("r1", { since: 0 });
    room.subscribe({ event: (each) => seen.push(each.seq) });
    socket.open();
    await settle();
    const first = socket.last("room:join");
    late.push(() => first.ack(log.join({ since: 0 })));
    socket.drop();
    socket.handle("room:join", (payload) => log.join(payload as object));
    await reconnect();
    for (const answer of late) answer();
    await settle();
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });

  it("joins again after a moment when the server is busy", async () => {
    log.append(2);
    let asked = 0;
    socket.handle("room:join", (payload) =>
      ++asked === 1 ? { ok: false, error: { code: "unavailable", title: "Busy", status: 503 } } : log.join(payload as object),
    );
    await follow(0);
    await vi.advanceTimersByTimeAsync(500);
    expect(seen).toEqual([1, 2]);
  });

  it("says when it is not allowed in", async () => {
    socket.handle("room:join", () => ({ ok: false, error: { code: "forbidden", title: "No", status: 403 } }));
    const room = await follow();
    expect(room.status).toBe("refused");
    expect(room.error?.code).toBe("forbidden");
  });

  it("reads back older events, and says at once when it cannot", async () => {
    log.append(80);
    const room = await follow();
    socket.handle("room:history", () => ({ ok: true, data: { events: run(1, 30).map((seq) => event(seq)), first: 1, head: 80, logId: "log-1", more: false } }));
    expect((await room.history(31)).events.map((each) => each.seq)).toEqual(run(1, 30));
    expect(socket.last("room:history").payload).toMatchObject({ before: 31 });
    socket.handle("room:history", () => new Promise(() => {}));
    const unanswered = expect(room.history(31)).rejects.toMatchObject({ code: "unavailable" });
    socket.drop();
    await unanswered;
    await expect(room.history(31)).rejects.toMatchObject({ code: "unavailable" });
    expect(seen).toEqual(run(31, 80));
  });

  it("passes signals on without counting them", async () => {
    log.append(1);
    const room = await follow(0);
    const signals: string[] = [];
    room.subscribe({ signal: (name) => signals.push(name) });
    socket.push("typing.changed", { roomId: "r1", typing: true });
    socket.push("typing.changed", { roomId: "r2", typing: true });
    expect(signals).toEqual(["typing.changed"]);
    expect(seen).toEqual([1]);
  });

  it("is left only when its last follower closes", async () => {
    const one = await follow();
    const other = connection.room("r1");
    await settle();
    one.close();
    expect(socket.count("room:leave")).toBe(0);
    other.close();
    expect(socket.count("room:leave")).toBe(1);
    push(...log.append(1));
    expect(seen).toEqual([]);
  });

  it("keeps one listener's failure from the others", async () => {
    const room = await follow();
    const failures: unknown[] = [];
    const report = (error: unknown) => failures.push(error);
    process.prependListener("uncaughtException", report);
    const others = process.listeners("uncaughtException").filter((listener) => listener !== report);
    for (const listener of others) process.off("uncaughtException", listener);
    const after: number[] = [];
    room.subscribe({
      event: () => {
        throw new Error("a listener's own");
      },
    });
    room.subscribe({ event: (each) => after.push(each.seq) });
    push(...log.append(1));
    vi.useRealTimers();
    await new Promise((resolve) => setImmediate(resolve));
    process.off("uncaughtException", report);
    for (const listener of others) process.on("uncaughtException", listener);
    expect(after).toEqual([1]);
    expect(failures).toMatchObject([{ message: "a listener's own" }]);
  });
});
