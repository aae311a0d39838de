import { check, live, withPage } from "./browser.mjs";

const BOUND_KIB = 250;

/** All that comes over the wire until the inbox is there, from an empty cache, stays within its bound; graph, forms and charts are not among it. */
export function firstLoad(link) {
  return withPage(link, async (page, { origin }) => {
    // The sign-in link is one page, and whoever comes back opens another: a fresh one, without what the first has cached.
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.clearBrowserCache");
    await session.send("Network.setCacheDisabled", { cacheDisabled: true });
    const names = new Map();
    const sizes = new Map();
    session.on("Network.responseReceived", ({ requestId, response }) => names.set(requestId, new URL(response.url).pathname));
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => sizes.set(requestId, encodedDataLength));
    await page.goto(`${origin}/inbox`);
    await live(page);
    await page.waitForLoadState("networkidle");
    const files = [...sizes].map(([id, bytes]) => [names.get(id) ?? "", bytes / 1024]).sort(([, a], [, b]) => b - a);
    const total = files.reduce((sum, [, kib]) => sum + kib, 0);
    console.log(`${total.toFixed(1)} KiB in ${files.length} answers, the largest ${files.slice(0, 4).map(([name, kib]) => `${name} ${kib.toFixed(1)}`).join(", ")}`);
    check(files.some(([name]) => name.endsWith(".js")), "no script was fetched: nothing was measured");
    check(total <= BOUND_KIB, `the first load is ${total.toFixed(1)} KiB, more than ${BOUND_KIB}`);
    const early = files.find(([name]) => /process-graph|schema-form|throughput-chart|designer|diff-view/.test(name));
    check(!early, `${early?.[0]} is fetched before anybody needs it`);
  });
}
