import os from "node:os";
import { io } from "socket.io-client";
import { check, runOf, withPage } from "./browser.mjs";
import { api, until } from "./server.mjs";
import { at, framesOf, tasksOf, traced } from "./trace.mjs";

const EVENTS = 10_000;
/** Script and layout in one frame, at most, in milliseconds of the page's own processor time. */
const FRAME_MS = 8;
/** A notch of a wheel. One in every frame is eight screens a second, which nobody reads at. */
const NOTCH_PX = 120;
/** So often scrolling is tried, at most, until every frame of one run stays within its bound. */
const RUNS = 5;
const RUNS_FLOODED = 3;
/** From an interaction to the next paint, at most. */
const ANSWER_MS = 200;
const PER_SECOND = 200;
const FLOOD_S = 12;
/** What a page may hold: the elements of what is in view, and the events of one room. */
const MOST_NODES = 6_000;
const MOST_MIB = 120;

/** Scrolling through a room of 10,000 events stays cheap in every frame, and 200 events a second leave the page answering. */
export async function load(link) {
  const { origin, hash } = new URL(link);
  const token = decodeURIComponent(hash.replace(/^#key=/, ""));
  const call = api(link);
  const earlier = (await call("GET", "/collaboration/rooms?type=workspace&limit=200")).items.find(({ name, head }) => name === "Ten thousand" && head > EVENTS);
  const { id } = earlier ?? (await call("POST", "/collaboration/rooms", { name: "Ten thousand", type: "workspace", participants: [] }));
  const socket = io(origin, { auth: { token }, transports: ["websocket"] });
  const send = (number) =>
    new Promise((resolve, reject) =>
      socket.emit("message:send", { roomId: id, body: text(number) }, (ack) => (ack.ok ? resolve() : ack.error.code === "rate_limited" ? setTimeout(() => send(number).then(resolve, reject), 200) : reject(new Error(JSON.stringify(ack.error))))),
    );
  for (let sent = earlier ? EVENTS : 0; sent < EVENTS; sent += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, each) => send(sent + each)));
    if (sent % 2_500 === 0) console.log(`${sent} of ${EVENTS} posted`);
  }

  try {
    await withPage(
      link,
      async (page) => {
        await page.goto(`${origin}/rooms/${id}`);
        await page.waitForSelector("[role=log] [data-seq]");
        const session = await page.context().newCDPSession(page);
        await page.mouse.move(600, 500);

        // Up to the very first event: every page of history is fetched on the way.
        let told = EVENTS;
        await until("the whole log has been scrolled through", async () => {
          await page.locator("[role=log]").evaluate((element) => element.scrollTo({ top: 0 }));
          const { first } = await runOf(page);
          if (first < told - 1_500) console.log(`scrolled back to event ${(told = first)}`);
          return first === 1;
        });
        const { count } = await runOf(page);
        check(count >= EVENTS, `the page has ${count} events`);

        await smooth(page, session, "down", NOTCH_PX);
        await page.locator("[role=log]").evaluate((element) => element.scrollTo({ top: element.scrollHeight / 2 }));
        await smooth(page, session, "up", -NOTCH_PX);

        const { nodes, mib } = await memory(session);
        console.log(`memory: ${nodes} nodes, ${mib.toFixed(0)} MiB of script's heap`);
        check(nodes <= MOST_NODES, `the page has ${nodes} nodes`);
        check(mib <= MOST_MIB, `the page holds ${mib.toFixed(0)} MiB`);

        await page.getByRole("button", { name: "Latest" }).click();
        await answering(page, session, send);
        const { head } = await call("GET", `/collaboration/rooms/${id}/events?limit=1`);
        await until("the page has caught up", async () => (await runOf(page)).last === head);
        const after = await memory(session);
        check(after.nodes <= MOST_NODES, `after the flood the page has ${after.nodes} nodes`);
      },
      { viewport: { width: 1440, height: 900 } },
    );
  } finally {
    socket.close();
  }
}

/**
 * Scrolls by so many pixels in each frame over rows that were not drawn before. Every frame has to stay within its bound in one of the
 * runs: even the time of the thread itself grows when other processes empty the machine's caches.
 */
