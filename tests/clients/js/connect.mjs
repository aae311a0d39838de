// What both scripts share: a connection as the environment says, and commands that must succeed.
import { io } from "socket.io-client";

const transports = process.env.TRANSPORTS.split(",");

export const socket = io(process.env.BATON_URL, {
  transports,
  upgrade: transports.length > 1,
  auth: { token: process.env.BATON_KEY, instanceId: "stock-1" },
  autoConnect: false,
});

socket.on("connect_error", (error) => fail(`connect_error: ${error.message}`));

export function fail(reason) {
  console.error(reason);
  process.exit(1);
}

export async function command(name, payload) {
  const ack = await socket.timeout(20_000).emitWithAck(name, payload);
  if (!ack.ok) fail(`${name}: ${JSON.stringify(ack.error)}`);
  return ack;
}

/** Says the transport once it is the last one that was asked for. */
export function sayTransport() {
  const wanted = transports.at(-1);
  const engine = socket.io.engine;
  if (engine.transport.name === wanted) console.log(`transport ${wanted}`);
  else engine.once("upgrade", (transport) => console.log(`transport ${transport.name}`));
}
