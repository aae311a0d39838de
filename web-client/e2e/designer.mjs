import { check, live, withPage } from "./browser.mjs";

const STEPS = ["research", "draft", "pictures", "layout", "review", "publish"];

/** A process of six steps, with a diamond, a condition and an approval, is drawn, started and completes; its JSON is the same all the way. */
export function designer(link) {
  return withPage(link, async (page, { origin, key, accessible }) => {
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.goto(`${origin}/start`);
    await page.getByLabel("Name of the process").fill("Newsletter");
    await page.getByLabel("Team", { exact: true }).selectOption({ label: "Test team" });
    const canvas = page.getByRole("region", { name: "Canvas" });
    await accessible();

    await page.getByRole("button", { name: "Add the first step" }).click();
    for (const [index, step] of STEPS.entries()) {
      if (index > 0) await canvas.getByRole("button", { name: "Add a step" }).click();
      await page.waitForSelector(`[data-step-form=step_${index + 1}]`);
      await page.getByLabel("Name", { exact: true }).fill(`The ${step}`);
      await page.getByLabel("Key", { exact: true }).fill(step);
      await page.getByLabel("Key", { exact: true }).press("Enter");
      await page.waitForSelector(`[data-step-form=${step}]`);
    }

    // With the mouse: the diamond.
    await draw(page, "research", "draft");
    await draw(page, "research", "pictures");
    await draw(page, "draft", "layout");
    await draw(page, "pictures", "layout");
    // What makes a circle is refused, with the reason.
    await drag(page, "layout", "research");
    await page.getByText(/would go in a circle/).waitFor();
    // With the keyboard: the rest.
    await choose(page, "review");
    await page.getByRole("group", { name: "It waits for" }).getByLabel("The layout").press("Space");
    await page.getByLabel("A person approves before it begins").press("Space");
    await choose(page, "publish");
    await page.getByRole("group", { name: "It waits for" }).getByLabel("The review").press("Space");

    await choose(page, "research");
    await page.getByRole("button", { name: "Agent", exact: true }).click();
    await page.getByLabel("Agent", { exact: true }).selectOption("worker");
    await page.getByRole("group", { name: "Inputs" }).getByRole("button", { name: "Add a value" }).click();
    await page.getByLabel("Value of value_1").fill("bees");

    // A condition is checked while it is typed.
    await choose(page, "layout");
    await page.getByRole("button", { name: "Add a condition" }).click();
    const condition = page.getByLabel("and", { exact: true });
    await condition.fill("outputs.sum ==");
    await page.waitForSelector("[data-checked=false][aria-invalid=true]");
    await condition.fill("outputs.sum == 5");
    await page.waitForSelector("[data-checked=true]");
    await page.getByLabel("with", { exact: true }).selectOption("review");
    await accessible();

    // The JSON beside it is the same definition; what only it can say stays through further drawing.
    await page.getByRole("button", { name: "JSON" }).click();
    const json = page.locator("[data-definition]");
    const drawn = JSON.parse(await json.inputValue());
    check(drawn.steps.map((step) => step.key).join() === STEPS.join(), `the JSON has the steps ${drawn.steps.map((step) => step.key)}`);
    const dependencies = Object.fromEntries(drawn.steps.map((step) => [step.key, step.dependencies ?? []]));
    check(JSON.stringify(dependencies) === JSON.stringify({ research: [], draft: ["research"], pictures: ["research"], layout: ["draft", "pictures"], review: ["layout"], publish: ["review"] }), `the JSON has the dependencies ${JSON.stringify(dependencies)}`);
    drawn.steps[2].metadata = { colour: ["red", null, 1.5] };
    drawn.priority = "high";
    await json.fill(JSON.stringify(drawn));
    await page.waitForSelector("[data-definition=valid]");
    await json.press("End");
    await page.getByRole("button", { name: "Process", exact: true }).click();
    check((await page.getByLabel("Priority").inputValue()) === "high", "the form does not show what the JSON says");
    await page.getByLabel("Name of the process").fill("The newsletter");
    await page.getByRole("button", { name: "JSON" }).click();
    const final = await json.inputValue();
    check(final === JSON.stringify({ ...drawn, name: "The newsletter" }, null, 2), `the JSON does not round-trip: ${final}`);
    await accessible();

    // A reload loses nothing.
    await page.reload();
    await live(page);
    await page.getByRole("button", { name: "JSON" }).click();
    check((await json.inputValue()) === final, "the draft is lost");

    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.waitForURL(/\/processes\/[0-9a-f-]+/);
    const id = new URL(page.url()).pathname.split("/").at(-1);
    const started = await (await fetch(`${origin}/api/orchestration/processes/${id}`, { headers: { "x-api-key": key } })).json();
    for (const step of JSON.parse(final).steps) {
      const made = started.steps.find((each) => each.key === step.key);
      for (const [field, value] of Object.entries(step)) {
        check(JSON.stringify(sorted(made[field])) === JSON.stringify(sorted(value)), `${step.key}.${field} is ${JSON.stringify(made[field])}, not ${JSON.stringify(value)}`);
      }
    }

    await page.goto(`${origin}/inbox`);
    await page.locator("section[aria-label=Inbox] li a").first().click();
    await page.getByRole("button", { name: "Approve" }).click();
    await page.waitForSelector("[data-outcome=approved]");
    await page.goto(`${origin}/processes/${id}`);
    await page.waitForSelector("[data-process-status=completed]");
  });
}

