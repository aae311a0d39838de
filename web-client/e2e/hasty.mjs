import { becomes, check, open, withPage } from "./browser.mjs";
import { api, until } from "./server.mjs";

const WORDS = "the quarterly figures";
/** A machine so many times slower than this one. */
const SLOWER = 6;

/** Whoever is faster than the page or the network loses nothing: not a letter of a search, nor what is typed while a message is sent. */
export async function hasty(link) {
  const call = api(link);
  const { id } = await call("POST", "/collaboration/rooms", { name: WORDS, type: "workspace", participants: [] });
  await withPage(link, async (page, { origin }) => {
    const session = await page.context().newCDPSession(page);
    await session.send("Emulation.setCPUThrottlingRate", { rate: SLOWER });
    await open(page, `${origin}/rooms`);
    const search = page.getByLabel("Search by name");
    await search.pressSequentially(WORDS);
    check((await search.inputValue()) === WORDS, `of “${WORDS}” the search has “${await search.inputValue()}”`);
    await becomes("the search in the address", () => new URL(page.url()).searchParams.get("search"), WORDS);
    // Two filters one right after the other: the second does not undo the first.
    await page.getByRole("button", { name: "Workspace", exact: true }).click();
    await search.fill("");
    await becomes("the filters in the address", () => new URL(page.url()).search, "?type=workspace");
    await session.send("Emulation.setCPUThrottlingRate", { rate: 1 });

    // What the server says is held back, so that the first message is on its way for as long as the second is typed.
    const held = [];
    let hold = false;
    await page.routeWebSocket(/socket\.io/, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((message) => (hold ? held.push(() => socket.send(message)) : socket.send(message)));
    });
    await open(page, `${origin}/rooms/${id}`);
    const box = page.getByLabel("Message to the room");
    await box.fill("The first");
    hold = true;
    await box.press("Enter");
    await until("the first message is posted", async () => (await posted(call, id)).length === 1);
    await box.press("End");
    await box.pressSequentially("The second");
    hold = false;
    for (const release of held) release();
    await page.locator("[role=log]").getByText("The first", { exact: true }).waitFor();
    await becomes("what is left in the box", () => box.inputValue(), "The second");
    await box.press("Enter");
    await page.locator("[role=log]").getByText("The second", { exact: true }).waitFor();
    await becomes("what was said", () => posted(call, id), ["The first", "The second"]);
  });
}

async function posted(call, id) {
  const { items } = await call("GET", `/collaboration/rooms/${id}/events?limit=500`);
  return items.filter(({ type }) => type === "message.posted").map(({ data }) => data.body);
}
