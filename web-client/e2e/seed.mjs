// Fills a running server with what people meet in a workspace: teams, agents at work, processes of every kind and state, and
// questions of every type. `npm run e2e:seed -- URL#key=KEY`; the scenarios use it too.
import { agent, api, until } from "./server.mjs";

const REFUND = {
  type: "object",
  title: "Refund",
  required: ["amount", "reason"],
  properties: {
    amount: { type: "number", title: "Amount", minimum: 1, maximum: 500, description: "In euro, at most 500." },
    reason: { type: "string", title: "Reason", enum: ["duplicate charge", "service down", "goodwill"] },
    notify: { type: "boolean", title: "Tell the customer", default: true },
    note: { type: "string", title: "Note", maxLength: 200 },
  },
};

/** What each question looks like, by the key of the step that asks it. */
const QUESTIONS = {
  publish: {
    type: "approval",
    description: "May the March release notes be published?",
    priority: "high",
    dueInMs: 1_500_000,
    subject: "# Release 3.2\n\nThe **sync engine** is twice as fast.\n\n- Conflicts are shown side by side\n- Trash is kept for *60 days*\n- `baton tail` follows a room\n\n| part | before | now |\n|---|---|---|\n| first sync | 40 s | 19 s |\n| memory | 310 MB | 140 MB |",
  },
  refund: { type: "approval", description: "Refund 180 € to Amara Nwosu?", priority: "urgent", dueInMs: 400_000, subject: { amount: 180, reason: "duplicate charge", notify: true, note: "Charged on the 3rd and again on the 4th." }, schema: REFUND },
  budget: { type: "input", description: "What may this campaign cost, and from which day?", priority: "medium", dueInMs: 5_400_000, schema: { type: "object", required: ["budget", "from"], properties: { budget: { type: "integer", title: "Budget in euro", minimum: 100 }, from: { type: "string", title: "From", format: "date" }, channels: { type: "array", title: "Channels", items: { type: "string", enum: ["mail", "web", "print"] }, uniqueItems: true } } } },
  route: { type: "decision", description: "The carrier has lost a parcel. What should happen?", priority: "high", dueInMs: 3_000_000, options: [{ id: "resend", label: "Send another" }, { id: "refund", label: "Refund it" }, { id: "wait", label: "Wait three days", description: "The carrier is still looking." }], subject: { parcel: "JD-4711", customer: "Jonas Lindqvist", value: 84.5, lostSince: "2026-03-01" } },
  review: { type: "review", description: "Is the summary of the incident right?", priority: "low", subject: "The outage began at **09:12** and ended at **09:47**. A certificate had expired; nobody was paged because the alert's route pointed at a room that was archived.\n\nTo do: renew certificates 30 days before, and page a person when an alert has no reader." },
};

