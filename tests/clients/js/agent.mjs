// An agent that completes as many steps as its argument says, and leaves.
import { command, fail, sayTransport, socket } from "./connect.mjs";

let left = Number(process.argv[2]);
const taken = new Set();

socket.on("work.offered", async ({ attempt, step }) => {
  if (taken.has(attempt.id)) return; // an offer is repeated until it is answered
  taken.add(attempt.id);
  const lease = { attemptId: attempt.id, epoch: attempt.epoch };
  await command("attempt:accept", lease);
  await command("attempt:heartbeat", lease);
  await command("attempt:progress", { ...lease, percent: 50, note: `half of ${step.name}` });
  await command("attempt:complete", { ...lease, outputs: { by: "stock" } });
  left -= 1;
  if (left === 0) socket.disconnect();
});

socket.on("connect", async () => {
  sayTransport();
  const { data } = await command("agent:ready", { instanceId: "stock-1" });
  if (data.agent.id !== "stock") fail(`somebody else: ${JSON.stringify(data.agent)}`);
});
socket.on("disconnect", (reason) => {
  if (left > 0) fail(`disconnected: ${reason}`);
});
socket.connect();
