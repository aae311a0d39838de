import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/connection.js";
import { LogReset } from "../src/iterate.js";
import type { RoomEvent } from "../src/model.js";
import type { RoomSubscription } from "../src/room.js";
import { FakeLog } from "./fake-log.js";
import { FakeSocket } from "./fake-socket.js";

describe("iterating over a room", () => {
  let socket: FakeSocket;
  let connection: Connection;
  let log: FakeLog;
  let room: RoomSubscription;
  const run = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
  const push = (...events: RoomEvent[]) => {
    for (const each of events) socket.push(each.type, each);
  };

  beforeEach(async () => {
    vi.useFakeTimers();
    socket = new FakeSocket();
    log = new FakeLog(socket);
    log.append(10);
    connection = new Connection({ token: "k", socket, random: () => 0 });
    room = connection.room("r1", { since: 0 });
    socket.open();
    await settle();
  });
  afterEach(() => {
    connection.close();
    vi.useRealTimers();
  });

  /** Reads until the iteration ends; what it gave so far, and how it ended. */
  function read(events: AsyncIterable<RoomEvent>, each: (seq: number) => Promise<void> | void = () => {}) {
    const seen: number[] = [];
    const ended = (async () => {
      for await (const event of events) {
        seen.push(event.seq);
        await each(event.seq);
      }
    })();
    ended.catch(() => {});
    return { seen, ended };
  }

  it("gives every event from where the subscription began, though it was begun later", async () => {
    const { seen } = read(room.events());
    await settle();
    expect(seen).toEqual(run(1, 10));
    push(...log.append(2));
    await settle();
    expect(seen).toEqual(run(1, 12));
  });

  it("goes on over a reconnect without gap or repeat", async () => {
    const { seen } = read(room.events());
    await settle();
    socket.drop();
    log.append(700);
    await settle(500);
    socket.open();
    await settle(1_000);
    push(...log.append(1));
    await settle();
    expect(seen).toEqual(run(1, 711));
  });

  it("feeds a slow reader from the log instead of keeping everything for it", async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { seen } = read(room.events(), (seq) => (seq === 10 ? gate : undefined));
    await settle();
    push(...log.append(5_000));
    await settle();
    const asked = socket.count("room:history");
    release();
    await settle(1_000);
    expect(seen).toEqual(run(1, 5_010));
    // A thousand were kept, the other four thousand read in pages.
    expect(socket.count("room:history") - asked).toBeGreaterThanOrEqual(8);
  });

  it("ends with the room, and with its signal", async () => {
    const stop = new AbortController();
    const bySignal = read(room.events({ signal: stop.signal }));
    const byRoom = read(room.events());
    await settle();
    stop.abort();
    await bySignal.ended;
    room.close();
    await byRoom.ended;
  });

  it("throws when the log starts over, so that nobody goes on with the state of another", async () => {
    const { ended } = read(room.events());
    await settle();
    socket.drop();
    log.logId = "log-2";
    await settle(500);
    socket.open();
    await expect(Promise.all([ended, settle(100)])).rejects.toBeInstanceOf(LogReset);
  });

  it("begins anew after a reset for who says what to forget", async () => {
    let resets = 0;
    const { seen } = read(
      room.events({
        onReset: () => {
          resets++;
          seen.length = 0;
        },
      }),
    );
    await settle();
    socket.drop();
    log.logId = "log-2";
    log.head = 3;
    await settle(500);
    socket.open();
    await settle(100);
    expect(resets).toBe(1);
    expect(seen).toEqual([1, 2, 3]);
  });

  it("throws what the server says when the room may not be followed", async () => {
    socket.handle("room:join", () => ({ ok: false, error: { code: "forbidden", title: "No", status: 403 } }));
    const { ended } = read(connection.room("r2").events());
    await expect(Promise.all([ended, settle(100)])).rejects.toMatchObject({ code: "forbidden" });
  });
});

describe("what a room does beside its log", () => {
  it("streams a message as deltas and one durable end", async () => {
    const socket = new FakeSocket();
    const connection = new Connection({ token: "k", socket });
    for (const name of ["message:delta", "message:send", "typing:set", "event:broadcast", "room:read"]) socket.handle(name, () => ({ ok: true, data: { id: "m1" }, seq: 4 }));
    const room = connection.room("r1");
    socket.open();
    const stream = room.stream({ kind: "answer" });
    stream.write("Hel");
    stream.write("");
    stream.write("lo");
    const deltas = socket.sent.filter(({ name }) => name === "message:delta").map(({ payload }) => payload);
    expect(deltas).toEqual([
      { roomId: "r1", streamId: stream.streamId, index: 0, text: "Hel" },
      { roomId: "r1", streamId: stream.streamId, index: 1, text: "lo" },
    ]);
    expect((await stream.end()).seq).toBe(4);
    expect(socket.last("message:send").payload).toMatchObject({ body: "Hello", kind: "answer", streamId: stream.streamId });
    await room.typing(true);
    await room.broadcast("tick", { n: 1 }, true);
    await room.markRead(4);
    expect(socket.last("typing:set").payload).toEqual({ roomId: "r1", typing: true });
    expect(socket.last("event:broadcast").payload).toMatchObject({ name: "tick", data: { n: 1 }, ephemeral: true });
    socket.drop();
    await room.typing(false); // without a connection it is lost, and nobody minds
    connection.close();
  });
});
