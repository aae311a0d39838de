import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** How long one expectation may take to come true. */
export const PATIENCE_MS = Number(process.env.BATON_PATIENCE_MS ?? 60_000);

/**
 * Opens the sign-in link in a fresh browser (`look`: viewport, colour scheme), runs `scenario(page, tools)` and closes the
 * browser. Fails too when the page logs an error that is not `expected`, asks anybody but its own server, or leaves the key in
 * the address bar.
 */
export async function withPage(link, scenario, { expected, ...look } = {}) {
  const { origin, hash } = new URL(link);
  const key = decodeURIComponent(hash.replace(/^#key=/, ""));
  const faults = [];
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
  try {
    const page = await browser.newPage({ reducedMotion: "reduce", ...look });
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => faults.push(`the page threw: ${error.message}`));
    page.on("console", (message) => {
      // Without a network or a server the browser itself notes each attempt to connect; that is what the page is there to survive.
      const foreseen = /ERR_(INTERNET_DISCONNECTED|NETWORK_CHANGED|CONNECTION_REFUSED|CONNECTION_RESET|CONNECTION_CLOSED|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|CONTENT_LENGTH_MISMATCH|SOCKET_NOT_CONNECTED)|WebSocket connection/.test(message.text()) || expected?.test(message.text());
      if (message.type() === "error" && !foreseen) faults.push(`the page logged: ${message.text()}`);
    });
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith("http") && url.host !== new URL(origin).host) faults.push(`the page asked ${url.host}`);
    });
    // Whoever waits for this scenario hears that it goes on. Never the fragment: the key is in it.
    page.on("framenavigated", (frame) => frame === page.mainFrame() && console.log(`at ${new URL(frame.url()).pathname}`));
    await page.goto(link);
    await live(page);
    check(!page.url().includes(key), "the key is still in the address bar");
    await scenario(page, { origin, key, accessible: () => accessible(page) });
  } finally {
    await browser.close();
  }
  check(faults.length === 0, faults.join("; "));
}

export function check(held, otherwise) {
  if (!held) throw new Error(otherwise);
}

/** What hinders people with a screen reader, a keyboard or weak sight on the page as it is now: nothing may. */
async function accessible(page) {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () =>
    (await globalThis.axe.run()).violations.map(({ id, nodes }) => `${id} at ${nodes.map((node) => node.target.join(" ")).join(", ")}`),
  );
  check(violations.length === 0, `accessibility: ${violations.join("; ")}`);
}

/** The page says that it is connected. */
export function live(page) {
  return page.waitForSelector("[data-connection=live]");
}

/** Goes to an address, where keys have no effect before the page is connected. */
export async function open(page, url) {
  await page.goto(url);
  await live(page);
}

/** What `read` gives of a page, once it is what is wanted: a page may be drawn a moment after what it hears. */
export async function becomes(what, read, wanted) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await read();
    if (isDeepStrictEqual(found, wanted)) return;
    check(Date.now() < end, `${what} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The run of the log that the page has, which must be without a gap or a repeat. */
export async function runOf(page) {
  const run = await page.locator("[role=log]").evaluate(({ dataset }) => [dataset.first, dataset.last, dataset.count].map(Number));
  const [first, last, count] = run;
  check(count === last - first + 1, `the timeline has a gap or a repeat: ${count} events from ${first} to ${last}`);
  return { first, last, count };
}
