//! The search over messages: the same query finds the same on both databases.

use rooms::Command;
use rooms::id::RoomId;
use serde_json::{Value as Json, json};
use storage::Store;
use storage::search::{Hit, Search, Text};
use uuid::Uuid;

use crate::backend::on_both;
use crate::clerk::{Clerk, agent, body, person};

fn wanted(q: &str) -> Search {
    Search {
        text: Text::parse(q).unwrap(),
        room: None,
        author_kind: None,
        author: None,
        since: None,
        until: None,
        after: None,
        limit: 50,
    }
}

async fn bodies(store: &Store, space: &str, search: &Search) -> Vec<String> {
    let hits = store.search(&space.into(), search).await.unwrap();
    hits.into_iter().map(|h| h.message.body).collect()
}

async fn found(store: &Store, q: &str) -> Vec<String> {
    bodies(store, "one", &wanted(q)).await
}

async fn post(clerk: &mut Clerk, who: &str, room: RoomId, text: &str) -> Uuid {
    let who = person(clerk.space.as_str(), who);
    let command = Command::PostMessage(body(json!({"body": text})));
    let message = clerk.run(&who, room, command).await.unwrap();
    message["id"].as_str().unwrap().parse().unwrap()
}

async fn room(clerk: &mut Clerk, name: &str, agents: &[&str]) -> RoomId {
    let id = RoomId(Uuid::now_v7());
    let participants: Vec<Json> = agents
        .iter()
        .map(|a| json!({"type": "agent", "id": a, "role": "participant"}))
        .collect();
    let room = body(json!({"name": name, "type": "workspace", "participants": participants}));
    let who = person(clerk.space.as_str(), "admin");
    let command = Command::CreateRoom { room_id: id, room };
    clerk.run(&who, id, command).await.unwrap();
    id
}

