import type { RoomEvent } from "@baton/client";

/**
 * What a row of a timeline needs of other rows: who said what it answers, how often it was answered, and what ids are called.
 * It grows and shrinks with the run of events that is shown, event by event, so that a flood does not cost the whole run each time.
 */
export class EventIndex {
  readonly #messages = new Map<string, { who: string; text: string }>();
  readonly #replies = new Map<string, number>();
  /** What messages say since they were edited; null since they were removed. */
  readonly #now = new Map<string, string | null>();
  readonly steps = new Map<string, string>();
  readonly asked = new Map<string, string>();

  constructor(events: readonly RoomEvent[] = []) {
    this.add(events);
  }

  add(events: readonly RoomEvent[]): void {
    for (const { type, actor, data } of events) {
      if (type === "message.posted") {
        this.#messages.set(String(data.id), { who: actor.name || actor.id, text: String(data.body).slice(0, 140).replace(/[*_`#>~|]+/g, "") });
        if (typeof data.replyTo === "string") this.#replies.set(data.replyTo, this.replies(data.replyTo) + 1);
      } else if (type === "message.edited" && typeof data.body === "string") {
        this.#now.set(String(data.id), data.body);
      } else if (type === "message.removed") {
        this.#now.set(String(data.id), null);
      } else if (type === "process.created") {
        for (const step of (data.steps ?? []) as { id: string; name: string }[]) this.steps.set(step.id, step.name);
      } else if (type === "intervention.requested") {
        this.asked.set(String(data.id), String(data.description));
      }
    }
  }

  /** Events were let go: so is what was kept of them, but for names, which the rest may still need. */
  remove(events: readonly RoomEvent[]): void {
    for (const { type, data } of events) {
      if (type !== "message.posted") continue;
      this.#messages.delete(String(data.id));
      this.#replies.delete(String(data.id));
    }
  }

  clear(): void {
    this.#messages.clear();
    this.#replies.clear();
  }

  replies(messageId: string): number {
    return this.#replies.get(messageId) ?? 0;
  }

  /** Undefined where a message says what it said when it was posted. */
  now(messageId: string): string | null | undefined {
    return this.#now.get(messageId);
  }

  said(messageId: string): { who: string; text: string } | undefined {
    return this.#messages.get(messageId);
  }
}
