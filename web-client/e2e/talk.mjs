import { check, withPage } from "./browser.mjs";
import { linkFor } from "./people.mjs";
import { agent, api, until } from "./server.mjs";

/** What a room is while people and agents talk in it: who is there, who types, text as it is written, messages that change, what is new. */
export async function talk(link) {
  const call = api(link);
  await call("POST", "/agents", { id: "writer", name: "Writer", slots: 2 });
  const writer = await agent(link, "writer", () => undefined);
  const annLink = await linkFor(link, "ann");
  const bobLink = await linkFor(link, "bob");
  const people = ["ann", "bob"].map((id) => ({ type: "human", id, role: "participant" }));
  const room = await call("POST", "/collaboration/rooms", { name: "Talk", type: "workspace", participants: [...people, { type: "agent", id: "writer", role: "participant" }] });
  try {
    await withPage(annLink, async (ann, { origin, key }) => {
      const here = ann.locator("aside[aria-label='Who takes part'] li");
      const presence = (who) => here.filter({ hasText: who }).getByText("here now");
      await ann.goto(`${origin}/rooms/${room.id}`);
      await presence("ann").waitFor();
      check((await presence("bob").count()) === 0, "bob is there before he came");

      await withPage(bobLink, async (bob, { accessible }) => {
        await bob.goto(`${origin}/rooms/${room.id}`);
        await presence("bob").waitFor();

        // Typing is seen while it lasts, and ends with the message.
        await bob.getByLabel("Message to the room").pressSequentially("Good mor");
        await ann.getByText(/bob is typing/).waitFor();
        await bob.getByLabel("Message to the room").pressSequentially("ning");
        await bob.keyboard.press("Enter");
        const said = ann.locator("[role=log]").getByText("Good morning");
        await said.waitFor();
        await ann.getByText(/bob is typing/).waitFor({ state: "detached" });

        // Text grows as an agent writes it; then it is one message, once.
        await writer.ask("room:join", { roomId: room.id });
        const streamId = crypto.randomUUID();
        const words = ["The ", "figures ", "are ", "**ready**."];
        for (const [index, text] of words.entries()) {
          await writer.ask("message:delta", { roomId: room.id, streamId, index, text });
          await ann.waitForFunction((wanted) => document.querySelector("[data-stream] .prose")?.textContent.trim() === wanted, words.slice(0, index + 1).join("").replaceAll("*", "").trim());
        }
        await accessible();
        await writer.ask("message:send", { roomId: room.id, body: words.join(""), streamId });
        await ann.waitForSelector("[data-stream]", { state: "detached" });
        // The one takes the other's place: there is no moment in which it is not there at all.
        check((await ann.locator("[role=log]").getByText("The figures are").count()) === 1, "the streamed message is not there once");

        // A message that is edited or removed changes where it stands, for everybody.
        const log = (await call("GET", `/collaboration/rooms/${room.id}/events?limit=500`)).items;
        const { data } = log.find(({ type, data: { body } }) => type === "message.posted" && body === "Good morning");
        await call("PATCH", `/collaboration/rooms/${room.id}/messages/${data.id}`, { body: "Good evening" });
        await Promise.all([ann, bob].map((page) => page.locator("[role=log] li", { hasText: "Good evening" }).first().waitFor()));
        await call("DELETE", `/collaboration/rooms/${room.id}/messages/${data.id}`);
        await Promise.all([ann, bob].map((page) => page.locator("[role=log]").getByText("This message was removed").waitFor()));
        check((await ann.locator("[role=log]").getByText(/Good (morning|evening)/).count()) === 0, "what was removed is still shown");
      });
      await presence("bob").waitFor({ state: "detached" });

      // What ann has seen is read; what comes while she is elsewhere is counted, and marked when she comes back.
      const mine = async () => {
        const answer = await fetch(`${origin}/api/orchestration/collaboration/rooms/${room.id}`, { headers: { "x-api-key": key } });
        return answer.json();
      };
      await until("ann has read it all", async () => {
        const { head, lastReadSeq } = await mine();
        return lastReadSeq === head;
      });
      await ann.goto(`${origin}/rooms`);
      const row = ann.locator("tbody tr", { hasText: "Talk" });
      await row.waitFor();
      check((await row.locator("[data-unread]").count()) === 0, "what was read counts as new");
      for (const word of ["one", "two", "three"]) await call("POST", `/collaboration/rooms/${room.id}/messages`, { body: `news ${word}` });
      await row.locator("[data-unread='3']").waitFor();
      await row.getByRole("link").click();
      const first = ann.locator("[role=log] li", { has: ann.locator("[data-first-new]") });
      await first.getByText("news one").waitFor();
      await until("the news are read", async () => (await mine()).lastReadSeq === (await mine()).head);
    });
  } finally {
    writer.close();
  }
}
