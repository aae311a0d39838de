import { randomUUID } from "node:crypto";
import { check, live, runOf, withPage } from "./browser.mjs";

const AWAY_MS = 20_000;

/** The network goes while somebody watches a process: the page says so, and afterwards misses nothing and doubles nothing. */
export function offline(link) {
  return withPage(link, async (page, { origin, key }) => {
    await page.goto(`${origin}/processes`);
    const row = page.locator("main tbody a").first();
    await row.waitFor();
    const processId = (await row.getAttribute("href")).split("/").at(-1);
    await row.click();
    await page.waitForSelector("[role=log] [data-seq]");

    console.log("watching");
    await page.context().setOffline(true);
    await page.getByText(/Offline since \d\d:\d\d:\d\d, reconnecting/).waitFor();
    await page.waitForSelector("[data-connection=offline]");

    const said = `while you were away ${randomUUID()}`;
    const headers = { "content-type": "application/json", "x-api-key": key };
    const { roomId } = await (await fetch(`${origin}/api/orchestration/processes/${processId}`, { headers })).json();
    const posted = await fetch(`${origin}/api/orchestration/collaboration/rooms/${roomId}/messages`, {
      method: "POST",
      headers,
      body: JSON.stringify({ body: said }),
    });
    check(posted.ok, `the message was answered ${posted.status}`);
    await page.waitForTimeout(AWAY_MS); // the length of the outage is what is tried, not something to wait for
    check((await page.getByText(said).count()) === 0, "the page shows what it cannot know");

    console.log("the network comes back");
    await page.context().setOffline(false);
    await live(page);
    console.log("connected again");
    // Among the messages: meanwhile the process went on, so that in the whole timeline it may be out of view.
    await page.getByRole("button", { name: "Messages" }).click();
    await page.getByText(said).waitFor();
    check((await page.getByText(said).count()) === 1, "the message is there twice");
    await page.getByRole("button", { name: "All", exact: true }).click();
    await runOf(page);
  });
}
