import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/connection.js";
import { FakeSocket } from "./fake-socket.js";
import { randomFrom } from "./random.js";

describe("commands under a bad network", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const seeds = Array.from({ length: 100 }, (_, index) => index + 1);

  it.each(seeds)("take effect once each, and each gets its own result once (seed %i)", async (seed) => {
    const random = randomFrom(seed);
    const chance = (share: number) => random() < share;
    const socket = new FakeSocket();
    // A server as the contract has it: a `commandId` is executed once, and its first result given again.
    const results = new Map<unknown, object>();
    let executed = 0;
    socket.handle("message:send", ({ commandId, body }) => {
      if (chance(0.15)) return new Promise(() => {}); // lost on the way there
      if (chance(0.1)) return { ok: false, error: { code: "unavailable", title: "Busy", status: 503 } };
      if (!results.has(commandId)) results.set(commandId, { ok: true, data: { id: body }, seq: ++executed });
      return chance(0.15) ? new Promise(() => {}) : results.get(commandId); // lost on the way back
    });
    const connection = new Connection({ token: "k", socket, random });
    const replies: Promise<unknown>[] = [];
    let settled = 0;
    for (let turn = 0; turn < 60; turn++) {
      if (!socket.connected && socket.dialling > 0) {
        if (chance(0.7)) socket.open();
        else socket.refuse("websocket error");
      }
      if (chance(0.5)) {
        const body = `message ${turn}`;
        const reply = connection.command("message:send", { roomId: "r1", body }, { deadlineMs: Infinity });
        replies.push(reply.then(({ data, seq }) => (settled++, [body, data.id, seq])));
      }
      if (chance(0.15)) socket.drop();
      await vi.advanceTimersByTimeAsync(Math.floor(random() * 2_000));
    }
    while (settled < replies.length) {
      if (!socket.connected && socket.dialling > 0) socket.open();
      await vi.advanceTimersByTimeAsync(1_000);
    }
    const got = (await Promise.all(replies)) as [string, string, number][];
    expect(executed).toBe(replies.length);
    for (const [body, id] of got) expect(id).toBe(body);
    expect(new Set(got.map(([, , seq]) => seq)).size).toBe(replies.length);
    connection.close();
  });
});
