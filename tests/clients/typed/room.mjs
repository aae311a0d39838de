// Posts COUNT messages into a room and reads its log beside that, over whatever happens to the server: URL KEY ROOM COUNT
import { Connection, isEvent } from "../../../web-client/client/dist/index.js";

const [url, token, roomId, count] = process.argv.slice(2);
const reader = new Connection({ url, token });
const writer = new Connection({ url, token });

async function post() {
  const seqs = [];
  for (let n = 1; n <= Number(count); n++) {
    const { seq } = await writer.command("message:send", { roomId, body: `message ${n}` });
    seqs.push(seq);
    if (n % 20 === 0) console.log("posted", n);
  }
  return seqs;
}

async function read() {
  const [seqs, bodies] = [[], []];
  for await (const event of reader.room(roomId, { since: 0 }).events()) {
    seqs.push(event.seq);
    if (isEvent(event, "message.posted")) bodies.push([event.data.body, event.seq]);
    if (bodies.length === Number(count)) return { seqs, bodies };
  }
}

const [acked, { seqs, bodies }] = await Promise.all([post(), read()]);
seqs.forEach((seq, index) => {
  if (seq !== index + 1) throw new Error(`event ${index + 1} has the seq ${seq}`);
});
bodies.forEach(([body, seq], index) => {
  if (body !== `message ${index + 1}` || seq !== acked[index]) throw new Error(`${body} is at ${seq}, but was acked at ${acked[index]}`);
});
console.log("seen all", bodies.length);
reader.close();
writer.close();
