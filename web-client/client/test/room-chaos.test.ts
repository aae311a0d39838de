import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/connection.js";
import type { RoomEvent } from "../src/model.js";
import { FakeLog } from "./fake-log.js";
import { FakeSocket } from "./fake-socket.js";
import { randomFrom } from "./random.js";

describe("a room under a bad network", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const seeds = Array.from({ length: 150 }, (_, index) => index + 1);

  it.each(seeds)("delivers every event once and in order (seed %i)", async (seed) => {
    const random = randomFrom(seed);
    const chance = (share: number) => random() < share;
    const socket = new FakeSocket();
    const log = new FakeLog(socket);
    log.joinPage = 1 + Math.floor(random() * 5);
    // Now and then the server is busy, or its history lags behind what it has already sent.
    const busy = { ok: false, error: { code: "unavailable", title: "Busy", status: 503 } };
    socket.handle("room:join", (payload) => (chance(0.1) ? busy : log.join(payload)));
    socket.handle("room:history", (payload) => {
      if (chance(0.1)) return busy;
      return log.history({ ...payload, limit: 1 + Math.floor(random() * 4) });
    });
    const connection = new Connection({ token: "k", socket, random });
    const seen: number[] = [];
    const room = connection.room("r1", { since: 0 });
    room.subscribe({ event: (event) => seen.push(event.seq) });
    const read: number[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      for await (const event of room.events({ signal: stop.signal })) {
        read.push(event.seq);
        if (chance(0.05)) await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    })();

    let late: RoomEvent[] = [];
    for (let turn = 0; turn < 60; turn++) {
      if (!socket.connected && socket.dialling > 0) {
        if (chance(0.7)) socket.open();
        else socket.refuse("websocket error");
      }
      for (const event of log.append(Math.floor(random() * 4))) {
        if (chance(0.15)) continue; // lost
        if (chance(0.15)) late.push(event); // overtaken
        else if (socket.connected) socket.push(event.type, event);
        if (chance(0.1) && socket.connected) socket.push(event.type, event); // repeated
      }
      if (chance(0.3)) {
        if (socket.connected) for (const event of late) socket.push(event.type, event);
        late = [];
      }
      if (chance(0.08)) socket.drop();
      await vi.advanceTimersByTimeAsync(Math.floor(random() * 400));
    }

    // The network is good again, and one more event shows what is missing before it.
    while (!socket.connected) {
      await vi.advanceTimersByTimeAsync(1_000);
      if (socket.dialling > 0) socket.open();
    }
    for (const event of log.append(1)) socket.push(event.type, event);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(seen).toEqual(Array.from({ length: log.head }, (_, index) => index + 1));
    expect(room.status).toBe("live");
    expect(read).toEqual(seen);
    stop.abort();
    await reading;
    connection.close();
  });
});
