import { backoffMs } from "./backoff.js";
import type { RoomEvent } from "./model.js";
import { isTransient, toBatonError } from "./problem.js";
import type { RoomSubscription } from "./room.js";

export interface IterateOptions {
  /** Ends the iteration. */
  signal?: AbortSignal;
  /**
   * Called when the log is another one, or no longer holds what follows; the next event begins anew. Without it the iteration
   * throws a `LogReset`, so that nobody goes on with a state that was built from another log.
   */
  onReset?: () => void;
}

/** The log cannot be continued from where this client was: what was built from it is void. Join again to start over. */
export class LogReset extends Error {
  constructor(roomId: string) {
    super(`the log of the room ${roomId} starts over`);
    this.name = "LogReset";
  }
}

/** Events that wait for a slow reader; what exceeds them is read from the log when it gets there. */
const MOST_WAITING = 1_000;

/**
 * Events as they are delivered, through a queue of bounded length.
 *
 * Only the event after the last queued one is queued; once one is left out, those after it are too, and the reader, when it
 * has emptied the queue, fetches them as history. So the order holds whichever way an event comes.
 */
export async function* iterate(room: RoomSubscription, { signal, onReset }: IterateOptions = {}): AsyncGenerator<RoomEvent, void, undefined> {
  let queue: RoomEvent[] = [];
  /** The seq after which the queue goes on. */
  let tail = room.origin;
  let resets = 0;
  let wake = () => {};
  const stop = room.subscribe({
    event: (event) => {
      tail ??= event.seq - 1;
      if (event.seq !== tail + 1 || queue.length >= MOST_WAITING) return wake();
      queue.push(event);
      tail = event.seq;
      wake();
    },
    reset: () => {
      queue = [];
      tail = undefined;
      resets++;
      wake();
    },
    status: () => wake(),
  });
  const abort = () => wake();
  signal?.addEventListener("abort", abort);
  try {
    let seen = 0;
    for (let failures = 0; ; ) {
      if (signal?.aborted) return;
      if (seen < resets) {
        seen = resets;
        if (!onReset) throw new LogReset(room.roomId);
        onReset();
        continue;
      }
      const next = queue.shift();
      if (next) {
        yield next;
        continue;
      }
      if (room.status === "closed") return;
      if (room.status === "refused") throw room.error ?? new Error("the room cannot be followed");
      if (room.status === "live" && tail !== undefined && room.lastSeq !== undefined && tail < room.lastSeq) {
        const turn = resets;
        try {
          const { events } = await room.after(tail);
          failures = 0;
          if (turn !== resets) continue;
          for (const event of events) {
            if (event.seq !== tail + 1) continue;
            queue.push(event);
            tail = event.seq;
          }
        } catch (cause) {
          if (!isTransient(toBatonError(cause).problem)) throw cause;
          await new Promise((resolve) => setTimeout(resolve, backoffMs(failures++)));
        }
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = () => {};
    }
  } finally {
    stop();
    signal?.removeEventListener("abort", abort);
  }
}
