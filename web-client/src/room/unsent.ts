/** What is left in a box when what was in it has been sent: what somebody typed meanwhile. */
export function withoutSent(now: string, sent: string): string {
  return now.startsWith(sent) ? now.slice(sent.length).trimStart() : now;
}
