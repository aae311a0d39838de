import type { Participant } from "@baton/client";

/** The `@word` that ends at the caret, without its `@`; none where nobody is being mentioned. */
export function wordAt(text: string, caret: number): { text: string; from: number } | undefined {
  const match = /(?:^|\s)@([A-Za-z0-9_.:-]*)$/.exec(text.slice(0, caret));
  return match ? { text: match[1] ?? "", from: caret - (match[1]?.length ?? 0) - 1 } : undefined;
}

/** Whom of the room a message mentions, each once. */
export function mentionsIn(text: string, participants: readonly Participant[]): string[] {
  const named = new Set([...text.matchAll(/(?:^|\s)@([A-Za-z0-9_.:-]+)/g)].flatMap(([, id]) => (id ? [id, id.replace(/[.:]+$/, "")] : [])));
  return participants.filter(({ id }) => named.has(id)).map(({ id }) => id);
}
