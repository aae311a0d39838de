import { Connection, type RoomEvent } from "@baton/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { event, FakeLog } from "../client/test/fake-log";
import { FakeSocket } from "../client/test/fake-socket";
import { RoomLog } from "../src/live/room-log";
import { withoutSent } from "../src/room/unsent";

describe("a room's log", () => {
  let socket: FakeSocket;
  let connection: Connection;
  let log: RoomLog;

  beforeEach(async () => {
    vi.useFakeTimers();
    socket = new FakeSocket();
    new FakeLog(socket).append(3);
    connection = new Connection({ token: "k", socket, random: () => 0 });
    log = new RoomLog(connection, "r1");
    socket.open();
    await vi.advanceTimersByTimeAsync(1_000);
  });
  afterEach(() => {
    log.close();
    connection.close();
    vi.useRealTimers();
  });

  const delta = (index: number, text: string) => socket.push("message.delta", { roomId: "r1", actor: { id: "writer", name: "Writer" }, data: { streamId: "s1", index, text } });

  it("shows a text that streamed in either as it grows or as the message that keeps it, and never neither or both", async () => {
    delta(0, "It is ");
    await vi.advanceTimersByTimeAsync(1_000);
    const shown = () => [log.signals.state.streams.length, log.state.events.filter(({ data }) => data.streamId === "s1").length];
    expect(shown()).toEqual([1, 0]);
    const looks: number[][] = [];
    // A page draws after the microtasks of a task: what it then sees.
    const look = () => void Promise.resolve().then(() => looks.push(shown()));
    log.subscribe(look);
    log.signals.subscribe(look);
    // A signal of somebody else has the signals told in the middle of it.
    socket.push("typing.changed", { roomId: "r1", actor: { id: "bob", name: "Bob" }, data: { typing: true } });
    await vi.advanceTimersByTimeAsync(30);
    socket.push("message.posted", { ...event(4), data: { body: "It is done.", streamId: "s1" } } as unknown as RoomEvent);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(shown()).toEqual([0, 1]);
    expect(looks.length).toBeGreaterThan(1);
    for (const [streams = 0, messages = 0] of looks) expect(streams + messages).toBe(1);
  });
});

describe("what is left of a box when its text has been sent", () => {
  it("is what was typed meanwhile", () => {
    expect(withoutSent("hello", "hello")).toBe("");
    expect(withoutSent("hello and more", "hello")).toBe("and more");
  });
  it("is everything, where the text itself was changed", () => {
    expect(withoutSent("help", "hello")).toBe("help");
  });
});
