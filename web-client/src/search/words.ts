/** From here on a word that is still being typed is looked for as a beginning; the server takes none that is shorter. */
const SHORTEST_BEGINNING = 2;

/** What to ask the server for: a last word that may go on is a beginning. A blank after it, a star or a quotation mark says otherwise. */
export function queryOf(typed: string): string {
  const last = /(?:^|\s)([\p{L}\p{N}]+)$/u.exec(typed)?.[1];
  const inPhrase = typed.split('"').length % 2 === 0;
  return last !== undefined && !inPhrase && [...last].length >= SHORTEST_BEGINNING ? `${typed}*` : typed.trim();
}

/** A line of Markdown as it reads, without its marks; a dash or an underscore within a word is none. */
export function unmarked(line: string): string {
  return line.replace(/^\s*(?:#{1,6}|>|[-+*])\s+/, "").replace(/[*`~]+/g, "");
}

/** A line in pieces, each with whether it is one of the words that were looked for. */
export function pieces(line: string, words: readonly string[]): { text: string; found: boolean }[] {
  if (words.length === 0) return [{ text: line, found: false }];
  const any = [...words].sort((a, b) => b.length - a.length).map((word) => word.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"));
  const whole = new RegExp(`(?<![\\p{L}\\p{N}])(${any.join("|")})(?![\\p{L}\\p{N}])`, "gu");
  return line
    .split(whole)
    .map((text, at) => ({ text, found: at % 2 === 1 }))
    .filter(({ text }) => text !== "");
}