/** The server's errors appear at the step and field that they belong to, and lead there. */
export function designerErrors(link) {
  return withPage(
    link,
    async (page, { origin, accessible }) => {
      const faulty = {
        name: "Faulty",
        teamId: "",
        steps: [
          { key: "one", name: "One", assignedAgentId: "stranger" },
          { key: "two", name: "Two", dependencies: ["one"], conditions: [{ type: "success", condition: "1 +", action: "continue" }] },
        ],
      };
      await page.evaluate((draft) => sessionStorage.setItem("baton.draft", draft), JSON.stringify(faulty));
      await page.goto(`${origin}/start`);
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.getByText("One thing is wrong").waitFor(); // the team, which needs no server to be seen
      await page.getByLabel("Team", { exact: true }).selectOption({ label: "Test team" });
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.getByText("2 things are wrong").waitFor();
      await accessible();
      await page.getByRole("button", { name: "One, agent" }).click();
      await page.waitForSelector("[data-step-form=one]");
      await page.getByText("there is no agent stranger in this workspace").first().waitFor();
      await page.getByRole("button", { name: "Two, condition 1" }).click();
      await page.waitForSelector("[data-step-form=two]");
      await page.locator("[data-step-form=two] [aria-invalid=true]").first().fill("1 + 1 == 2");
      await page.getByText("One thing is wrong").waitFor();

      // On a phone there are lists and forms in place of the canvas.
      await page.setViewportSize({ width: 390, height: 844 });
      await page.getByRole("button", { name: "All steps" }).click();
      await page.locator("[data-step=one]").click();
      await page.getByLabel("Agent", { exact: true }).selectOption("worker");
      check((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390, "the page is wider than a phone");
      await accessible();
      await page.getByRole("button", { name: "Start", exact: true }).click();
      await page.waitForURL(/\/processes\/[0-9a-f-]+/);
    },
    { expected: /status of 400/ },
  );
}

async function choose(page, key) {
  await page.locator(`[data-node=${key}]`).click();
  await page.waitForSelector(`[data-step-form=${key}]`);
}

/** Draws a dependency, and waits until it is one. */
async function draw(page, from, to) {
  await drag(page, from, to);
  await page.waitForSelector(`.react-flow__edge[data-id="${from} to ${to}"]`, { state: "attached" });
}

async function drag(page, from, to) {
  // A new arrow rearranges the steps and brings them into view.
  await page.waitForSelector(".react-flow[aria-busy=false]");
  const start = await middleOf(page.locator(`[data-node=${from}] .react-flow__handle-right`));
  const end = await middleOf(page.locator(`[data-node=${to}] .react-flow__handle-left`));
  await page.mouse.move(start.x, start.y);
  await page.mouse.down();
  await page.mouse.move((start.x + end.x) / 2, (start.y + end.y) / 2, { steps: 5 });
  await page.mouse.move(end.x, end.y, { steps: 5 });
  await page.mouse.up();
}

async function middleOf(locator) {
  const { x, y, width, height } = await locator.boundingBox();
  return { x: x + width / 2, y: y + height / 2 };
}

/** The server keeps objects, not the order of their fields. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}
