import { check, withPage } from "./browser.mjs";

/** What is done and what is refused is in the audit, filtered and page by page. */
export function audit(link) {
  return withPage(link, async (page, { origin, key, accessible }) => {
    const refused = await fetch(`${origin}/api/orchestration/teams/00000000-0000-7000-8000-000000000000`, { method: "DELETE", headers: { "x-api-key": key } });
    check(refused.status === 404, `archiving a team that is not there was answered ${refused.status}`);
    await page.goto(`${origin}/audit`);
    await page.locator("tbody tr", { hasText: "team:create" }).first().waitFor();
    await accessible();
    await page.getByLabel("What", { exact: true }).fill("team:archive");
    const row = page.locator("tbody tr", { hasText: "team:archive" });
    await row.first().waitFor();
    await row.getByText("not_found").first().waitFor();
    await page.locator("tbody tr", { hasText: "team:create" }).first().waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Done", exact: true }).click();
    await page.getByText("None matches").waitFor();
    await accessible();
    await page.reload();
    await page.getByText("None matches").waitFor(); // the address holds the filters
  });
}

/** A webhook is made, tells how it fares, and is deleted. */
export function webhooks(link) {
  return withPage(
    link,
    async (page, { origin, accessible }) => {
      await page.goto(`${origin}/webhooks`);
      await page.getByText("No webhook yet").waitFor();
      await accessible();
      await page.getByRole("button", { name: "New webhook" }).click();
      await page.getByLabel("Address").fill("https://hooks.example.org/baton");
      await page.getByLabel("Events").fill("process.* intervention.requested");
      await page.getByLabel("Description").fill("The ticket system");
      await accessible();
      await page.getByRole("button", { name: "Make the webhook" }).click();
      check((await page.getByLabel("Signing secret", { exact: true }).inputValue()).length >= 16, "there is no secret");
      await page.getByRole("button", { name: "Done" }).click();
      const card = page.locator("[data-webhook]");
      await card.getByText("https://hooks.example.org/baton").waitFor();
      await card.getByText("process.*", { exact: true }).waitFor();
      await accessible();
      await card.getByRole("button", { name: "Replay" }).click();
      await page.getByRole("button", { name: "Send again" }).click();
      await page.getByText(/on (?:its|their) way again/).waitFor();
      await page.keyboard.press("Escape");
      await card.getByRole("button", { name: /Delete the webhook/ }).click();
      await accessible();
      await page.getByRole("button", { name: "Delete it" }).click();
      await page.getByText("No webhook yet").waitFor();
    },
    // How it fares is asked now and then, and may be asked just when it is gone.
    { expected: /status of 404/ },
  );
}
