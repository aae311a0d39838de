const FIRST_MS = 250;
const MOST_MS = 5_000;

/**
 * How long to wait before try number `attempt` (0, 1, 2 …): doubling up to five seconds, with half of it random, so that
 * the clients of a restarted server do not all come back in the same instant.
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
