import { check, open, withPage } from "./browser.mjs";

const FORBIDDEN = /^(approve|edit|reject|claim|release|answer|send|pause|resume|cancel|retry|reply|start|invite|remove)\b/i;

/** Who may only read sees everything and nothing to press, and is refused when acting by hand. */
export function readOnly(link) {
  return withPage(link, async (page, { origin, key, accessible }) => {
    const row = page.locator("section[aria-label=Inbox] li a").first();
    await row.waitFor();
    const id = (await row.getAttribute("href")).split("/").at(-1);
    await row.click();
    const toProcess = page.locator("article header a[href^='/processes/']");
    await toProcess.waitFor();
    await nothingToPress(page);
    await accessible();

    await toProcess.click();
    await page.waitForSelector("[data-step]");
    await page.waitForSelector("[role=log] [data-seq]");
    await nothingToPress(page);
    check((await page.locator("textarea").count()) === 0, "there is a box to write in");

    for (const path of ["/overview", "/processes", "/rooms", "/teams", "/agents"]) {
      await open(page, origin + path);
      await page.waitForSelector("main h1");
      await page.waitForSelector("main .breathing", { state: "detached" });
      await nothingToPress(page);
      check((await page.locator("nav a[href='/keys'], nav a[href='/audit'], nav a[href='/webhooks']").count()) === 0, "the administration is offered");
    }

    const refused = await fetch(`${origin}/api/orchestration/interventions/${id}`, {
      method: "PUT",
      headers: { "content-type": "application/json", "x-api-key": key },
      body: JSON.stringify({ action: "approve" }),
    });
    check(refused.status === 403, `acting by hand was answered ${refused.status}, not 403`);
  });
}

async function nothingToPress(page) {
  // All in one look: what agents do meanwhile brings rows and takes others away.
  const names = await page.locator("button, [role=button], main a").evaluateAll((buttons) => buttons.map((each) => (each.getAttribute("aria-label") ?? each.textContent ?? "").trim()));
  check(names.length > 0, "there is nothing at all to press: nothing was looked at");
  for (const name of names) check(!FORBIDDEN.test(name), `there is a button “${name}”`);
}
