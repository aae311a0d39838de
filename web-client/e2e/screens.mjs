import { mkdirSync } from "node:fs";
import { check, live, withPage } from "./browser.mjs";
import { seed } from "./seed.mjs";

const DESK = { viewport: { width: 1440, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** Where pictures of every screen are put, for looking at them; none are taken without it. */
const PICTURES = process.env.BATON_PICTURES;

/** Every screen, menu and dialog, on a desk and on a phone: it is there, hinders nobody, and is not wider than the window. */
async function inAllSizes(link, colorScheme) {
  const made = await seed(link);
  await made.call("POST", "/webhooks", { url: "https://example.org/hooks/baton", events: ["process.completed"] });
  try {
    for (const [size, look] of [["desk", DESK], ["phone", PHONE]]) {
      await withPage(link, async (page, tools) => {
        for (const [screen, path, act, only] of pathsOf(made)) {
          if (only !== undefined && only !== size) continue;
          await page.goto(tools.origin + path);
          await live(page);
          await page.waitForSelector("main h1", { state: "attached" });
          await settled(page);
          if (act) await act(page);
          if (PICTURES) {
            mkdirSync(PICTURES, { recursive: true });
            await page.screenshot({ path: `${PICTURES}/${screen} ${size} ${colorScheme}.png`.replaceAll(" ", "-") });
          }
          await tools.accessible().catch((error) => check(false, `${screen}, ${size} ${colorScheme}: ${error.message}`));
          const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          check(over <= 0, `${screen}, ${size} ${colorScheme}: ${over} px wider than the window`);
          console.log(`${screen}, ${size} ${colorScheme}`);
        }
      }, { ...look, colorScheme });
    }
  } finally {
    made.close();
  }
}

export const screens = (link) => inAllSizes(link, "light");
export const screensDark = (link) => inAllSizes(link, "dark");

/** Name, address, what to do there before it is looked at, and on which size alone. */
function pathsOf({ article, failed, room, team, open }) {
  const of = (type) => open.find((each) => each.type === type).id;
  const approval = open.find(({ schema, type }) => type === "approval" && !schema).id;
  const refund = open.find(({ schema, type }) => type === "approval" && schema).id;
  const press = (name) => (page) => page.getByRole("button", { name, exact: true }).first().click();
  const menu = (name) => async (page) => {
    await press(name)(page);
    await page.getByRole("menu").waitFor();
  };
  const dialog = (name) => async (page) => {
    await press(name)(page);
    await page.locator("[role=dialog], [role=alertdialog]").waitFor();
  };
  /** A key does nothing before what it does can be done. */
  const byKey = (key, name, opens) => async (page) => {
    await page.locator("button:enabled", { hasText: name }).first().waitFor();
    await page.keyboard.press(key);
    await page.waitForSelector(opens);
  };
  const more = (item) => async (page) => {
    await menu("More actions")(page);
    await page.getByRole("menuitem", { name: item }).click();
    await page.getByRole("dialog").waitFor();
  };
  return [
    ["inbox", "/inbox"],
    ["inbox mine", "/inbox", press("Mine")],
    ["approval", `/inbox/${approval}`],
    ["approval edited", `/inbox/${refund}`, byKey("e", "Edit", ".schema-form")],
    ["approval rejected", `/inbox/${refund}`, byKey("r", "Reject", "#why")],
    ["approval menu", `/inbox/${approval}`, menu("More actions")],
    ["approval assign", `/inbox/${approval}`, more("Assign")],
    ["approval escalate", `/inbox/${approval}`, more("Escalate")],
    ["approval abort", `/inbox/${approval}`, more("Abort the process")],
    ["input", `/inbox/${of("input")}`, (page) => page.waitForSelector(".schema-form")],
    ["decision", `/inbox/${of("decision")}`],
    ["review", `/inbox/${of("review")}`],
    ["overview", "/overview", (page) => page.waitForSelector("canvas")],
    ["search", "/search"],
    ["search found", "/search?q=the", (page) => page.waitForSelector("[aria-label=Found]")],
    ["search none", "/search?q=nosuchword", (page) => page.getByText("Nothing found").first().waitFor()],
    ["processes", "/processes"],
    ["processes none", "/processes?search=there-is-no-such-thing"],
    ["process graph", `/processes/${article.id}`, graph],
    ["process step", `/processes/${article.id}`, async (page) => {
      await graph(page);
      await page.locator(".react-flow [data-step=facts]").click();
      await page.waitForSelector("section[aria-label^='Step ']");
    }],
    ["process past", `/processes/${article.id}?at=20`, (page) => page.waitForSelector("[data-replayed='20']")],
    ["process cancel", `/processes/${article.id}`, dialog("Cancel")],
    ["process failed", `/processes/${failed.id}`],
    ["process room", `/processes/${article.id}?side=room`, (page) => page.waitForSelector("[role=log] [data-seq]")],
    ["process thread", `/processes/${article.id}?side=room`, press("2 replies")],
    ["rooms", "/rooms"],
    ["room", `/rooms/${room.id}`],
    ["room people", `/rooms/${room.id}`, (page) => page.getByRole("button", { name: "take part" }).click(), "phone"],
    ["room mention", `/rooms/${room.id}`, (page) => page.getByLabel("Message to the room").pressSequentially("@w").then(() => page.getByRole("listbox").waitFor())],
    ["teams", "/teams"],
    ["team", `/teams/${team.id}`],
    ["agents", "/agents"],
    ["agent", "/agents/writer"],
    ["start", "/start"],
    ["start menu", "/start", menu("Templates")],
    ["start team", "/start", dialog("Make a team")],
    ["start drawn", "/start", async (page) => {
      if (page.viewportSize().width < 640) await press("Steps")(page);
      for (let count = 0; count < 3; count++) await page.getByRole("button", { name: /^Add (the first|a) step/ }).first().click();
    }],
    ["alert rules", "/alert-rules", (page) => page.waitForSelector("[data-rule]")],
    ["alert rules wrong", "/alert-rules", async (page) => {
      await page.getByRole("group", { name: "Failed steps" }).getByLabel("above").fill("many");
      await press("Save the rules")(page);
      await page.getByRole("alert").waitFor();
    }],
    ["keys", "/keys"],
    ["keys new", "/keys", dialog("New key")],
    ["audit", "/audit", (page) => page.locator("tbody tr").first().waitFor()],
    ["webhooks", "/webhooks", (page) => page.getByText("example.org").first().waitFor()],
    ["webhooks new", "/webhooks", dialog("New webhook")],
    ["webhooks replay", "/webhooks", dialog("Replay")],
    ["help", "/overview", (page) => page.keyboard.press("?").then(() => page.waitForSelector("[role=dialog]"))],
    ["account", "/overview", (page) => page.getByRole("button", { name: /^Account/ }).click().then(() => page.getByRole("menu").waitFor()), "desk"],
    ["more", "/overview", dialog("More"), "phone"],
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
