import type { Me, RoomToRead } from "@baton/client";

/** How many events a person has not read; none where they neither take part nor have ever looked. */
export function unreadIn({ head, lastReadSeq, participants }: Pick<RoomToRead, "head" | "lastReadSeq" | "participants">, me: Me | null): number {
  const takesPart = participants.some(({ id, type }) => type === "human" && id === me?.principal.id);
  const read = lastReadSeq ?? (takesPart ? 0 : head);
  return Math.max(0, head - read);
}

const MOST = 99;

export function countOf(unread: number): string {
  return unread > MOST ? `${MOST}+` : String(unread);
}
