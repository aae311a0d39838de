//! A client that does not wait: it speaks as soon as it may, and sends on without waiting for acks.

use std::sync::Arc;

use baton::client::{Client, ClientOptions};
use futures::StreamExt;
use futures::stream;
use serde_json::{Value, json};
use tests::raw::{Raw, event};
use tests::server::ADMIN_KEY;
use tests::{Database, Hub, check, on_both_databases, text};

const CONNECTIONS: usize = 20_000;
const AT_ONCE: usize = 64;

async fn workspace_room(hub: &Hub) -> String {
    let rooms = hub
        .admin
        .get("/collaboration/rooms?type=workspace")
        .await
        .expect(200);
    text(&rooms, "/items/0/id")
}

/// Sends a command in the very moment in which the server's CONNECT comes: the earliest that the protocol allows, and what
/// stock clients do with what they buffered. Gives the command's ack.
async fn say_at_once(address: &str, room: &str) -> anyhow::Result<Value> {
    let mut raw = Raw::connect(address, ADMIN_KEY).await?;
    raw.send(event(
        7,
        "room:history",
        &json!({ "roomId": room, "limit": 1 }),
    ))
    .await?;
    let ack = raw.ack(7).await?;
    raw.close().await?;
    Ok(ack)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_sent_at_the_moment_of_connecting_is_always_acked() {
    let hub = Hub::start(Database::sqlite()).await;
    let room = Arc::new(workspace_room(&hub).await);
    let address = Arc::new(hub.server.address());
    let mut acks = stream::iter(0..CONNECTIONS)
        .map(|_| {
            let (address, room) = (Arc::clone(&address), Arc::clone(&room));
            tokio::spawn(async move { say_at_once(&address, &room).await })
        })
        .buffer_unordered(AT_ONCE);
    let (mut acked, mut lost) = (0, Vec::new());
    while let Some(result) = acks.next().await {
        match result.expect("the connection's task ends") {
            Ok(ack) if ack["ok"] == true => acked += 1,
            Ok(ack) => panic!("refused: {ack:#}"),
            Err(error) => lost.push(error.to_string()),
        }
    }
    assert!(
        lost.is_empty(),
        "{} of {CONNECTIONS} lost, such as {:?}",
        lost.len(),
        &lost[..lost.len().min(5)]
    );
    assert_eq!(acked, CONNECTIONS);
}

on_both_databases! {
    async fn commands_sent_without_waiting_take_effect_in_order(database: Database) {
        let hub = Hub::start(database).await;
        let room = workspace_room(&hub).await;
        let options = ClientOptions { url: hub.server.url(), auth: json!({ "token": ADMIN_KEY }), reconnect: false };
        let client = Client::connect(options).await.expect("the admin can connect");
        drop(client.take_incoming());
        let bodies: Vec<String> = (0..200).map(|n| format!("message {n}")).collect();
        let sent: Vec<_> =
            bodies.iter().map(|body| client.send("message:send", json!({ "roomId": room, "body": body }))).collect();
        let mut sequence = Vec::new();
        for ack in sent {
            sequence.push(ack.await.expect("each command is acked").seq.expect("an ack of a message has its seq"));
        }
        assert!(sequence.is_sorted_by(|a, b| a < b), "{sequence:?}");
        let events = hub.events(&room).await;
        check::contiguous(&events);
        let posted: Vec<String> = events
            .iter()
            .filter(|event| event["type"] == "message.posted")
            .map(|event| text(event, "/data/body"))
            .collect();
        assert_eq!(posted, bodies);
    }
}
