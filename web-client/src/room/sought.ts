/** The event of a room that an address leads to: its `seq`. */
export function soughtIn(parameters: URLSearchParams): number | undefined {
  const seq = Number(parameters.get("seq"));
  return Number.isSafeInteger(seq) && seq > 0 ? seq : undefined;
}

/** Where a message is read among those around it. */
export function addressOf({ room, processId, seq }: { room: { id: string }; processId?: string | null; seq: number }): string {
  return processId ? `/processes/${processId}?side=room&seq=${seq}` : `/rooms/${room.id}?seq=${seq}`;
}
