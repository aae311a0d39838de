import { check, live, withPage } from "./browser.mjs";
import { seed } from "./seed.mjs";
import { until } from "./server.mjs";

/** The overview tells what the server has added up, and what to look at, each with the figures that led to it; and follows what happens. */
export async function overview(link) {
  const made = await seed(link);
  try {
    await withPage(link, async (page, { origin }) => {
      await page.goto(`${origin}/overview`);
      await live(page);
      const figure = (name) => page.locator("ul[aria-label=Figures] li", { hasText: name }).locator("strong");
      const figures = async () => Object.fromEntries(await Promise.all(["Running", "Waiting", "Paused", "Failed", "Completed", "Success"].map(async (name) => [name, await figure(name).textContent()])));
      const server = async () => {
        const { standing, throughput, successRate } = await made.call("GET", "/analytics");
        const sum = (what) => String(throughput.reduce((all, each) => all + each[what], 0));
        return { Running: String(standing.running), Waiting: String(standing.waiting), Paused: String(standing.paused), Failed: sum("failed"), Completed: sum("completed"), Success: `${Math.round(successRate)} %` };
      };
      const same = () => until("the page has the server's figures", async () => JSON.stringify(await figures()) === JSON.stringify(await server()));
      await page.getByRole("img", { name: /processes completed and 1 failed/ }).waitFor();
      await same();
      check((await page.locator("table", { hasText: "Slowest steps" }).locator("tbody tr").count()) > 2, "no slow steps are named");
      check((await page.locator("table", { hasText: "Busiest agents" }).locator("tbody tr").count()) > 2, "no agents are named");

      // The process that failed: an alert, and what would help, both with their evidence.
      const alert = page.locator("section", { hasText: "To look at" }).locator("li", { hasText: "Failed steps 1, total steps 2" }).first();
      await alert.waitFor();
      await page.locator("li", { hasText: /Error rate 50 %/ }).first().waitFor();
      await alert.getByRole("button", { name: "I have seen it" }).click();
      await page.getByText("seen by admin").first().waitFor();

      // What stands otherwise now, and what ends meanwhile, is counted by itself.
      await made.call("PUT", `/processes/${made.long.id}`, { action: "pause", mode: "drain" });
      await until("one is paused", async () => (await figure("Paused").textContent()) === "1");
      const before = Number(await figure("Completed").textContent());
      await made.call("POST", "/processes", { name: "One more", teamId: made.team.id, steps: [{ key: "draft", name: "Draft", description: "", assignedAgentId: "writer" }] });
      await until("one more is counted", async () => Number(await figure("Completed").textContent()) > before);
      await same();

      await page.goto(`${origin}/agents`);
      await page.locator("tbody tr", { hasText: "Writer" }).getByText(/^\d+ %$/).waitFor();
    });
  } finally {
    made.close();
  }
}
