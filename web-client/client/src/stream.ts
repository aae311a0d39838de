import type { Reply } from "./commands.js";
import { newId } from "./ids.js";
import type { Commands } from "./model.js";
import type { PostMessage, RoomLink } from "./room.js";

/**
 * A message that is written bit by bit, as a model gives it: each bit goes out at once as an ephemeral delta, and the whole is
 * posted at the end as one durable message under the same `streamId`. A delta that is lost costs nothing but the impression.
 */
export class MessageStream {
  readonly streamId = newId();
  readonly #link: RoomLink;
  readonly #roomId: string;
  readonly #more: PostMessage;
  #text = "";
  #index = 0;

  constructor(link: RoomLink, roomId: string, more: PostMessage) {
    this.#link = link;
    this.#roomId = roomId;
    this.#more = more;
  }

  /** All that was written so far. */
  get text(): string {
    return this.#text;
  }

  write(text: string): void {
    if (text === "") return;
    this.#text += text;
    const delta = { roomId: this.#roomId, streamId: this.streamId, index: this.#index++, text };
    void this.#link.request("message:delta", delta).catch(() => {});
  }

  /** Posts the message: what was written, or `body` in its place. */
  end(body = this.#text): Promise<Reply<Commands["message:send"]["data"]>> {
    return this.#link.command("message:send", { ...this.#more, roomId: this.#roomId, body, streamId: this.streamId });
  }
}
