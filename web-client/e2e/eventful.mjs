import { agent, api, until } from "./server.mjs";

/**
 * One process in which happens what can happen to a step: it is tried again, runs out of time, is lost by its agent, changes hands, is
 * delegated, set aside, skipped, done by another process, fails and is passed over, and is voted on in two rounds. Resolves when it has ended.
 */
export async function eventful(link) {
  const call = api(link);
  const user = async (id) => api(`${new URL(link).origin}/#key=${(await call("POST", "/keys", { principal: `user:${id}`, permission: "write" })).key}`);
  const [ann, bob] = [await user("ann"), await user("bob")];
  for (const id of ["maker", "helper", "refuser"]) await call("POST", "/agents", { id, name: id, slots: 8 });
  const team = await call("POST", "/teams", {
    name: "Eventful",
    agents: ["maker", "helper", "refuser"].map((agentId, index) => ({ agentId, role: index === 0 ? "leader" : "specialist", specialization: "anything" })),
    configuration: { maxConcurrentTasks: 20, timeoutSettings: { leaseMs: 6_000 } },
  });
  const template = await call("POST", "/templates", { name: "A part of it", steps: [{ key: "part", name: "Part", description: "", assignedAgentId: "helper" }] });

  const ended = (id) => until("it is answered", async () => [await call("GET", `/interventions/${id}`)].find(({ status }) => status !== "pending"));
  const answered = async ({ intervention }) => ({ price: (await ended(intervention.id)).response.modifications ?? null });
  const tries = new Map();
  const work = async ({ step: { key, name }, priorAnswers }, tell) => {
    const count = (tries.get(key) ?? 0) + 1;
    tries.set(key, count);
    const hand = async (more) => (await tell("handoff:request", { reason: "somebody else knows better", ...more })).handoff;
    const ask = (more) => tell("intervention:request", { type: "approval", description: `May “${name}” go on?`, ...more });
    switch (key) {
      case "again":
        if (count === 1) await tell("attempt:fail", { error: { code: "flaky", message: "The first time never works.", retryable: true } });
        return count === 1 ? undefined : { count };
      case "slow":
        return count === 1 ? undefined : { count };
      case "lost":
        if (count === 1) tell.dead();
        return count === 1 ? undefined : { count };
      case "handed":
        await tell.resolved(await hand({ toAgentId: "refuser" }));
        await hand({ toAgentId: "helper" });
        return undefined;
      case "offered":
        await hand({ toAgentIds: ["refuser", "helper"] });
        return undefined;
      case "delegated":
        return { part: (await tell.resolved(await hand({ toAgentId: "helper", kind: "delegate" }))).status };
      case "aside":
        if (!priorAnswers?.length) await ask({ type: "input", mode: "suspend" });
        return priorAnswers?.length ? { count } : undefined;
      case "voted":
        return answered(await ask({ mode: "hold", quorum: { n: 2, selfApproval: false }, subject: { price: 10 }, schema: { type: "object" }, expiresInMs: 600_000 }));
      case "broken":
        await tell("attempt:fail", { error: { code: "gone", message: "It is not there.", retryable: false } });
        return undefined;
      default:
        return { by: key };
    }
  };
  const maker = await agent(link, "maker", work);
  const helper = await agent(link, "helper", async ({ step }) => ({ helped: step.name }));
  const refuser = await agent(link, "refuser", () => undefined, () => "I have no time");

  const step = (key, dependencies = [], more = {}) => ({ key, name: `Step ${key}`, description: "", assignedAgentId: "maker", backoffMs: 20, dependencies, ...more });
  const started = await call("POST", "/processes", {
    name: "Eventful",
    teamId: team.id,
    failFast: false,
    context: { variables: { from: "here" } },
    steps: [
      step("again", [], { mergeOutputs: true, inputs: { from: { $from: "variables.from" } } }),
      step("slow", [], { timeoutMs: 2_500, maxAttempts: 5 }),
      step("lost"),
      step("handed"),
      step("offered"),
      step("delegated"),
      step("aside"),
      step("voted"),
      step("broken", [], { continueOnFailure: true, maxAttempts: 1 }),
      step("never", ["again"], { triggerRule: "any_failed" }),
      { ...step("sub"), assignedAgentId: undefined, process: { templateId: template.id } },
      step("last", ["again", "slow", "lost", "handed", "offered", "delegated", "aside", "broken", "sub"], { triggerRule: "all_done", requiresApproval: true }),
    ],
  });

  const asked = (wanted) => until(`“${wanted}” asks`, async () => (await call("GET", `/processes/${started.id}/interventions`)).items.find(({ stepId, status }) => status === "pending" && stepId === started.steps.find(({ key }) => key === wanted).id));
  const aside = await asked("aside");
  await ann("POST", `/interventions/${aside.id}/comments`, { text: "I look it up." });
  await ann("POST", `/interventions/${aside.id}/claim`, {});
  await ann("POST", `/interventions/${aside.id}/release`, {});
  await call("POST", `/interventions/${aside.id}/assign`, { assignees: ["ann", "bob"] });
  await ann("PUT", `/interventions/${aside.id}`, { action: "escalate", comments: "not mine" });
  await bob("PUT", `/interventions/${aside.id}`, { action: "answer", value: 7 });
  await ann("PUT", `/interventions/${aside.id}`, { action: "answer", value: 8 }).catch(() => {});

  const voted = await asked("voted");
  await bob("PUT", `/interventions/${voted.id}`, { action: "approve" });
  // A change that one proposes is another round, in which the vote before counts for nothing.
  await ann("PUT", `/interventions/${voted.id}`, { action: "modify", modifications: { price: 12 } });
  await bob("PUT", `/interventions/${voted.id}`, { action: "approve", comments: "rather twelve" });
  await ann("PUT", `/interventions/${voted.id}`, { action: "approve" }).catch(() => {});
  const last = await asked("last");
  await call("PUT", `/processes/${started.id}`, { action: "pause", mode: "drain" });
  await call("PUT", `/processes/${started.id}`, { action: "resume" });
  await call("PUT", `/interventions/${last.id}`, { action: "approve" });
  await until("it has ended", async () => (await call("GET", `/processes/${started.id}`)).status !== "running");
  return { call, process: started, close: () => [maker, helper, refuser].forEach((each) => each.close()) };
}