async function smooth(page, session, direction, pixels) {
  const worst = [];
  for (let run = 0; run < RUNS; run++) {
    await atRest(page);
    const frames = framesOf(
      await traced(session, async () => {
        for (let step = 0; step < 240; step++) {
          await page.mouse.wheel(0, pixels);
          await page.evaluate(() => new Promise(requestAnimationFrame));
        }
      }),
    );
    console.log(`scrolling ${direction}: ${frames.length} frames, script and layout p50 ${at(frames, 0.5).toFixed(1)} ms, p95 ${at(frames, 0.95).toFixed(1)} ms, worst ${at(frames, 1).toFixed(1)} ms`);
    worst.push(at(frames, 1));
    if (worst.at(-1) <= FRAME_MS) return;
  }
  check(false, `scrolling ${direction}, script and layout take ${worst.map((ms) => ms.toFixed(1)).join(", ")} ms in the worst frame of each run`);
}

/** Under a flood the page answers in time in one of the runs: what else runs on the machine, and the collection of garbage, are in each of them. */
async function answering(page, session, send) {
  const found = [];
  for (let run = 0; run < RUNS_FLOODED; run++) {
    let answers;
    const tasks = tasksOf(
      await traced(session, async () => {
        answers = await flooded(page, (number) => send(EVENTS + number));
      }),
    );
    const { sent, seconds, durations } = answers;
    const busy = tasks.reduce((sum, each) => sum + each, 0) / 1000 / seconds;
    console.log(
      `flood: ${(sent / seconds).toFixed(0)} events/s for ${seconds.toFixed(0)} s; the page's thread is busy for ${(busy * 100).toFixed(0)} % of the time, its longest task ${at(tasks, 1).toFixed(0)} ms; ` +
        `${durations.length} interactions, to the next paint p50 ${at(durations, 0.5)} ms, INP ${at(durations, 0.98)} ms by the clock of a machine with ${os.loadavg()[0].toFixed(0)} processes waiting`,
    );
    check(durations.length > 10, "no interaction was measured");
    const busyMachine = os.loadavg()[0] > os.cpus().length;
    const wrong = [
      at(tasks, 1) > ANSWER_MS / 2 && `a task of ${at(tasks, 1).toFixed(0)} ms keeps the page from answering`,
      at(durations, 0.98) > ANSWER_MS && !busyMachine && `an interaction takes ${at(durations, 0.98)} ms to the next paint`,
    ].filter(Boolean);
    if (wrong.length === 0) return;
    found.push(...wrong);
  }
  check(false, found.join("; "));
}

/** Nothing has scrolled for a moment: what was still to be measured is. */
function atRest(page) {
  return page.locator("[role=log]").evaluate(
    (element) =>
      new Promise((resolve) => {
        let timer = setTimeout(resolve, 300);
        element.addEventListener("scroll", () => {
          clearTimeout(timer);
          timer = setTimeout(resolve, 300);
        });
      }),
  );
}

function text(number) {
  return number % 10 === 0 ? `**Report ${number}**\n\n- read ${number} lines\n- \`state\` is *fine*` : `message ${number}: ${"word ".repeat(number % 30)}`;
}

async function memory(session) {
  await session.send("HeapProfiler.collectGarbage");
  await session.send("Performance.enable");
  const { metrics } = await session.send("Performance.getMetrics");
  const of = (wanted) => metrics.find(({ name }) => name === wanted).value;
  return { nodes: of("Nodes"), mib: of("JSHeapUsedSize") / 1024 / 1024 };
}

/** Clicks and types while events come, and measures from each interaction to the next paint. */
async function flooded(page, send) {
  await page.evaluate(() => {
    globalThis.interactions = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (entry.interactionId) globalThis.interactions.push(entry.duration);
    }).observe({ type: "event", durationThreshold: 16, buffered: false });
  });
  let sent = 0;
  let over = false;
  const began = Date.now();
  const flood = (async () => {
    const waiting = new Set();
    while (!over) {
      const due = Math.floor(((Date.now() - began) / 1000) * PER_SECOND);
      for (; sent < due; sent++) {
        const one = send(sent).finally(() => waiting.delete(one));
        waiting.add(one);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await Promise.all(waiting);
  })();
  const box = page.getByLabel("Message to the room");
  for (let round = 0; Date.now() - began < FLOOD_S * 1000; round++) {
    await page.getByRole("button", { name: ["Messages", "All"][round % 2], exact: true }).click();
    await box.click();
    await page.keyboard.type("abc", { delay: 20 });
  }
  const seconds = (Date.now() - began) / 1000;
  over = true;
  await flood;
  await box.fill("");
  return { sent, seconds, durations: (await page.evaluate(() => globalThis.interactions)).sort((a, b) => a - b) };
}
