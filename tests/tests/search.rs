//! The search over messages, against the real binary on both databases.

use reqwest::Method;
use serde_json::{Value, json};
use tests::hub::member;
use tests::rest::{Answer, Rest};
use tests::{Agent, Database, Hub, array, check, number, on_both_databases, text};

/// The path of a search.
fn path(query: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://hub", query).expect("a query makes a URL");
    format!("/search?{}", url.query().unwrap_or_default())
}

async fn find(rest: &Rest, query: &[(&str, &str)]) -> Answer {
    rest.get(&path(query)).await
}

fn bodies(page: &Value) -> Vec<String> {
    array(page, "/items")
        .iter()
        .map(|item| text(item, "/message/body"))
        .collect()
}

async fn post(who: &Agent, room: &str, body: &str) -> Value {
    who.ask("message:send", json!({ "roomId": room, "body": body }))
        .await
        .data
}

on_both_databases! {
    async fn what_was_said_is_found_where_the_caller_may_read(database: Database) {
        let hub = Hub::start(database).await;
        let ada_key = hub.register("ada", &[]).await;
        let ada = hub.connect("ada", &ada_key, "ada-1").await;
        let team = hub.team(&[member("ada")], json!({})).await;
        let process = hub.process(&team, json!([{ "key": "a", "name": "A", "assignedAgentId": "ada" }])).await;
        let body = json!({ "name": "Closed", "type": "workspace" });
        let closed = text(&hub.admin.post("/collaboration/rooms", &body).await.expect(201), "/id");
        let person = hub.person().await;
        post(&ada, &process.room, "The invoice 4711 is **wrong**, see https://example.com/inv-4711.pdf").await;
        let secret = post(&person, &closed, "The invoice stays among us").await;

        let page = find(&hub.admin, &[("q", "invoice")]).await.expect(200);
        assert_eq!(array(&page, "/items").len(), 2);
        let item = &page["items"][1];
        assert_eq!(text(item, "/room/id"), process.room);
        assert_eq!(text(item, "/room/name"), "Process: Test process");
        assert_eq!(text(item, "/processId"), process.id);
        assert_eq!(text(item, "/author/id"), "ada");
        assert_eq!(item["highlights"], json!(["invoice"]));
        assert!(text(item, "/snippet").contains("invoice 4711"));
        let log = hub.events(&process.room).await;
        let posted = log.iter().find(|e| e["type"] == "message.posted").unwrap();
        assert_eq!((number(item, "/seq"), text(item, "/at")), (number(posted, "/seq"), text(posted, "/at")));
        assert_eq!(item["message"], posted["data"]);
        assert!(page["items"][0].get("processId").is_none());

        // An agent finds what was said where it takes part, and is refused a room where it does not.
        let as_ada = Rest::new(&hub.server.url(), &ada_key);
        let page = find(&as_ada, &[("q", "invoice")]).await.expect(200);
        assert_eq!(array(&page, "/items").len(), 1);
        assert_eq!(text(&page, "/items/0/room/id"), process.room);
        let _ = find(&as_ada, &[("q", "invoice"), ("roomId", &closed)]).await.refused(403, "forbidden");
        let _ = person.ask("room:invite", json!({ "roomId": closed, "type": "agent", "id": "ada" })).await;
        assert_eq!(bodies(&find(&as_ada, &[("q", "invoice"), ("roomId", &closed)]).await.expect(200)), ["The invoice stays among us"]);

        // Edited: by the new text only. Removed: never.
        let edit = json!({ "roomId": closed, "messageId": secret["id"], "body": "The bill stays among us" });
        let _ = person.ask("message:edit", edit).await;
        let page = find(&hub.admin, &[("q", "\"bill stays\"")]).await.expect(200);
        assert_eq!(bodies(&page), ["The bill stays among us"]);
        assert!(!text(&page, "/items/0/editedAt").is_empty());
        assert_eq!(array(&find(&hub.admin, &[("q", "invoice")]).await.expect(200), "/items").len(), 1);
        let _ = person.ask("message:remove", json!({ "roomId": closed, "messageId": secret["id"] })).await;
        assert!(bodies(&find(&hub.admin, &[("q", "bill")]).await.expect(200)).is_empty());

        // Another workspace's rooms are as if they were not there.
        let made = hub.admin.post("/workspaces", &json!({ "id": "other", "name": "Other" })).await;
        let _ = made.expect(201);
        let request = hub.admin.request(Method::GET, &path(&[("q", "invoice")])).header("x-workspace-id", "other");
        let other = hub.admin.send(request).await;
        assert!(other.status >= 400 || bodies(&other.body).is_empty(), "{:#}", other.body);
        check::verify(&hub).await;
    }

    async fn what_is_found_comes_in_pages_and_by_filters(database: Database) {
        let hub = Hub::start(database).await;
        let person = hub.person().await;
        let rooms = hub.admin.get("/collaboration/rooms?type=workspace").await.expect(200);
        let room = text(&rooms, "/items/0/id");
        let mut expected = Vec::new();
        for n in 0..5 {
            post(&person, &room, &format!("status report {n}")).await;
            expected.insert(0, format!("status report {n}"));
        }
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut query = vec![("q", "stat* report"), ("limit", "2")];
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let page = find(&hub.admin, &query).await.expect(200);
            assert!(array(&page, "/items").len() <= 2);
            all.extend(bodies(&page));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(all, expected);
        let page = find(&hub.admin, &[("q", "status")]).await.expect(200);
        let second = text(&page, "/items/1/at");
        let found = find(&hub.admin, &[("q", "status"), ("since", &second), ("author", "user:admin")]).await.expect(200);
        assert_eq!(bodies(&found), expected[..2]);
        let found = find(&hub.admin, &[("q", "status"), ("until", &second)]).await.expect(200);
        assert_eq!(bodies(&found), expected[2..]);
        let found = find(&hub.admin, &[("q", "status"), ("author", "agent:admin")]).await.expect(200);
        assert!(bodies(&found).is_empty());
    }

    async fn a_query_that_says_nothing_or_too_much_is_refused_clearly(database: Database) {
        let hub = Hub::start(database).await;
        let long = "x".repeat(300);
        let nobody = uuid::Uuid::now_v7().to_string();
        for (query, path) in [
            (vec![], "q"), (vec![("q", "")], "q"), (vec![("q", "?!")], "q"), (vec![("q", long.as_str())], "q"), (vec![("q", "a*")], "q"),
            (vec![("q", "x"), ("roomId", "x")], "roomId"), (vec![("q", "x"), ("since", "yesterday")], "since"),
            (vec![("q", "x"), ("cursor", "7")], "cursor"), (vec![("q", "x"), ("limit", "0")], "limit"), (vec![("q", "x"), ("page", "2")], "page"),
        ] {
            let problem = find(&hub.admin, &query).await.refused(400, "invalid_request");
            assert_eq!(text(&problem, "/errors/0/path"), path, "{query:?}: {problem:#}");
        }
        let _ = find(&hub.admin, &[("q", "x"), ("roomId", &nobody)]).await.refused(404, "not_found");
        let _ = find(&hub.admin, &[("q", "x"), ("processId", &nobody)]).await.refused(404, "not_found");
        // Whatever else is typed is looked for, and is no error.
        for q in ["' OR 1=1 --", "\"", "NEAR(a b)", "x AND NOT y", "%", "a\"b", "{}[]()", "日本語", "\u{202e}abc"] {
            let answer = find(&hub.admin, &[("q", q)]).await;
            assert!([200, 400].contains(&answer.status), "{q:?}: {} {:#}", answer.status, answer.body);
        }
    }
}
