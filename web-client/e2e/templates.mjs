import { check, withPage } from "./browser.mjs";

/** What was drawn is kept as a template, and started again by filling in the form that its inputs' schema makes. */
export function templates(link) {
  return withPage(
    link,
    async (page, { origin, key, accessible }) => {
      const drawn = {
        name: "Newsletter",
        teamId: "",
        steps: [
          { key: "research", name: "Research", inputs: { topic: { $from: "variables.topic" } } },
          { key: "draft", name: "Draft", dependencies: ["research"] },
        ],
        context: { variables: { topic: "bees" } },
      };
      await page.evaluate((draft) => sessionStorage.setItem("baton.draft", draft), JSON.stringify(drawn));
      await page.goto(`${origin}/start`);
      await page.getByRole("button", { name: "Templates" }).click();
      await page.getByRole("menuitem", { name: "Save as a template" }).click();
      const dialog = page.getByRole("dialog");
      check((await dialog.getByLabel("Name of the template").inputValue()) === "Newsletter", "the name is not suggested");
      check((await dialog.getByLabel("Input 1", { exact: true }).inputValue()) === "topic", "the variable is not suggested as an input");
      await dialog.getByRole("button", { name: "Ask for something" }).click();
      await dialog.getByLabel("Input 2", { exact: true }).fill("words");
      await dialog.getByLabel("Kind of input 2").selectOption("integer");
      await accessible();
      await dialog.getByRole("button", { name: "Save the template" }).click();
      await dialog.waitFor({ state: "detached" });

      await page.getByRole("button", { name: "Templates" }).click();
      await page.getByRole("menuitem", { name: "Open a template" }).click();
      await dialog.getByText("2 steps, version 1").waitFor();
      await accessible();
      await dialog.getByRole("link", { name: "Start Newsletter" }).click();
      await page.getByRole("heading", { name: "Start Newsletter" }).waitFor();
      await page.getByLabel(/^words/).waitFor();
      check((await page.getByLabel(/^topic/).inputValue()) === "bees", "the form does not begin with what was drawn");
      await accessible();
      // What the schema asks for is asked for before anything is sent.
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.locator(".schema-form [role=alert], .schema-form [id*=error]").first().waitFor();
      await page.getByLabel(/^topic/).fill("wild bees");
      await page.getByLabel(/^words/).fill("400");
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.waitForURL(/\/processes\/[0-9a-f-]+/);
      const id = new URL(page.url()).pathname.split("/").at(-1);
      const started = await (await fetch(`${origin}/api/orchestration/processes/${id}`, { headers: { "x-api-key": key } })).json();
      check(started.context.variables.topic === "wild bees" && started.context.variables.words === 400, `the variables are ${JSON.stringify(started.context.variables)}`);
      check(started.steps.map((step) => step.key).join() === "research,draft", "the steps are not the template's");
      await page.waitForSelector("[data-process-status=completed]");

      // Drawn on, it becomes the next version.
      await page.goto(`${origin}/start`);
      await page.getByRole("button", { name: "Templates" }).click();
      await page.getByRole("menuitem", { name: "Open a template" }).click();
      await dialog.getByRole("button", { name: "Draw on it: Newsletter" }).click();
      await page.locator("[data-node=draft]").waitFor();
      await page.getByRole("button", { name: "JSON" }).click();
      const json = JSON.parse(await page.locator("[data-definition]").inputValue());
      check(JSON.stringify(json.steps) === JSON.stringify(drawn.steps), `drawn on, the steps are ${JSON.stringify(json.steps)}`);
      await page.getByRole("button", { name: "Templates" }).click();
      await page.getByRole("menuitem", { name: "Save as a template" }).click();
      await dialog.getByRole("button", { name: "Save the new version" }).click();
      await dialog.waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Templates" }).click();
      await page.getByRole("menuitem", { name: "Open a template" }).click();
      await dialog.getByText("2 steps, version 2").waitFor();
    },
  );
}
