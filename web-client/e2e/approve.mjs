import { check, withPage } from "./browser.mjs";

/** A person opens the inbox, reads what an agent asks, approves it, and sees the process complete. */
export function approve(link) {
  return withPage(link, async (page, { accessible }) => {
    const row = page.locator("section[aria-label=Inbox] li a").filter({ hasText: "Approval" }).first();
    await row.waitFor();
    await accessible();
    await row.click();
    await page.waitForSelector("article h1");
    const question = await page.locator("article h1").textContent();
    const toProcess = page.locator("article header a[href^='/processes/']");
    await toProcess.waitFor();
    await accessible();

    await page.getByRole("button", { name: "Approve" }).click();
    await page.waitForSelector("[data-outcome=approved]");
    check((await page.getByRole("button", { name: "Approve" }).count()) === 0, "it can still be approved");

    await toProcess.click();
    await page.waitForSelector("[data-process-status=completed]");
    await page.locator("[data-step][data-status=completed]").first().waitFor();
    await page.waitForSelector("[data-step]:not([data-status=completed])", { state: "detached" });
    await page.locator("[role=log]").getByText(question, { exact: false }).first().waitFor();
    await accessible();
  });
}
