//! Raw socketioxide as its documentation teaches, without storage: what Baton's delivery is measured against. It sends the same bytes.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::handler::ConnectHandler;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Join {
    room_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post {
    room_id: String,
    body: String,
}

#[derive(Serialize, Clone)]
struct Actor {
    kind: &'static str,
    id: &'static str,
    name: &'static str,
}

#[derive(Serialize)]
struct Message {
    id: uuid::Uuid,
    body: String,
    kind: &'static str,
    mentions: [String; 0],
    priority: &'static str,
    metadata: HashMap<String, String>,
    author: Actor,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    id: uuid::Uuid,
    room_id: String,
    seq: u64,
    r#type: &'static str,
    data: Message,
    at: rooms::Timestamp,
    workspace_id: &'static str,
    channel: &'static str,
    actor: Actor,
}

const ADMIN: Actor = Actor {
    kind: "user",
    id: "admin",
    name: "admin",
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let heads: Arc<Mutex<HashMap<String, u64>>> = Arc::default();
    let (layer, io) = SocketIo::builder().max_buffer_size(4096).build_layer();
    // In the middleware, which runs before the client is told that it is connected: in the connect handler, what it sends at once is lost.
    let register = async move |socket: SocketRef| -> Result<(), Infallible> {
        let heads = Arc::clone(&heads);
        socket.on(
            "room:join",
            async |socket: SocketRef, Data(join): Data<Join>, ack: AckSender| {
                socket.join(join.room_id);
                let _ = ack.send(&json!({"ok": true, "data": {"head": 0}}));
            },
        );
        socket.on(
            "message:send",
            async move |io: SocketIo, Data(post): Data<Post>, ack: AckSender| {
                let seq = {
                    let mut heads = heads.lock().unwrap_or_else(PoisonError::into_inner);
                    let head = heads.entry(post.room_id.clone()).or_default();
                    *head += 1;
                    *head
                };
                let id = uuid::Uuid::now_v7();
                let event = Event {
                    id: uuid::Uuid::now_v7(),
                    room_id: post.room_id,
                    seq,
                    r#type: "message.posted",
                    data: Message {
                        id,
                        body: post.body,
                        kind: "text",
                        mentions: [],
                        priority: "medium",
                        metadata: HashMap::new(),
                        author: ADMIN,
                    },
                    at: rooms::Timestamp(now()),
                    workspace_id: "default",
                    channel: "general",
                    actor: ADMIN,
                };
                let _ = io
                    .to(event.room_id.clone())
                    .emit("message.posted", &event)
                    .await;
                let _ = ack.send(&json!({"ok": true, "data": {"id": id}, "seq": seq}));
            },
        );
        Ok(())
    };
    io.ns("/", (|_: SocketRef| ready(())).with(register));
    let address = format!("127.0.0.1:{}", std::env::var("PORT")?);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, axum::Router::new().layer(layer)).await?;
    Ok(())
}

fn now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}
