import { mkdirSync } from "node:fs";
import { check, live, withPage } from "./browser.mjs";
import { seed } from "./seed.mjs";

const DESK = { viewport: { width: 1440, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** Where pictures of every screen are put, for looking at them; none are taken without it. */
const PICTURES = process.env.BATON_PICTURES;

/** Every screen, light on a desk and dark on a phone: it is there, hinders nobody, and is not wider than the window. */
export async function screens(link) {
  const made = await seed(link);
  const looks = [
    ["desk light", { ...DESK, colorScheme: "light" }],
    ["phone dark", { ...PHONE, colorScheme: "dark" }],
    ...(PICTURES ? [["desk dark", { ...DESK, colorScheme: "dark" }], ["phone light", { ...PHONE, colorScheme: "light" }]] : []),
  ];
  try {
    for (const [name, look] of looks) {
      await withPage(link, async (page, tools) => {
        for (const [screen, path, act] of pathsOf(made)) {
          await page.goto(tools.origin + path);
          await live(page);
          await page.waitForSelector("main h1", { state: "attached" });
          await settled(page);
          if (act) await act(page);
          if (PICTURES) {
            mkdirSync(PICTURES, { recursive: true });
            await page.screenshot({ path: `${PICTURES}/${screen} ${name}.png`.replaceAll(" ", "-") });
          }
          await tools.accessible().catch((error) => check(false, `${screen}, ${name}: ${error.message}`));
          const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          check(over <= 0, `${screen}, ${name}: ${over} px wider than the window`);
          console.log(`${screen}, ${name}`);
        }
      }, look);
    }
  } finally {
    made.close();
  }
}

function pathsOf({ article, failed, room, team, open }) {
  const of = (type) => open.find((each) => each.type === type).id;
  const refund = open.find(({ schema, type }) => type === "approval" && schema).id;
  return [
    ["inbox", "/inbox"],
    ["approval", `/inbox/${open.find(({ schema, type }) => type === "approval" && !schema).id}`],
    ["approval edited", `/inbox/${refund}`, (page) => page.keyboard.press("e").then(() => page.waitForSelector(".schema-form"))],
    ["approval rejected", `/inbox/${refund}`, (page) => page.keyboard.press("r").then(() => page.waitForSelector("#why"))],
    ["input", `/inbox/${of("input")}`, (page) => page.waitForSelector(".schema-form")],
    ["decision", `/inbox/${of("decision")}`],
    ["review", `/inbox/${of("review")}`],
    ["overview", "/overview", (page) => page.waitForSelector("canvas")],
    ["processes", "/processes"],
    ["processes none", "/processes?search=there-is-no-such-thing"],
    ["process graph", `/processes/${article.id}`, graph],
    ["process step", `/processes/${article.id}`, async (page) => {
      await graph(page);
      await page.locator(".react-flow [data-step=facts]").click();
      await page.waitForSelector("section[aria-label^='Step ']");
    }],
    ["process past", `/processes/${article.id}?at=20`, (page) => page.waitForSelector("[data-replayed='20']")],
    ["process failed", `/processes/${failed.id}`],
    ["process room", `/processes/${article.id}?side=room`],
    ["rooms", "/rooms"],
    ["room", `/rooms/${room.id}`],
    ["teams", "/teams"],
    ["team", `/teams/${team.id}`],
    ["agents", "/agents"],
    ["agent", "/agents/writer"],
    ["start", "/start"],
    ["keys", "/keys"],
    ["help", "/overview", (page) => page.keyboard.press("?").then(() => page.waitForSelector("[role=dialog]"))],
    ["nothing", "/no-such-screen"],
  ];
}

/** On a phone the graph is behind its part. */
async function graph(page) {
  const part = page.getByRole("button", { name: "Graph" });
  if ((await part.getAttribute("aria-pressed")) === "false") await part.click();
  await page.waitForSelector(".react-flow [data-step]");
}

/** Nothing is on its way any more. */
async function settled(page) {
  await page.waitForFunction(() => document.querySelector("[role=status] .sr-only + .breathing") === null);
}
