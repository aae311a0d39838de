// What Chromium's own trace says of the page's main thread.
import { check } from "./browser.mjs";

/** What the page's main thread did during some work: its own events of the browser's trace. */
export async function traced(session, work) {
  const events = [];
  const collect = ({ value }) => events.push(...value);
  session.on("Tracing.dataCollected", collect);
  await session.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel", "v8"] } });
  await work();
  const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  await session.send("Tracing.end");
  await complete;
  session.off("Tracing.dataCollected", collect);
  // The page's thread is the one that lays out most.
  const counts = new Map();
  for (const { name, pid, tid } of events) if (name === "Layout" || name === "UpdateLayoutTree") counts.set(`${pid} ${tid}`, (counts.get(`${pid} ${tid}`) ?? 0) + 1);
  const [thread] = [...counts].sort(([, a], [, b]) => b - a)[0];
  const [pid, tid] = thread.split(" ").map(Number);
  return events.filter((each) => each.pid === pid && each.tid === tid).sort((a, b) => a.ts - b.ts);
}

const SCRIPT_AND_LAYOUT = /^(FunctionCall|EvaluateScript|FireAnimationFrame|TimerFire|EventDispatch|RunMicrotasks|Layout|UpdateLayoutTree)$/;
/** The browser collects garbage when it likes: in no script's midst, or in that of whichever runs. */
const GARBAGE = /^(MinorGC|MajorGC|V8\.GC_\w+)$/;

/**
 * Milliseconds of script, style and layout in each frame, smallest first: all that the thread did from one commit of what it drew to the
 * next, in its own processor time, so that a loaded machine does not count, and without collecting garbage.
 */
export function framesOf(events) {
  const commits = events.filter(({ name }) => name === "Commit").map(({ ts }) => ts);
  const frames = new Array(commits.length + 1).fill(0);
  let frame = 0;
  const garbage = outermost(events, ({ name }) => GARBAGE.test(name));
  let next = 0;
  for (const { ts, end, took } of outermost(events, ({ name }) => SCRIPT_AND_LAYOUT.test(name))) {
    while (frame < commits.length && commits[frame] <= ts) frame++;
    frames[frame] += took;
    while (next < garbage.length && garbage[next].ts < ts) next++;
    for (; next < garbage.length && garbage[next].ts < end; next++) frames[frame] -= garbage[next].took;
  }
  check(frames.length > 20, `only ${frames.length} frames were traced`);
  return frames.sort((a, b) => a - b);
}

/** Milliseconds of each task of the thread, in its own processor time: for as long nothing else is answered. */
export function tasksOf(events) {
  return outermost(events, ({ name }) => name === "RunTask" || name === "ThreadControllerImpl::RunTask")
    .map(({ took }) => took)
    .sort((a, b) => a - b);
}

/** The spans that are wanted, without those that run within another: they are counted with it. */
function outermost(events, wanted) {
  let end = -1;
  const spans = [];
  for (const each of events) {
    if (each.ph !== "X" || !wanted(each) || each.ts < end) continue;
    end = each.ts + (each.dur ?? 0);
    spans.push({ ts: each.ts, end, took: (each.tdur ?? each.dur ?? 0) / 1000 });
  }
  return spans;
}

export const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
