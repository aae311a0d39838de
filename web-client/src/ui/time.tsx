import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let second = Math.floor(Date.now() / 1000);

/** One clock for the whole page, running while somebody looks at it. */
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    second = Math.floor(Date.now() / 1000);
    for (const each of listeners) each();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

export function useNow(): number {
  return useSyncExternalStore(subscribe, () => second) * 1000;
}

/** A length of time, as exact as anybody needs it: `2 h 05 min`, `24 min`, `4 min 09 s`, `12 s`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const two = (value: number) => String(value).padStart(2, "0");
  if (days > 0) return `${days} d ${two(hours % 24)} h`;
  if (hours > 0) return `${hours} h ${two(minutes % 60)} min`;
  if (minutes >= 10) return `${minutes} min`;
  if (minutes > 0) return `${minutes} min ${two(seconds % 60)} s`;
  return `${seconds} s`;
}

/** A length of time that somebody has set, without what is nought: `5 min`, `1 h`. */
export function limit(ms: number): string {
  return duration(ms).replace(/ 00 \w+$/, "");
}

/** A length of time that is over, short ones more exactly: `40 ms`, `0.4 s`, `12 s`, `4 min 09 s`. */
export function took(ms: number): string {
  if (ms < 100) return `${Math.max(0, Math.round(ms))} ms`;
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms);
}

// Making a formatter costs a hundred times what using it does.
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** The time of day: `14:03:59`. Every row of a timeline has one, and a formatter of the browser takes longer than drawing its text. */
export function clock(at: number | string): string {
  return new Date(at).toTimeString().slice(0, 8);
}

/** Date and time. */
export function moment(at: string): string {
  return MOMENT.format(Date.parse(at));
}

/** How long ago, counting. */
export function Ago({ at }: { at: string }) {
  const elapsed = useNow() - Date.parse(at);
  return (
    <time dateTime={at} title={moment(at)}>
      {elapsed < 5_000 ? "just now" : `${duration(elapsed).split(" ").slice(0, 2).join(" ")} ago`}
    </time>
  );
}

/** The time left until a deadline, counting down, and louder as it nears. */
export function Deadline({ at }: { at: string }) {
  const left = Date.parse(at) - useNow();
  const tone = left <= 0 ? "text-bad font-semibold" : left < 120_000 ? "text-wait font-semibold" : "text-ink-soft";
  return (
    <time dateTime={at} title={`Due ${moment(at)}`} className={`tabular-nums ${tone}`}>
      {left > 0 ? `${duration(left)} left` : `overdue by ${duration(-left)}`}
    </time>
  );
}
