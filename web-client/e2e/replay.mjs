import assert from "node:assert";
import { createServer } from "vite";
import { check, withPage } from "./browser.mjs";
import { api, seed } from "./seed.mjs";

/** Clocks that the server derives, which no event tells. */
const DERIVED = new Set(["elapsedMs", "runningSince"]);

/** A process shown at any seq is as the log says it was; and folded to the end it is what the server has. */
export async function replay(link) {
  const call = api(link);
  const made = await seed(link);
  const vite = await createServer({ root: new URL("..", import.meta.url).pathname, configFile: false, logLevel: "error", server: { middlewareMode: true, hmr: false, ws: false }, optimizeDeps: { noDiscovery: true } });
  try {
    const approval = made.open.find(({ schema, type }) => type === "approval" && !schema);
    await call("PUT", `/interventions/${approval.id}`, { action: "approve" });
    const refund = made.open.find(({ schema }) => schema?.title === "Refund");
    await call("PUT", `/interventions/${refund.id}`, { action: "modify", modifications: { amount: 90, reason: "goodwill" } });
    await call("PUT", `/processes/${made.failed.id}`, { action: "retry" });
    await call("PUT", `/processes/${made.long.id}`, { action: "pause", mode: "interrupt" });
    await call("PUT", `/processes/${made.long.id}`, { action: "resume" });
    await call("PUT", `/processes/${made.route.id}`, { action: "cancel", reason: "found again" });

    const { replay: fold } = await vite.ssrLoadModule("/src/live/replay.ts");
    const { items } = await call("GET", "/processes?limit=200");
    for (const { id, name } of items) {
      const [events, process] = await unmoved(call, id);
      const folded = fold(events).process;
      assert.deepStrictEqual(plain(folded), plain(process), `${name}: the fold over ${events.length} events is not what the server has`);
    }
    console.log(`${items.length} processes folded`);

    const [events] = await unmoved(call, made.article.id);
    await withPage(link, async (page, { origin }) => {
      for (const seq of [2, Math.floor(events.length / 3), Math.floor(events.length / 2), events.length]) {
        await page.goto(`${origin}/processes/${made.article.id}?at=${seq}`);
        await page.waitForSelector(`[data-replayed='${seq}']`);
        await page.waitForSelector(".react-flow [data-step]");
        const shown = Object.fromEntries(await page.locator(".react-flow [data-step]").evaluateAll((steps) => steps.map(({ dataset }) => [dataset.step, dataset.status])));
        assert.deepStrictEqual(shown, statuses(events.slice(0, seq)), `at event ${seq}`);
        const last = await page.locator("[role=log]").getAttribute("data-last");
        check(Number(last) === seq, `the timeline ends with event ${last}, not ${seq}`);
      }
    });
  } finally {
    await vite.close();
    made.close();
  }
}

/** The log and the process at one and the same moment. */
async function unmoved(call, id) {
  for (;;) {
    const before = await log(call, id);
    const process = await call("GET", `/processes/${id}`);
    if ((await log(call, id)).length === before.length) return [before, process];
  }
}

async function log(call, id) {
  const events = [];
  for (let more = true; more; ) {
    const page = await call("GET", `/processes/${id}/events?since=${events.length}&limit=500`);
    events.push(...page.items);
    more = page.more;
  }
  return events;
}

/** Each step's status by the last event that names one, without any of the page's code. */
function statuses(events) {
  const keys = new Map();
  const found = {};
  for (const { type, data } of events) {
    if (type === "process.created") for (const step of data.steps) [found[step.key], keys[step.id]] = [step.status, step.key];
    const patch = type.startsWith("step.") ? data : data.step;
    if (patch?.key && patch.status) found[patch.key] = patch.status;
  }
  return found;
}

function plain(value) {
  return JSON.parse(JSON.stringify(value, (name, each) => (DERIVED.has(name) ? undefined : each)));
}
