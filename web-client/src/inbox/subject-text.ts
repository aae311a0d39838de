import type { Json } from "@baton/client";

/** A subject as text to edit: a text as it is, anything else as JSON. */
export function textOf(subject: Json): string {
  return typeof subject === "string" ? subject : JSON.stringify(subject, null, 2);
}

/** What was typed, as the value it stands for. */
export function parseText(text: string, plain: boolean): { value: Json } | { fault: string } {
  if (plain) return { value: text };
  try {
    return { value: JSON.parse(text) as Json };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}
