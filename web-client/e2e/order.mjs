import { check, open, runOf, withPage } from "./browser.mjs";
import { api, until } from "./server.mjs";

const EACH = 15;

/** Two people in two browsers and a backend write to one room at once: both see the same messages in the same order. */
export async function order(link) {
  const call = api(link);
  const { id } = await call("POST", "/collaboration/rooms", { name: "Two browsers", type: "workspace", participants: [] });
  const path = `/rooms/${id}`;
  await withPage(link, (first) =>
    withPage(link, async (second, { origin }) => {
      await Promise.all([first, second].map((page) => open(page, origin + path)));
      const write = async (page, who) => {
        const box = page.getByLabel("Message to the room");
        for (let count = 0; count < EACH; count++) {
          await box.fill(`${who} ${count}`);
          await box.press("Enter");
          await page.waitForFunction(() => document.querySelector("textarea")?.value === "");
        }
      };
      const backend = async () => {
        for (let count = 0; count < EACH; count++) await call("POST", `/collaboration/rooms/${id}/messages`, { body: `backend ${count}` });
      };
      await Promise.all([write(first, "ann"), write(second, "bob"), backend()]);
      const log = (await call("GET", `/collaboration/rooms/${id}/events?limit=500`)).items;
      const said = log.filter(({ type }) => type === "message.posted").map(({ data }) => data.body);
      check(said.length === 3 * EACH, `${said.length} messages are in the log, not ${3 * EACH}`);

      const seen = await Promise.all(
        [first, second].map(async (page) => {
          await until("the page has the whole log", async () => (await runOf(page)).last === log.at(-1).seq);
          return read(page);
        }),
      );
      for (const texts of seen) {
        check(texts.join() === said.join(), `a page shows ${texts.join(", ")}, the log has ${said.join(", ")}`);
      }
    }),
  );
}

/** Every message of the room in the order shown, read by scrolling, since only what is in view is drawn. */
async function read(page) {
  const box = page.locator("[role=log]");
  const { count } = await runOf(page);
  const rows = new Map();
  // From the beginning to the end and round again, until each row has been drawn: when that is, is the page's own affair.
  await until("every row has been drawn", async () => {
    const drawn = await box.evaluate((element) => {
      const found = [...element.querySelectorAll("[data-seq]")].map((row) => [Number(row.dataset.seq), row.querySelector(".prose")?.textContent.trim()]);
      const before = element.scrollTop;
      element.scrollBy({ top: element.clientHeight / 2 });
      if (element.scrollTop === before) element.scrollTo({ top: 0 });
      return found;
    });
    for (const [seq, text] of drawn) rows.set(seq, text);
    return rows.size === count;
  });
  return [...rows].sort(([a], [b]) => a - b).flatMap(([, text]) => text ?? []);
}
