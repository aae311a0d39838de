import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ACK_TIMEOUT_MS, DEADLINE_MS } from "../src/commands.js";
import { Connection } from "../src/connection.js";
import { BatonError } from "../src/problem.js";
import { FakeSocket } from "./fake-socket.js";

describe("a command", () => {
  let socket: FakeSocket;
  let connection: Connection;

  beforeEach(() => {
    vi.useFakeTimers();
    socket = new FakeSocket();
    connection = new Connection({ token: "k", socket, random: () => 0 });
    socket.open();
  });
  afterEach(() => {
    connection.close();
    vi.useRealTimers();
  });

  const post = () => connection.command("message:send", { roomId: "r1", body: "hello" });

  it("gives what the ack carries, with its place in the log", async () => {
    const reply = post();
    const sent = socket.last("message:send");
    expect(sent.payload).toMatchObject({ roomId: "r1", body: "hello" });
    expect(sent.payload.commandId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    socket.answer(sent, { ok: true, data: { id: "m1" }, seq: 7 });
    await expect(reply).resolves.toEqual({ data: { id: "m1" }, seq: 7 });
  });

  it("throws the problem of a refusal", async () => {
    const reply = post();
    const problem = { code: "forbidden", title: "Not allowed", status: 403, detail: "You may only read." };
    socket.answer(socket.last("message:send"), { ok: false, error: problem });
    const error = await reply.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BatonError);
    expect(error).toMatchObject({ code: "forbidden", message: "You may only read.", problem });
  });

  it("that was under way when the network went is sent again with the same id, and counted once", async () => {
    const reply = post();
    const first = socket.last("message:send").payload.commandId;
    socket.drop();
    await vi.advanceTimersByTimeAsync(500);
    expect(socket.dialling).toBe(1);
    socket.open();
    expect(socket.count("message:send")).toBe(2);
    expect(socket.last("message:send").payload.commandId).toBe(first);
    socket.answer(socket.last("message:send"), { ok: true, data: { id: "m1" }, seq: 3 });
    await expect(reply).resolves.toMatchObject({ seq: 3 });
  });

  it("issued while offline waits and goes out in order", async () => {
    socket.drop();
    void post();
    void connection.command("room:read", { roomId: "r1", seq: 1 });
    expect(socket.sent).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(500);
    socket.open();
    expect(socket.sent.map((sent) => sent.name)).toEqual(["message:send", "room:read"]);
    for (const sent of socket.sent) socket.answer(sent, { ok: true, data: {} });
    await vi.advanceTimersByTimeAsync(0);
  });

  it("of unknown outcome can be repeated under its id", async () => {
    const reply = connection.command("message:send", { roomId: "r1", body: "hello" }, { commandId: "c1" });
    expect(socket.last("message:send").payload.commandId).toBe("c1");
    socket.answer(socket.last("message:send"), { ok: true, data: { id: "m1" } });
    await reply;
  });

  it("whose ack does not come is sent again with the same id", async () => {
    const reply = post();
    await vi.advanceTimersByTimeAsync(ACK_TIMEOUT_MS);
    const [first, second] = socket.sent;
    expect(socket.count("message:send")).toBe(2);
    expect(second?.payload.commandId).toBe(first?.payload.commandId);
    // The first sending's ack was only late: it counts.
    socket.answer(first!, { ok: true, data: { id: "m1" } });
    await expect(reply).resolves.toEqual({ data: { id: "m1" } });
    socket.answer(second!, { ok: true, data: { id: "m1" } });
  });

  it("refused for the moment is tried again", async () => {
    const reply = post();
    socket.answer(socket.last("message:send"), { ok: false, error: { code: "unavailable", title: "Busy", status: 503 } });
    await vi.advanceTimersByTimeAsync(500);
    expect(socket.count("message:send")).toBe(2);
    socket.answer(socket.last("message:send"), { ok: true, data: { id: "m1" } });
    await expect(reply).resolves.toEqual({ data: { id: "m1" } });
  });

  it("that nobody answers fails at its deadline and says that the outcome is unknown", async () => {
    const reply = expect(post()).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("may still") });
    socket.drop();
    await vi.advanceTimersByTimeAsync(DEADLINE_MS);
    await reply;
  });

  it("gets an error for an ack that is not understood", async () => {
    const reply = post();
    socket.answer(socket.last("message:send"), "fine");
    await expect(reply).rejects.toMatchObject({ code: "internal" });
  });

  it("fails at once when the session is over, sent before or after", async () => {
    const before = expect(post()).rejects.toMatchObject({ code: "unavailable" });
    socket.push("session.closed", { code: "revoked", reconnect: false });
    await before;
    await expect(post()).rejects.toMatchObject({ code: "unavailable" });
  });
});
