import { randomUUID } from "node:crypto";
import { check, live, runOf, withPage } from "./browser.mjs";
import { api, until } from "./server.mjs";

const MESSAGES = 60;

/**
 * The server is killed while messages are posted, and started again by who reads `now kill it` from this script: the page
 * says that it is offline, comes back by itself, and has every message once.
 */
export async function restart(link) {
  const call = api(link);
  const { id } = await call("POST", "/collaboration/rooms", { name: "A killed server", type: "workspace", participants: [] });
  await withPage(link, async (page, { origin, key }) => {
    await page.goto(`${origin}/rooms/${id}`);
    await page.waitForSelector("[role=log] [data-seq]");
    let asked = false;
    for (let count = 0; count < MESSAGES; count++) {
      await post(origin, key, id, `message ${count}.`);
      if (count === MESSAGES / 3) {
        const offline = page.waitForSelector("[data-connection=offline]");
        console.log("now kill it");
        asked = true;
        await offline;
      }
    }
    check(asked, "the server was never killed");
    await live(page);
    const { items, head } = await call("GET", `/collaboration/rooms/${id}/events?limit=500`);
    const bodies = items.filter(({ type }) => type === "message.posted").map(({ data }) => data.body);
    check(bodies.length === MESSAGES && new Set(bodies).size === MESSAGES, `the log has ${bodies.length} messages, ${new Set(bodies).size} of them different`);
    await until("the page has caught up", async () => (await runOf(page)).last === head);
    await page.getByText(`message ${MESSAGES - 1}.`).first().waitFor();
    const { first, count } = await runOf(page);
    check(count === head - first + 1, "the page misses an event or has one twice");
    check((await page.getByText(`message ${MESSAGES - 1}.`).count()) === 1, "the last message is there twice");
  });
}

/** Posts until it is accepted; the same key makes the repetition harmless. */
async function post(origin, key, room, body) {
  const headers = { "content-type": "application/json", "x-api-key": key, "idempotency-key": randomUUID() };
  await until(`“${body}” is accepted`, async () => {
    const answer = await fetch(`${origin}/api/orchestration/collaboration/rooms/${room}/messages`, { method: "POST", headers, body: JSON.stringify({ body }) }).catch(() => undefined);
    return answer?.ok;
  });
}
