import type { RoomEvent } from "../src/model.js";
import type { FakeSocket } from "./fake-socket.js";

const PAGE = 500;

export function event(seq: number, roomId = "r1"): RoomEvent {
  return {
    id: `e${seq}`,
    roomId,
    seq,
    type: "message.posted",
    at: "2026-01-01T00:00:00.000000Z",
    workspaceId: "default",
    channel: "general",
    actor: { kind: "user", id: "ann", name: "Ann" },
    data: { body: `message ${seq}` },
  };
}

/** A room's log as a server keeps it, answering joins and history on a fake socket the way the contract says. */
export class FakeLog {
  logId = "log-1";
  first = 1;
  head = 0;
  /** Events that a join's ack carries at most. */
  joinPage = PAGE;

  constructor(socket: FakeSocket) {
    socket.handle("room:join", (payload) => this.join(payload));
    socket.handle("room:history", (payload) => this.history(payload));
  }

  append(count = 1): RoomEvent[] {
    return Array.from({ length: count }, () => event(++this.head));
  }

  join({ since, logId }: { since?: number; logId?: string }): unknown {
    const reset =
      since !== undefined && (since + 1 < this.first || since > this.head || (logId !== undefined && logId !== this.logId));
    const after = reset ? this.head : (since ?? Math.max(this.first - 1, this.head - 50));
    const events = this.#range(after, this.joinPage);
    const more = after + events.length < this.head;
    return { ok: true, data: { room: { id: "r1" }, participants: [], events, reset, more, ...this.#place() } };
  }

  history({ since = 0, limit = PAGE }: { since?: number; limit?: number }): unknown {
    const events = this.#range(since, limit);
    return { ok: true, data: { events, more: since + events.length < this.head, ...this.#place() } };
  }

  #place() {
    return { first: this.first, head: this.head, logId: this.logId };
  }

  #range(after: number, limit: number): RoomEvent[] {
    const events: RoomEvent[] = [];
    for (let seq = Math.max(after + 1, this.first); seq <= this.head && events.length < limit; seq++) events.push(event(seq));
    return events;
  }
}
