//! Lanes batch: what waits together is committed together.

use futures::future::join_all;
use serde_json::json;
use tests::{Database, Hub, on_both_databases, text};

/// The lanes' transactions so far.
async fn transactions(hub: &Hub) -> u64 {
    let url = format!("{}/metrics", hub.server.url());
    let page = reqwest::get(url).await.expect("the metrics answer");
    let page = page.text().await.expect("the metrics are text");
    page.lines()
        .find_map(|line| line.strip_prefix("baton_transactions_total "))
        .and_then(|count| count.parse().ok())
        .expect("the metrics count the lanes' transactions")
}

on_both_databases! {
    async fn a_thousand_posts_in_flight_share_their_transactions(database: Database) {
        let hub = Hub::start(database).await;
        let made = join_all((0..100).map(|n| {
            let room = json!({ "name": format!("Room {n}"), "type": "workspace", "participants": [] });
            let hub = &hub;
            async move { text(&hub.admin.post("/collaboration/rooms", &room).await.expect(201), "/id") }
        }))
        .await;
        // The sockets of a hundred people, each of whom sends ten posts without waiting.
        let people = join_all((0..100).map(|_| hub.person())).await;
        let before = transactions(&hub).await;
        let posts = people.iter().enumerate().flat_map(|(n, person)| {
            let room = &made[n];
            (0..10).map(move |k| person.client.send("message:send", json!({ "roomId": room, "body": format!("Post {k}") })))
        });
        let answers = join_all(posts.collect::<Vec<_>>()).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1_000);
        let used = transactions(&hub).await - before;
        assert!(used <= 200, "1,000 posts took {used} transactions");
    }
}
