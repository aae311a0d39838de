// What one would build without Baton: socket.io, its Redis adapter, and one INSERT for each message before it is told and acked.
// With PLAIN=1: socket.io alone.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import pg from "pg";
import { createClient } from "redis";
import { Server } from "socket.io";

const plain = process.env.PLAIN === "1";
const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false });

let insert = async () => {};
if (!plain) {
  const publisher = createClient({ url: process.env.REDIS_URL });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 });
  await pool.query(`CREATE TABLE messages (
    id uuid PRIMARY KEY, room_id text NOT NULL, seq bigint NOT NULL, at timestamptz NOT NULL, payload text NOT NULL)`);
  insert = (event) =>
    pool.query({
      name: "insert",
      text: "INSERT INTO messages (id, room_id, seq, at, payload) VALUES ($1, $2, $3, $4, $5)",
      values: [event.id, event.roomId, event.seq, event.at, JSON.stringify(event)],
    });
}

const heads = new Map();
io.on("connection", (socket) => {
  socket.on("room:join", ({ roomId }, ack) => {
    socket.join(roomId);
    ack({ ok: true, data: { head: heads.get(roomId) ?? 0 } });
  });
  socket.on("message:send", async ({ roomId, body }, ack) => {
    const seq = (heads.get(roomId) ?? 0) + 1;
    heads.set(roomId, seq);
    const author = { kind: "user", id: "admin", name: "admin" };
    const id = crypto.randomUUID();
    const event = {
      id: crypto.randomUUID(), roomId, seq, type: "message.posted",
      data: { id, body, kind: "text", mentions: [], priority: "medium", metadata: {}, author },
      at: new Date().toISOString(), workspaceId: "default", channel: "general", actor: author,
    };
    await insert(event);
    io.to(roomId).emit("message.posted", event);
    ack({ ok: true, data: { id }, seq });
  });
});
http.listen(Number(process.env.PORT), "127.0.0.1");
