import { check, withPage } from "./browser.mjs";

/** Two people answer the same approval in the same instant: one decides, and both see that decision. */
export function twoAnswers(link) {
  return withPage(link, (first) =>
    withPage(link, async (second) => {
      const row = first.locator("section[aria-label=Inbox] li a").filter({ hasText: "Approval" }).first();
      await row.waitFor();
      const path = await row.getAttribute("href");
      await Promise.all([first, second].map((page) => page.locator(`section[aria-label=Inbox] a[href="${path}"]`).click()));
      await Promise.all([first, second].map((page) => page.getByRole("button", { name: "Approve" }).waitFor()));

      // By key: a click first waits until the button holds still, and by then the other one has decided.
      await Promise.all([first.keyboard.press("a"), second.keyboard.press("a")]);

      const [one, other] = await Promise.all(
        [first, second].map(async (page) => (await page.waitForSelector("[data-outcome=approved]")).textContent()),
      );
      check(one === other, `one sees “${one}”, the other “${other}”`);
      const alerts = (await first.getByRole("alert").count()) + (await second.getByRole("alert").count());
      check(alerts === 0, "the second answerer is shown an error");
    }),
  );
}
