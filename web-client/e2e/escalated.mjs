import { check, withPage } from "./browser.mjs";
import { agent, api, until } from "./server.mjs";

/** A result that a condition finds too weak is put to a person, who sees the result and why they are asked, sends it back once, and takes it then. */
export async function escalated(link) {
  const call = api(link);
  await call("POST", "/agents", { id: "judge", name: "Judge", slots: 1 });
  const team = await call("POST", "/teams", { name: "Court", agents: [{ agentId: "judge", role: "leader", specialization: "judges" }] });
  const scores = [0.4, 0.6];
  const judge = await agent(link, "judge", () => ({ score: scores.shift(), verdict: "likely a duplicate" }));
  try {
    const conditions = [{ type: "success", condition: "outputs.score < 0.8", action: "escalate" }];
    const steps = [
      { key: "judge", name: "Judge the claim", description: "", assignedAgentId: "judge", conditions },
      { key: "pay", name: "Pay it", description: "", requiredCapabilities: ["pay"], dependencies: ["judge"] },
    ];
    const claim = await call("POST", "/processes", { name: "Claim 12", teamId: team.id, steps });
    const asked = () => until("a person is asked", async () => (await call("GET", `/processes/${claim.id}/interventions?status=pending`)).items[0]);
    const statuses = async () => (await call("GET", `/processes/${claim.id}`)).steps.map(({ status, phase }) => phase ?? status).join(" ");
    await withPage(link, async (page, { origin, accessible }) => {
      const first = await asked();
      check((await statuses()) === "awaiting_input blocked", `while a person is asked the steps are ${await statuses()}`);
      await page.goto(`${origin}/inbox/${first.id}`);
      const why = page.locator("section", { has: page.getByRole("heading", { name: "Why you are asked" }) });
      await why.getByText("outputs.score < 0.8").waitFor();
      await page.getByText("likely a duplicate").waitFor();
      await accessible();
      await page.getByRole("button", { name: "Run the step again" }).click();
      await page.waitForSelector("[data-outcome=chosen]");

      const second = await asked();
      check(second.id !== first.id, "the second result is not asked about");
      await page.goto(`${origin}/inbox/${second.id}`);
      await page.getByRole("button", { name: "Take the result and go on" }).click();
      await page.waitForSelector("[data-outcome=chosen]");
      await until("the next step waits for its agent", async () => (await statuses()) === "completed ready");
    });
  } finally {
    judge.close();
  }
}