/** Fills the workspace and returns what it made. The agents stay connected until `close`. */
export async function seed(link) {
  const call = api(link);
  const members = [
    { agentId: "planner", role: "leader", specialization: "plans and reviews", capabilities: ["plan", "review"] },
    { agentId: "researcher", role: "specialist", specialization: "finds facts", capabilities: ["research"] },
    { agentId: "writer", role: "specialist", specialization: "writes", capabilities: ["write"] },
    { agentId: "clerk", role: "support", specialization: "books and files", capabilities: ["book"] },
  ];
  const names = { planner: "Planner", researcher: "Researcher", writer: "Writer", clerk: "Clerk" };
  for (const { agentId, specialization, capabilities } of members) {
    await call("POST", "/agents", { id: agentId, name: names[agentId], description: `An agent that ${specialization}.`, capabilities, slots: 8 });
  }
  const team = await call("POST", "/teams", { name: "Newsroom", description: "Plans, researches and writes, and asks before it publishes.", agents: members, configuration: { maxConcurrentTasks: 40 } });
  await call("POST", "/teams", { name: "Back office", description: "Books, files and ships.", agents: [members[3], { ...members[0], role: "leader" }] });

  const work = async ({ step }, tell) => {
    const question = QUESTIONS[step.key];
    await tell("attempt:progress", { percent: 40, note: `Working on ${step.name.toLowerCase()}` });
    if (question) {
      await tell("intervention:request", { ...question, mode: "hold" });
      return undefined;
    }
    if (step.key === "broken") {
      await tell("attempt:fail", { error: { code: "source_gone", message: "The archive answers 410: what was to be read is no longer kept.", retryable: false } });
      return undefined;
    }
    if (step.key === "forever") return undefined;
    return { words: 120 + step.key.length, summary: `${step.name} is done.` };
  };
  const agents = [];
  for (const { agentId } of members) agents.push(await agent(link, agentId, work));

  const start = (name, steps, more = {}) => call("POST", "/processes", { name, teamId: team.id, steps, ...more });
  const step = (key, name, assignedAgentId, dependencies = [], more = {}) => ({ key, name, assignedAgentId, dependencies, description: `${name}, as the plan says.`, ...more });
  const article = await start(
    "Release notes for March",
    [
      step("plan", "Plan the notes", "planner"),
      step("facts", "Find what changed", "researcher", ["plan"], { inputs: { since: "2026-02-01", repositories: ["sync", "web"] } }),
      step("figures", "Measure the difference", "researcher", ["plan"]),
      step("write", "Write the notes", "writer", ["facts", "figures"], { conditions: [{ type: "success", condition: "outputs.words > 1000", action: "skip" }] }),
      step("publish", "Ask and publish", "writer", ["write"]),
      step("announce", "Announce it", "clerk", ["publish"]),
    ],
    { description: "What is new, measured and approved before it goes out.", priority: "high" },
  );
  const others = {
    refund: await start("Double charge of Amara Nwosu", [step("look", "Look the payments up", "clerk"), step("refund", "Refund", "clerk", ["look"])], { priority: "urgent" }),
    budget: await start("Spring campaign", [step("idea", "Collect ideas", "planner"), step("budget", "Ask for the budget", "planner", ["idea"]), step("book", "Book the places", "clerk", ["budget"])]),
    route: await start("Lost parcel JD-4711", [step("trace", "Ask the carrier", "clerk"), step("route", "Decide what to do", "planner", ["trace"])]),
    review: await start("Incident of 12 March", [step("read", "Read the logs", "researcher"), step("review", "Have the summary reviewed", "writer", ["read"])], { priority: "low" }),
    failed: await start("Archive of 2019", [step("list", "List export_customer_segments_2026-03_final_v2.parquet and its parts", "clerk"), step("broken", "Read the archive", "researcher", ["list"])]),
    long: await start("Watch the exchange rates", [step("forever", "Watch", "researcher")]),
  };
  for (const [index, topic] of ["Weekly digest", "Price list", "Consolidation of the quarterly figures of all subsidiaries, including the Danish and the Portuguese ones", "Translation of the manual"].entries()) {
    await start(topic, [step("draft", "Draft", "writer"), step("check", "Check", "planner", ["draft"]), step("file", "File", "clerk", ["check"])], { priority: index === 0 ? "low" : "medium" });
  }
  const asked = Object.keys(QUESTIONS).length;
  const open = await until("every question is asked", async () => {
    const { items } = await call("GET", "/interventions?status=pending&limit=200");
    return items.length >= asked && items;
  });
  await until("the process that must fail has failed", async () => (await call("GET", `/processes/${others.failed.id}`)).status === "failed");

  const say = (body, more = {}) => call("POST", `/collaboration/rooms/${article.roomId}/messages`, { body, ...more });
  const question = await say("Is the figure for the first sync measured on the *old* laptops too?", { kind: "question", mentions: ["researcher"] });
  await say("Yes: 19 s is the **median** of ten runs on each.", { kind: "answer", replyTo: question.id });
  await say("Then it can go out as soon as somebody has read it.", { replyTo: question.id });
  const room = await call("POST", "/collaboration/rooms", { name: "Editors", type: "team", teamId: team.id, participants: members.map(({ agentId }) => ({ type: "agent", id: agentId, role: "participant" })) });
  await call("POST", `/collaboration/rooms/${room.id}/messages`, { body: "Good morning. Today: the **release notes**, then the campaign." });
  const review = open.find(({ type }) => type === "review");
  await call("POST", `/interventions/${review.id}/comments`, { text: "The times agree with the pager's log." });
  return { call, team, article, ...others, room, open, agents, close: () => agents.forEach((each) => each.close()) };
}

if (process.argv[1] && import.meta.url.endsWith(process.argv[1].split("/").at(-1))) {
  const made = await seed(process.argv[2]);
  console.log(`seeded: ${made.open.length} questions are open; the agents stay until this ends`);
}
