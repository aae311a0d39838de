// An agent of the typed client that asks a human: BATON_URL, BATON_KEY, BATON_INSTANCE, BATON_REPLACES, BATON_MODE (hold or suspend)
import { Agent } from "../../../web-client/client/dist/index.js";

const { BATON_URL: url, BATON_KEY: token, BATON_INSTANCE: instanceId, BATON_REPLACES: replaces, BATON_MODE: mode } = process.env;
const agent = new Agent({
  url,
  token,
  instanceId,
  ...(replaces ? { replaces } : {}),
  async work(task) {
    console.log("began", task.step.key);
    task.signal.addEventListener("abort", () => console.log("lost", task.signal.reason.reason));
    const { value } = await task.ask({ type: "input", key: "count", description: "How many?", schema: { type: "integer" }, mode });
    console.log("answer", value);
    return { count: value };
  },
});
console.log("ready", (await agent.ready()).id);
process.once("SIGTERM", () => agent.stop());
