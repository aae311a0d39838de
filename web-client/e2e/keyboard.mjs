import { check, withPage } from "./browser.mjs";
import { seed } from "./seed.mjs";
import { until } from "./server.mjs";

/** From the list to a decision, and on to a process's graph, its past and its room, without a mouse. */
export async function keyboard(link) {
  const made = await seed(link);
  try {
    await withPage(link, async (page, { origin }) => {
      const key = (name) => page.keyboard.press(name);
      await page.waitForSelector("section[aria-label=Inbox] li a");

      // Decide one: down the list, open it, think of rejecting it, approve it.
      const approval = made.open.find(({ schema, type }) => type === "approval" && !schema);
      await page.evaluate(() => document.activeElement?.blur());
      const rows = await page.locator("section[aria-label=Inbox] li a").count();
      // The first is open already; each j goes one further down, k back up.
      const chosen = (row) => page.locator(`section[aria-label=Inbox] li:nth-child(${row}) a[aria-current=true]`);
      const asks = async (row) => (await chosen(row).locator("p").first().textContent()) === approval.description;
      await chosen(1).waitFor();
      await key("j");
      await chosen(2).waitFor();
      await key("k");
      await chosen(1).waitFor();
      let row = 1;
      for (; row < rows && !(await asks(row)); row++) {
        await key("j");
        await chosen(row + 1).waitFor();
      }
      check(await asks(row), "j does not reach the approval");
      await key("Enter");
      await page.getByRole("button", { name: "Approve" }).waitFor();
      await key("r");
      await page.waitForSelector("#why:focus");
      await key("Escape");
      await page.waitForSelector("#why", { state: "detached" });
      // What else can be done, and back: a menu and a dialog, by arrows and Escape.
      await tabTo(page, "button[aria-label='More actions']");
      await key("Enter");
      await page.waitForSelector("[role=menuitem]:focus");
      await key("ArrowDown");
      await page.locator("[role=menuitem]:focus", { hasText: "Assign" }).waitFor();
      await key("Enter");
      await page.getByRole("dialog").getByLabel("User ids").and(page.locator(":focus")).waitFor();
      await key("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      await key("a");
      await page.waitForSelector("[data-outcome=approved]");

      // Every screen by its two keys, and all that is on it by Tab.
      await key("?");
      await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
      await key("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      for (const [letter, heading] of SCREENS) {
        await page.evaluate(() => document.activeElement?.blur());
        await go(page, letter);
        await page.getByRole("heading", { level: 1, name: heading }).waitFor();
        await page.waitForSelector("main .breathing", { state: "detached" });
        await everythingIsReached(page, heading);
      }

      // To the processes, and into the first.
      await go(page, "p");
      await page.waitForSelector("main tbody a");
      await page.goto(`${origin}/processes/${made.article.id}`);
      await page.waitForSelector(".react-flow [data-step=facts]");
      await tabTo(page, ".react-flow__node:has([data-step=facts])");
      await key("Enter");
      await page.waitForSelector("section[aria-label='Step Find what changed']");

      // Back in time, event by event.
      await tabTo(page, "button:has-text('Look back')");
      await key("Enter");
      await page.waitForSelector("[data-replayed]");
      await tabTo(page, "input[type=range]");
      const at = async () => Number(await page.locator("[data-replayed]").getAttribute("data-replayed"));
      const before = await at();
      await Promise.all([key("ArrowLeft"), key("ArrowLeft")]);
      await until("the slider went back by two", async () => (await at()) === before - 2);
      await tabTo(page, "button:has-text('Live')");
      await key("Enter");

      // Say something in the room.
      await tabTo(page, "textarea[aria-label='Message to the room']");
      await page.keyboard.type("written without a mouse");
      await key("Enter");
      await page.locator("[role=log]").getByText("written without a mouse").waitFor();
    });
  } finally {
    made.close();
  }
}

const SCREENS = [
  ["s", "Search"],
  ["i", "Inbox"],
  ["o", "Overview"],
  ["p", "Processes"],
  ["r", "Rooms"],
  ["t", "Teams"],
  ["a", "Agents"],
  ["l", "Alert rules"],
  ["k", "Keys and members"],
  ["u", "Audit"],
  ["w", "Webhooks"],
];

/** Both keys at once, as fast as they can be pressed: the second belongs to the first only for a moment. */
function go(page, letter) {
  return Promise.all([page.keyboard.press("g"), page.keyboard.press(letter)]);
}

/** Presses Tab until the element has the focus. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 150; presses++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selectorFor(selector))) return;
    if (selector.includes(":has-text") && (await page.locator(`${selector}:focus`).count()) > 0) return;
  }
  throw new Error(`Tab never reaches ${selector}`);
}

/** The browser itself does not know `:has-text`. */
function selectorFor(selector) {
  return selector.includes(":has-text") ? "no-such-element" : selector;
}

/** Whatever can be pressed, followed or filled in gets the focus by Tab alone, and shows that it has it. */
async function everythingIsReached(page, where) {
  // What came after the focus had passed its place is reached in a second round.
  let missed = await notReached(page, where);
  if (missed.length > 0) missed = await notReached(page, where);
  check(missed.length === 0, `${where}: Tab does not reach ${missed.join(" | ")}`);
}

/** What one round of Tab through the page has not come to. */
async function notReached(page, where) {
  await page.evaluate(() => {
    globalThis.reached = new Set();
    globalThis.bare = [];
    document.activeElement?.blur();
  });
  const wanted = await page.evaluate(() => {
    const all = [...document.querySelectorAll("a[href], button:not(:disabled), input, select, textarea, [tabindex='0']")];
    return all.filter((each) => each.checkVisibility() && !each.closest("[aria-hidden=true]")).length;
  });
  for (let presses = 0; presses < wanted + 10; presses++) {
    await page.keyboard.press("Tab");
    await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return;
      globalThis.reached.add(element);
      const shown = [element, element.firstElementChild].filter(Boolean).some((each) => getComputedStyle(each).outlineStyle !== "none" || getComputedStyle(each, "::after").outlineStyle !== "none");
      if (!shown) globalThis.bare.push(element.outerHTML.slice(0, 100));
    });
  }
  const { missed, bare } = await page.evaluate(() => ({
    missed: [...document.querySelectorAll("a[href], button:not(:disabled), input, select, textarea")]
      .filter((each) => each.checkVisibility() && !globalThis.reached.has(each))
      .map((each) => each.outerHTML.slice(0, 120)),
    bare: globalThis.bare,
  }));
  check(bare.length === 0, `${where}: it cannot be seen that these have the focus: ${bare.join(" | ")}`);
  return missed;
}
