import { check, withPage } from "./browser.mjs";
import { seed } from "./seed.mjs";
import { api, until } from "./server.mjs";

/** An answer with a schema is filled in as a form: what is wrong is said before it is sent, and what the server finds is shown at its field. */
export async function forms(link) {
  const call = api(link);
  const made = await seed(link);
  try {
    await withPage(link, async (page, { origin, accessible }) => {
      const input = made.open.find(({ type }) => type === "input");
      await page.goto(`${origin}/inbox/${input.id}`);
      await page.getByLabel("Budget in euro").fill("5");
      await page.getByRole("button", { name: "Answer", exact: true }).click();
      await page.locator(".schema-form .error-detail").first().waitFor();
      const said = (await page.locator(".schema-form .error-detail").allTextContents()).join(" ");
      check(/required/.test(said) && /100/.test(said), `the form says “${said}”`);
      check((await call("GET", `/interventions/${input.id}`)).status === "pending", "what the form refuses was sent all the same");
      await accessible();

      await page.getByLabel("Budget in euro").fill("2500");
      await page.getByLabel("From").fill("2026-04-01");
      await page.getByLabel("web").check();
      await page.getByRole("button", { name: "Answer", exact: true }).click();
      await page.waitForSelector("[data-outcome=answered]");
      const { response } = await call("GET", `/interventions/${input.id}`);
      check(JSON.stringify(response.value) === JSON.stringify({ budget: 2500, from: "2026-04-01", channels: ["web"] }), `the answer is ${JSON.stringify(response.value)}`);

      // The server has the last word: as JSON, what the form would not let through.
      const refund = made.open.find(({ schema }) => schema?.title === "Refund");
      await page.goto(`${origin}/inbox/${refund.id}`);
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByRole("button", { name: "JSON" }).click();
      await page.getByLabel("Your version").fill(JSON.stringify({ amount: 9000, reason: "goodwill" }));
      await page.getByRole("button", { name: "Approve this version" }).click();
      await page.getByRole("alert").getByText("maximum of 500").waitFor();
      await page.getByRole("button", { name: "Form" }).click();
      await page.locator(".schema-form .error-detail").first().waitFor();
      await page.getByLabel("Amount").fill("90");
      await page.getByRole("button", { name: "Changes" }).click();
      await page.getByText('"amount": 90').waitFor();
      await page.getByRole("button", { name: "Approve this version" }).click();
      await page.waitForSelector("[data-outcome=modified]");
      await until("the process goes on", async () => (await call("GET", `/interventions/${refund.id}`)).response?.modifications.amount === 90);
    });
  } finally {
    made.close();
  }
}
