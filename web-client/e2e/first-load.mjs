import { check, live, withPage } from "./browser.mjs";
import { asking } from "./people.mjs";

const BOUND_KIB = 250;

/**
 * All that comes over the wire until the inbox is there, from an empty cache, stays within its bound, whether it is empty or something is
 * asked; graph, forms and charts are not among it.
 */
export async function firstLoad(link) {
  await within(link, "an empty inbox");
  const made = await asking(link);
  try {
    await made.ask("the notes", { type: "approval", description: "May they be published?", subject: "# Notes\n\n- **one**\n- two" });
    await within(link, "an inbox with a question", async (page) => {
      await page.getByRole("button", { name: "Approve" }).waitFor();
      await page.getByRole("heading", { name: "Notes" }).waitFor();
    });
  } finally {
    made.close();
  }
}

function within(link, what, there = () => {}) {
  return withPage(link, async (other) => {
    // Somebody else, who has nothing of it yet.
    const context = await other.context().browser().newContext({ viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    const names = new Map();
    const sizes = new Map();
    session.on("Network.responseReceived", ({ requestId, response }) => names.set(requestId, new URL(response.url).pathname));
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => sizes.set(requestId, encodedDataLength));
    await page.goto(link);
    await live(page);
    await there(page);
    await page.waitForLoadState("networkidle");
    const files = [...sizes].map(([id, bytes]) => [names.get(id) ?? "", bytes / 1024]).sort(([, a], [, b]) => b - a);
    const total = files.reduce((sum, [, kib]) => sum + kib, 0);
    console.log(`${what}: ${total.toFixed(1)} KiB in ${files.length} answers, the largest ${files.slice(0, 4).map(([name, kib]) => `${name} ${kib.toFixed(1)}`).join(", ")}`);
    check(files.some(([name]) => name.endsWith(".js")), "no script was fetched: nothing was measured");
    check(total <= BOUND_KIB, `${what} is ${total.toFixed(1)} KiB, more than ${BOUND_KIB}`);
    const early = files.find(([name]) => /process-graph|schema-form|-chart|designer|diff-view/.test(name));
    check(!early, `${early?.[0]} is fetched before anybody needs it`);
  });
}
