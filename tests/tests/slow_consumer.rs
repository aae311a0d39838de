//! A client that does not read costs its neighbours nothing, and itself nothing but a reconnect.

use futures::future::join_all;
use serde_json::{Value, json};
use tests::raw::{self, Raw};
use tests::server::ADMIN_KEY;
use tests::{Database, Hub, SOON, number, text};
use tokio::time::{Duration, Instant, sleep};

async fn metric(hub: &Hub, name: &str) -> f64 {
    let page = reqwest::get(format!("{}/metrics", hub.server.url())).await;
    let page = page.expect("metrics can be read").text().await;
    page.expect("metrics are a text")
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        .unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_cut_off_with_no_gap_in_what_it_got() {
    let hub = Hub::start(Database::sqlite()).await;
    let room = json!({ "name": "Busy", "type": "workspace" });
    let room = hub.admin.post("/collaboration/rooms", &room).await;
    let room = text(&room.expect(201), "/id");
    let mut reader = hub.person().await;
    reader.ask("room:join", json!({ "roomId": room })).await;
    let mut stalled = Raw::connect(&hub.server.address(), ADMIN_KEY)
        .await
        .expect("it connects");
    let join = raw::event(1, "room:join", &json!({ "roomId": room }));
    stalled.send(join).await.expect("it joins");
    let joined = stalled.ack(1).await.expect("the join is acked");
    let head = number(&joined, "/data/head");

    // It reads nothing from here on. Its connection takes what the kernel's buffers hold and what the hub's own does.
    let body = "x".repeat(30_000);
    let poster = hub.person().await;
    let deadline = Instant::now() + SOON * 4;
    let mut posted = 0;
    while metric(&hub, "baton_slow_consumers_total").await < 1.0 {
        assert!(
            Instant::now() < deadline,
            "it was not cut off after {posted} messages"
        );
        let message = json!({ "roomId": room, "body": body });
        join_all((0..50).map(|_| poster.ask("message:send", message.clone()))).await;
        posted += 50;
    }

    // The neighbour has everything.
    for seq in head + 1..=head + posted {
        let event = reader.event("message.posted").await;
        assert_eq!(number(&event, "/seq"), seq, "no gap");
    }

    // The connection has ended, and what it carried until then is a run without a gap.
    let mut last = head;
    while let Ok(frame) = stalled.frame().await {
        let Some(event) = frame.strip_prefix("42") else {
            continue;
        };
        let event: Value = serde_json::from_str(event).expect("an event is JSON");
        if event[0] == "session.closed" {
            assert_eq!(event[1]["code"], "slow_consumer");
            assert_eq!(event[1]["reconnect"], true);
            continue;
        }
        assert_eq!(number(&event[1], "/seq"), last + 1, "no gap");
        last += 1;
    }
    assert!(last < head + posted, "it cannot have had everything");

    // It is gone from the hub too: only the reader and the poster are left.
    let deadline = Instant::now() + SOON;
    while metric(&hub, "baton_connections").await > 2.0 {
        assert!(Instant::now() < deadline, "its connection lives on");
        sleep(Duration::from_millis(50)).await;
    }
}
