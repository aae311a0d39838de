// Follows one room from its beginning and checks that nothing is missing, until its process has completed.
import { command, fail, sayTransport, socket } from "./connect.mjs";

const roomId = process.argv[2];
let last = 0;
let early = []; // live events that came before the backlog was taken in

function take(event) {
  if (event.roomId !== roomId) return;
  if (early) return void early.push(event);
  if (event.seq !== last + 1) fail(`seq ${event.seq} after ${last}`);
  last = event.seq;
  if (event.type !== "process.completed") return;
  console.log(`completed ${last}`);
  socket.disconnect();
}

socket.onAny((name, event) => {
  if (event?.seq === undefined) return;
  if (name !== event.type) fail(`${event.type} came as ${name}`);
  take(event);
});

socket.on("connect", async () => {
  const { data } = await command("room:join", { roomId, since: 0 });
  if (data.reset || data.more) fail("a short log comes whole");
  const waiting = early.filter((event) => event.seq > data.head);
  early = null;
  for (const event of [...data.events, ...waiting]) take(event);
  console.log("joined");
  sayTransport();
});
socket.connect();
