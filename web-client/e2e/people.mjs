import { becomes, check, open, withPage } from "./browser.mjs";
import { agent, api, until } from "./server.mjs";

/** A sign-in link for a second person. */
export async function linkFor(link, id, permission = "write") {
  const { origin } = new URL(link);
  const { key } = await api(link)("POST", "/keys", { principal: `user:${id}`, permission });
  return `${origin}/#key=${key}`;
}

/** An agent that asks what each of its steps' inputs say, and goes on when it is answered. */
export async function asking(link) {
  const call = api(link);
  await call("POST", "/agents", { id: "clerk", name: "Clerk", slots: 8 });
  const team = await call("POST", "/teams", { name: "Office", agents: [{ agentId: "clerk", role: "leader", specialization: "asks" }] });
  const clerk = await agent(link, "clerk", async ({ step }, tell) => {
    const { intervention } = await tell("intervention:request", { mode: "hold", ...step.inputs });
    const { response } = await until("it is answered", async () => [await call("GET", `/interventions/${intervention.id}`)].find(({ status }) => status !== "pending"));
    return { response };
  });
  const ask = async (name, inputs) => {
    const process = await call("POST", "/processes", { name, teamId: team.id, steps: [{ key: "ask", name: `Ask: ${name}`, description: "", assignedAgentId: "clerk", inputs }] });
    const { items } = await until(`${name} is asked`, async () => [await call("GET", `/processes/${process.id}/interventions`)].find(({ items }) => items.length > 0));
    return { process, id: items[0].id };
  };
  return { call, ask, close: clerk.close };
}

/** Two people have to agree: each sees the other's vote as it is cast, and both the decision. A change is voted on anew. */
export async function votes(link) {
  const made = await asking(link);
  const [ann, bob] = [await linkFor(link, "ann"), await linkFor(link, "bob")];
  try {
    const { id, process } = await made.ask("the price", { type: "approval", description: "May it cost this much?", quorum: { n: 2, selfApproval: false }, subject: { price: 10 } });
    await withPage(ann, (first) =>
      withPage(bob, async (second, { origin, accessible }) => {
        const both = [first, second];
        await Promise.all(both.map((page) => open(page, `${origin}/inbox/${id}`)));
        await Promise.all(both.map((page) => page.getByText("Nobody has voted yet").waitFor()));

        await first.getByRole("button", { name: "Approve" }).click();
        await Promise.all(both.map((page) => page.getByRole("heading", { name: "Votes: 1 of 2" }).waitFor()));
        await second.getByText("ann approved at").waitFor();
        await first.getByText("You voted “approve”").waitFor();
        check((await first.getByRole("button", { name: "Approve" }).count()) === 0, "ann is offered to vote twice");

        // Bob wants it otherwise: what ann has said yes to is no longer what is asked.
        await second.getByRole("button", { name: "Edit" }).click();
        await second.getByLabel("Your version").fill('{"price": 9}');
        await second.getByRole("button", { name: "Approve this version" }).click();
        await Promise.all(both.map((page) => page.getByText("changed by bob").waitFor()));
        await first.getByRole("button", { name: "Approve" }).waitFor();
        await accessible();
        await first.getByRole("button", { name: "Approve" }).click();
        for (const page of both) await page.waitForSelector("[data-outcome]");
        const decisions = () => Promise.all(both.map((page) => page.locator("[data-outcome]").textContent()));
        await becomes("the number of different decisions that the two see", async () => new Set(await decisions()).size, 1);
        await first.goto(`${origin}/processes/${process.id}`);
        await first.waitForSelector("[data-process-status=completed]");
      }),
    );
  } finally {
    made.close();
  }
}

/** What can be done besides answering: comments, claims, assigning, passing on, escalating, giving the whole up; and others see it at once. */
export async function together(link) {
  const made = await asking(link);
  const annLink = await linkFor(link, "ann");
  try {
    const { id, process } = await made.ask("the contract", { type: "approval", description: "May the contract be signed?", subject: "Ten years." });
    await withPage(link, (boss) =>
      withPage(annLink, async (ann, { origin }) => {
        await Promise.all([boss, ann].map((page) => open(page, `${origin}/inbox/${id}`)));
        const more = async (page, item) => {
          await page.getByRole("button", { name: "More actions" }).click();
          await page.getByRole("menuitem", { name: item }).click();
        };

        await ann.getByLabel("Comment", { exact: false }).first().fill("I know the other side.");
        await ann.keyboard.press("Enter");
        await boss.getByText("I know the other side.").first().waitFor();

        await more(boss, "Assign");
        await boss.getByLabel("User ids").fill("ann");
        await boss.getByRole("button", { name: "Assign", exact: true }).click();
        await boss.getByText("for ann").first().waitFor();
        await ann.getByRole("button", { name: "Mine" }).click();
        await ann.locator("section[aria-label=Inbox] li a").filter({ hasText: "May the contract be signed?" }).waitFor();

        await ann.getByRole("button", { name: "Claim", exact: false }).first().click();
        await boss.getByText("claimed by ann").first().waitFor();
        await more(boss, "Remind them");
        await ann.getByText(/, reminded/).waitFor();

        await more(ann, "Pass it on");
        await ann.getByLabel("To whom").fill("bob");
        await ann.getByLabel("Why").fill("He negotiated it.");
        await ann.getByRole("button", { name: "Pass it on" }).click();
        await boss.getByText("passed on by ann").waitFor();
        await boss.getByText("He negotiated it.").first().waitFor();
        // It is no longer hers: nothing is offered that would be refused.
        await ann.getByText("This is for bob to answer.").waitFor();
        check((await ann.getByRole("button", { name: "Approve" }).count()) === 0, "ann may approve what is bob's");

        await more(boss, "Escalate");
        await boss.getByLabel("Why").fill("It is too much for one of us.");
        await boss.getByRole("button", { name: "Escalate" }).click();
        await boss.getByText("escalated once").waitFor();
        await ann.getByText("escalated once").waitFor();
        await ann.locator("article header").getByText("Urgent").waitFor();

        await more(boss, "Abort the process");
        await boss.getByLabel("Why").fill("We do not sign at all.");
        await boss.getByRole("button", { name: "Abort the process" }).click();
        await Promise.all([boss, ann].map((page) => page.waitForSelector("[data-outcome=aborted]")));
        await ann.getByText("We do not sign at all.").first().waitFor();
        await ann.goto(`${origin}/processes/${process.id}`);
        await ann.waitForSelector("[data-process-status=cancelled]");
      }),
    );

    // Who was away while it was decided, and answers afterwards from a page that does not know it yet.
    const late = await made.ask("the lunch", { type: "approval", description: "Pizza?" });
    await withPage(annLink, async (ann, { origin }) => {
      await ann.goto(`${origin}/inbox/${late.id}`);
      await ann.getByRole("button", { name: "Approve" }).waitFor();
      await made.call("PUT", `/interventions/${late.id}`, { action: "reject", comments: "Soup." });
      await ann.waitForSelector("[data-outcome=rejected]");
      await ann.getByText("by admin").first().waitFor();
      const key = decodeURIComponent(new URL(annLink).hash.replace(/^#key=/, ""));
      const answer = await fetch(`${origin}/api/orchestration/interventions/${late.id}`, { method: "PUT", headers: { "x-api-key": key, "content-type": "application/json" }, body: JSON.stringify({ action: "approve" }) });
      check(answer.status === 409, `a late answer got ${answer.status}`);
      await ann.getByText(/ann approved at .*, which changed nothing/).waitFor();
    });
  } finally {
    made.close();
  }
}
