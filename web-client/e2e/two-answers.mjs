import { becomes, check, withPage } from "./browser.mjs";

/** Two people answer the same approval in the same instant: one decides, and both see that decision. */
export function twoAnswers(link) {
  return withPage(link, (first) =>
    withPage(link, async (second) => {
      const row = first.locator("section[aria-label=Inbox] li a").filter({ hasText: "Approval" }).first();
      await row.waitFor();
      const path = await row.getAttribute("href");
      await Promise.all([first, second].map((page) => page.locator(`section[aria-label=Inbox] a[href="${path}"]`).click()));
      await Promise.all([first, second].map((page) => page.locator("button:enabled", { hasText: "Approve" }).waitFor()));

      // By key: a click first waits until the button holds still, and by then the other one has decided.
      await Promise.all([first.keyboard.press("a"), second.keyboard.press("a")]);

      await Promise.all([first, second].map((page) => page.waitForSelector("[data-outcome=approved]")));
      const decisions = () => Promise.all([first, second].map((page) => page.locator("[data-outcome]").textContent()));
      await becomes("the number of different decisions that the two see", async () => new Set(await decisions()).size, 1);
      const alerts = (await first.getByRole("alert").count()) + (await second.getByRole("alert").count());
      check(alerts === 0, "the second answerer is shown an error");
    }),
  );
}
