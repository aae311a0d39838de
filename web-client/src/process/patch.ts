import type { RoomEvent } from "@baton/client";
import { applyToProcesses } from "../live/fold";
import { RELOAD } from "../live/live-store";
import type { Process } from "../model";

/** A process of a list as an event of the workspace's room leaves it; the same object where the event is not about it. */
export function patchProcess(row: Process, event: RoomEvent): Process {
  const id = event.type.startsWith("process.") ? (event.data as { id?: string }).id : event.processId;
  if (id !== row.id || event.type === "process.created") return row;
  const after = applyToProcesses({ [row.id]: row }, event);
  return after === RELOAD ? row : (after[row.id] ?? row);
}