on_both! {
    async fn words_phrases_and_beginnings_find_messages_newest_first(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let here = clerk.space_room;
        for text in [
            "The red fish swims", "A blue fish sleeps", "Red, blue; and the FISH.",
            "see https://example.com/reports/final.pdf", "rename user_id in storage/src/tx.rs", "Größe: 3½ Äpfel — teuer…",
            "release v1.20.3-rc1 on 2026-11-26", "naïve café", "it's 100% sure", "日本語 テスト",
        ] {
            post(&mut clerk, "ann", here, text).await;
        }
        let cases: [(&str, &[&str]); 20] = [
            ("fish", &["Red, blue; and the FISH.", "A blue fish sleeps", "The red fish swims"]),
            ("FISH red", &["Red, blue; and the FISH.", "The red fish swims"]),
            ("\"red fish\"", &["The red fish swims"]),
            ("\"red blue\"", &["Red, blue; and the FISH."]),
            ("\"blue fi\"*", &["A blue fish sleeps"]),
            ("sle*", &["A blue fish sleeps"]),
            ("sle", &[]),
            ("fish whale", &[]),
            ("example", &["see https://example.com/reports/final.pdf"]),
            ("final.pdf", &["see https://example.com/reports/final.pdf"]),
            ("user_id", &["rename user_id in storage/src/tx.rs"]),
            ("id", &["rename user_id in storage/src/tx.rs"]),
            ("tx.rs", &["rename user_id in storage/src/tx.rs"]),
            ("ÄPFEL größe", &["Größe: 3½ Äpfel — teuer…"]),
            ("teuer", &["Größe: 3½ Äpfel — teuer…"]),
            ("v1.20.3", &["release v1.20.3-rc1 on 2026-11-26"]),
            ("2026-11*", &["release v1.20.3-rc1 on 2026-11-26"]),
            ("cafe", &[]),
            ("100", &["it's 100% sure"]),
            ("テスト", &["日本語 テスト"]),
        ];
        for (q, expected) in cases {
            assert_eq!(found(&store, q).await, expected, "{q}");
        }
        // Whatever is typed is no error of SQL.
        for q in ["' OR 1=1 --", "a\"b'c", "NEAR(red fish)", "red AND NOT fish", "body:fish", "(((", "$1 'x' x", "\\ ' \\' xx", "fish\" OR \"red", "^red:*", "{red} & !fish"] {
            if let Ok(text) = Text::parse(q) {
                store.search(&"one".into(), &Search { text, ..wanted("x") }).await.unwrap();
            }
        }
        clerk.verified().await;
    }

    async fn an_edited_message_is_found_by_its_new_text_and_a_removed_one_never(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let here = clerk.space_room;
        let id = post(&mut clerk, "ann", here, "the old words").await;
        let other = post(&mut clerk, "ann", here, "other words").await;
        let edit = Command::EditMessage(body(json!({"messageId": id, "body": "the new words", "mentions": ["ben"]})));
        clerk.run(&person("one", "ann"), here, edit).await.unwrap();
        assert_eq!(found(&store, "old").await, Vec::<String>::new());
        let hits = store.search(&"one".into(), &wanted("new")).await.unwrap();
        let [Hit { message, edited_at: Some(edited), at, seq: 2, .. }] = &hits[..] else {
            panic!("{hits:?}");
        };
        assert_eq!((message.body.as_str(), message.mentions.as_slice()), ("the new words", &["ben".to_owned()][..]));
        assert!(edited >= at);
        assert_eq!(found(&store, "words").await, ["other words", "the new words"], "in the order in which they were posted");
        let remove = Command::RemoveMessage(body(json!({"messageId": other})));
        clerk.run(&person("one", "ann"), here, remove).await.unwrap();
        assert_eq!(found(&store, "words").await, ["the new words"]);
        assert_eq!(found(&store, "other").await, Vec::<String>::new());
        clerk.verified().await;
    }

    async fn what_is_found_can_be_filtered_and_is_of_one_workspace(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        clerk.register("ann", &[], 1).await;
        let here = clerk.space_room;
        let there = room(&mut clerk, "There", &["ann"]).await;
        post(&mut clerk, "ann", here, "word here").await;
        post(&mut clerk, "ben", there, "word there").await;
        let said = Command::PostMessage(body(json!({"body": "word of the agent"})));
        clerk.run(&agent("one", "ann"), there, said).await.unwrap();
        let mut stranger = Clerk::open(&store, "two").await;
        let elsewhere = stranger.space_room;
        post(&mut stranger, "ann", elsewhere, "word elsewhere").await;

        assert_eq!(found(&store, "word").await, ["word of the agent", "word there", "word here"]);
        assert_eq!(bodies(&store, "two", &wanted("word")).await, ["word elsewhere"]);
        let of = |search: Search| { let store = store.clone(); async move { bodies(&store, "one", &search).await } };
        assert_eq!(of(Search { room: Some(here), ..wanted("word") }).await, ["word here"]);
        assert_eq!(of(Search { author: Some("ann".to_owned()), ..wanted("word") }).await, ["word of the agent", "word here"]);
        let agents = Search { author: Some("ann".to_owned()), author_kind: Some("agent".to_owned()), ..wanted("word") };
        assert_eq!(of(agents).await, ["word of the agent"]);
        let hits = store.search(&"one".into(), &wanted("word")).await.unwrap();
        assert_eq!(of(Search { since: Some(hits[1].at), ..wanted("word") }).await, ["word of the agent", "word there"]);
        assert_eq!(of(Search { until: Some(hits[1].at), ..wanted("word") }).await, ["word here"]);
        let rooms = store.rooms_by_id(&"one".into(), &[here, there, elsewhere]).await.unwrap();
        assert_eq!(rooms.len(), 2, "of this workspace only");
    }

    async fn pages_join_without_a_gap_while_more_is_said(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let here = clerk.space_room;
        let mut expected = Vec::new();
        for n in 0..11 {
            post(&mut clerk, "ann", here, &format!("word {n}")).await;
            expected.insert(0, format!("word {n}"));
        }
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = store.search(&"one".into(), &Search { after, limit: 3, ..wanted("word") }).await.unwrap();
            post(&mut clerk, "ann", here, "a later word").await;
            let Some(last) = page.last() else { break };
            after = Some(last.place.clone());
            paged.extend(page.into_iter().map(|h| h.message.body));
        }
        assert_eq!(paged, expected);
    }
}
