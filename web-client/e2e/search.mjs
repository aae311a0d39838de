import { becomes, check, runOf, withPage } from "./browser.mjs";
import { seed } from "./seed.mjs";

/** So many that the first of them are far from what a room opens with. */
const MESSAGES = 300;

/** What was said is found from any screen by a key, as it stands now, and each find leads to its place in its room. */
export async function search(link) {
  const made = await seed(link);
  const { call, article } = made;
  try {
    const room = await call("POST", "/collaboration/rooms", { name: "Bird watch", type: "workspace", participants: [] });
    const say = (roomId, body) => call("POST", `/collaboration/rooms/${roomId}/messages`, { body });
    const heron = await say(room.id, "A **blue heron** stood at the weir.");
    const edited = await say(room.id, "A kingfisher.");
    const removed = await say(room.id, "A blue heron that was none.");
    for (let sent = 0; sent < MESSAGES; sent += 20) await Promise.all(Array.from({ length: 20 }, (_, each) => say(room.id, `Count ${sent + each}: ${"sparrow ".repeat(each % 12)}`)));
    await call("PATCH", `/collaboration/rooms/${room.id}/messages/${edited.id}`, { body: "A green woodpecker." });
    await call("DELETE", `/collaboration/rooms/${room.id}/messages/${removed.id}`);
    // Those before were posted at once, in whatever order: this is the last.
    await say(room.id, "That is all for today.");
    const inProcess = await say(article.roomId, "Herons are mentioned in the notes too: a heron is a bird.");
    const seqOf = async (roomId, id) => (await call("GET", `/collaboration/rooms/${roomId}/events?limit=500`)).items.find(({ type, data }) => type === "message.posted" && data.id === id).seq;

    await withPage(
      link,
      async (page, { origin, accessible }) => {
        const box = page.getByRole("searchbox", { name: "Search the messages" });
        const rows = page.getByRole("list", { name: "Found" }).getByRole("listitem");
        const found = (query) => page.locator(`[aria-label=Found][data-query=${JSON.stringify(query)}]`).waitFor();

        await page.evaluate(() => document.activeElement?.blur());
        await page.keyboard.press("/");
        await page.getByText("What was said, in every room").waitFor();
        await box.and(page.locator(":focus")).waitFor();
        await accessible();

        // While it is typed, the last word is a beginning; while it is searched for, that is said.
        let answer;
        const held = new Promise((resolve) => (answer = resolve));
        await page.route(/\/search\?/, async (route) => {
          await held;
          await route.continue();
        });
        await page.keyboard.type("hero");
        await page.getByText("Searching").waitFor({ state: "attached" });
        await accessible();
        answer();
        await found("hero*");
        await page.unroute(/\/search\?/);
        check((await rows.count()) === 2, `${await rows.count()} messages begin a word with “hero”`);
        const [newest, oldest] = [rows.nth(0), rows.nth(1)];
        for (const said of ["Release notes for March", "admin", "mentioned in the notes"]) await newest.getByText(said).waitFor();
        for (const said of ["Bird watch", "admin", "stood at the weir"]) await oldest.getByText(said).waitFor();
        check((await newest.locator("time").count()) === 1, "it is not said when");
        await becomes("what is marked", () => newest.locator("mark").allTextContents(), ["Herons", "heron"]);
        await accessible();

        // All words must be there; the address holds what was looked for.
        await box.pressSequentially("n blue");
        await found("heron blue*");
        check((await rows.count()) === 1, "a message without one of the words is found");
        await page.reload();
        await found("heron blue*");
        check((await box.inputValue()) === "heron blue", "the address does not hold the search");

        // To its place, far back in its room, and read among those around it.
        await rows.first().getByRole("link").click();
        await isAt(page, await seqOf(room.id, heron.id));
        check(new URL(page.url()).pathname === `/rooms/${room.id}`, `the find leads to ${page.url()}`);
        await page.locator("[role=log] [aria-current=true]").getByText("stood at the weir").waitFor();
        await page.locator("[role=log]").getByText("This message was removed").waitFor();
        const { first, last } = await runOf(page);
        const { head } = await call("GET", `/collaboration/rooms/${room.id}/events?limit=1`);
        check(first === 1 && last === head, `the timeline has the events from ${first} to ${last}, of ${head}`);
        await accessible();
        await page.getByRole("button", { name: "Latest" }).click();
        await page.locator("[role=log]").getByText("That is all for today.").waitFor();

        // As it was edited, not as it was posted; what was removed is not found.
        await page.evaluate(() => document.activeElement?.blur());
        await page.keyboard.press("/");
        await box.fill("kingfisher");
        await page.getByText("Nothing found", { exact: true }).first().waitFor();
        await accessible();
        await box.fill("woodpecker");
        await found("woodpecker*");
        await rows.first().getByText("edited").waitFor();
        await rows.first().getByRole("link").click();
        await isAt(page, await seqOf(room.id, edited.id));
        await page.locator("[role=log] [aria-current=true]").getByText("A green woodpecker.").waitFor();

        // Within a process it leads to the process, beside its graph.
        await page.goto(`${origin}/search?q=mentioned`);
        await found("mentioned*");
        await rows.first().getByRole("link").click();
        await page.waitForSelector(".react-flow [data-step]");
        await isAt(page, await seqOf(article.roomId, inProcess.id));

        // What cannot be looked for is said, with why.
        await page.goto(`${origin}/search`);
        await box.fill("a*");
        await page.getByRole("alert").getByText("a beginning* needs at least 2 letters").waitFor();
        await accessible();
        await box.fill("");
        await page.getByRole("alert").waitFor({ state: "detached" });
      },
      { expected: /status of 400/, viewport: { width: 1440, height: 900 } },
    );
  } finally {
    made.close();
  }
}

/** The event that was looked for is marked, and in view. */
async function isAt(page, seq) {
  const row = page.locator(`[role=log] [data-seq="${seq}"][aria-current=true]`);
  await row.waitFor();
  await becomes("whether it is in view", () =>
    row.evaluate((element) => {
      const { top, bottom } = element.getBoundingClientRect();
      const box = element.closest("[role=log]").getBoundingClientRect();
      return top >= box.top && bottom <= box.bottom;
    }), true);
}
