import { becomes, check, open, withPage } from "./browser.mjs";
import { linkFor } from "./people.mjs";
import { api } from "./server.mjs";

/** The rules for alerts are read by everybody and changed by admins; what is wrong is said at its field, before and after sending. */
export async function alertRules(link) {
  const call = api(link);
  const rules = async () => (await call("GET", "/alert-rules")).items;
  const usual = await rules();
  const annLink = await linkFor(link, "ann");
  await withPage(
    link,
    async (page, { origin, accessible }) => {
      await open(page, `${origin}/alert-rules`);
      const rule = (name) => page.getByRole("group", { name, exact: true });
      const save = page.getByRole("button", { name: "Save the rules" });
      await rule("Failed steps").waitFor();
      await becomes("the number of rules shown", () => page.locator("[data-rule]").count(), usual.length);
      check(await save.isDisabled(), "rules that nobody changed can be saved");
      await accessible();

      // Before it is sent: at its field, and gone when it is mended.
      const threshold = rule("Failed steps").getByLabel("above");
      await becomes("the threshold shown", () => threshold.inputValue(), String(usual.find(({ metric }) => metric === "errorRate").threshold));
      await threshold.fill("120");
      await save.click();
      await rule("Failed steps").getByRole("alert").getByText("It can be at most 100.").waitFor();
      await threshold.and(page.locator(":focus")).waitFor();
      await becomes("whether the field says that it is wrong", () => threshold.getAttribute("aria-invalid"), "true");
      check(JSON.stringify(await rules()) === JSON.stringify(usual), "a threshold that is none was sent");
      await accessible();
      await threshold.fill("7.5");
      await rule("Failed steps").getByRole("alert").waitFor({ state: "detached" });

      // In minutes here, in milliseconds there; off, removed, and new.
      await rule("Overdue answers").getByLabel("above").fill("2.5");
      await rule("Overdue answers").getByLabel("Severity").selectOption("critical");
      await rule("Lost leases").getByLabel("On").uncheck();
      await rule("Questions to people").getByRole("button", { name: /^Remove the rule/ }).click();
      await page.getByLabel("What the new rule looks at").selectOption("interventions");
      await page.getByRole("button", { name: "Add a rule" }).click();
      await rule("Questions to people").getByLabel("above").fill("12");
      await save.click();
      await page.getByText("The rules are saved.").waitFor();
      const now = await rules();
      const of = (metric) => now.find((each) => each.metric === metric);
      check(of("errorRate").threshold === 7.5, `the error rate's threshold is ${of("errorRate").threshold}`);
      check(of("overdueInterventions").threshold === 150_000 && of("overdueInterventions").severity === "critical", `the overdue rule is ${JSON.stringify(of("overdueInterventions"))}`);
      check(of("lostLeases").enabled === false, "the rule for lost leases is on");
      check(of("interventions").threshold === 12, `the rule for questions is ${JSON.stringify(of("interventions"))}`);
      await accessible();

      // What the server refuses stands at its field too: here, as a server would that allows less than this page knows.
      await page.route(/\/alert-rules$/, (route) =>
        route.request().method() === "PUT"
          ? route.fulfill({
              status: 400,
              contentType: "application/problem+json",
              body: JSON.stringify({ type: "about:blank", title: "The request is invalid", status: 400, code: "invalid_request", retryable: false, errors: [{ path: "items[0].threshold", message: "must be from 0 to 50" }] }),
            })
          : route.continue(),
      );
      await threshold.fill("60");
      await save.click();
      const first = page.locator("[data-rule]").first();
      await first.getByText("must be from 0 to 50").waitFor();
      await page.unroute(/\/alert-rules$/);
      await page.getByRole("button", { name: "Undo the changes" }).click();
      await becomes("the threshold after undoing", () => threshold.inputValue(), "7.5");

      await page.reload();
      await becomes("the threshold after a reload", () => threshold.inputValue(), "7.5");
    },
    { expected: /status of 400/ },
  );

  // Who may not change them reads them, and is refused by hand.
  await withPage(annLink, async (ann, { origin, key, accessible }) => {
    await open(ann, `${origin}/overview`);
    check((await ann.locator("nav a[href='/alert-rules']").count()) === 0, "the administration is offered");
    await open(ann, `${origin}/alert-rules`);
    await ann.locator("[data-rule]", { hasText: "Failed steps" }).getByText("7.5").waitFor();
    check((await ann.locator("main input, main select, main button").count()) === 0, "there is something to change them with");
    await accessible();
    const refused = await fetch(`${origin}/api/orchestration/alert-rules`, { method: "PUT", headers: { "content-type": "application/json", "x-api-key": key }, body: JSON.stringify({ items: [] }) });
    check(refused.status === 403, `changing them by hand was answered ${refused.status}`);
  });
}
