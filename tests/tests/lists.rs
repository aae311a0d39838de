//! Lists searched by a part of the name, against the real binary on both databases.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tests::hub::member;
use tokio::time::sleep;

use tests::{Database, Hub, array, check, on_both_databases, text};

/// More names than a search looks at first, and than are left unfiled.
const MANY: usize = 260;

/// How many names the hub has filed.
async fn filed(hub: &Hub) -> usize {
    let page = reqwest::get(format!("{}/metrics", hub.server.url())).await;
    let page = page.expect("the hub answers").text().await;
    let page = page.expect("a page of text");
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix("baton_names_filed_total "));
    line.map_or(0, |n| n.parse().expect("a whole number"))
}

/// The names that are found.
async fn found(hub: &Hub, list: &str, query: &[(&str, &str)]) -> Vec<String> {
    let url = reqwest::Url::parse_with_params("http://hub", query).expect("a query makes a URL");
    let path = format!("{list}?{}", url.query().unwrap_or_default());
    let page = hub.admin.get(&path).await.expect(200);
    names(&page)
}

fn names(page: &Value) -> Vec<String> {
    array(page, "/items")
        .iter()
        .map(|item| text(item, "/name"))
        .collect()
}

on_both_databases! {
    async fn what_few_are_called_is_found_behind_many_others(database: Database) {
        let hub = Hub::start(database).await;
        let _ = hub.register("ada", &[]).await;
        let team = json!({ "name": "Night shift", "description": "d", "agents": [member("ada")] });
        let team = text(&hub.admin.post("/teams", &team).await.expect(201), "/id");
        let steps = json!([{ "key": "a", "name": "A", "requiredCapabilities": ["none"] }]);
        let process = hub.process_with(json!({ "name": "Bee line", "teamId": team, "steps": steps })).await;
        let _ = hub.admin.post("/collaboration/rooms", &json!({ "name": "Beekeepers", "type": "team", "teamId": team })).await.expect(201);
        for n in 0..MANY {
            let room = json!({ "name": format!("Room {n}"), "type": "workspace" });
            let _ = hub.admin.post("/collaboration/rooms", &room).await.expect(201);
        }
        let rooms = "/collaboration/rooms";
        // Found before they are filed, and after.
        assert_eq!(found(&hub, rooms, &[("search", "bee")]).await, ["Beekeepers", "Process: Bee line"]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while filed(&hub).await < MANY {
            assert!(Instant::now() < deadline, "the hub files no names");
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(found(&hub, rooms, &[("search", "BEE")]).await, ["Beekeepers", "Process: Bee line"]);
        assert_eq!(found(&hub, rooms, &[("search", "bee"), ("type", "process")]).await, ["Process: Bee line"]);
        assert_eq!(found(&hub, rooms, &[("search", "bee"), ("type", "team"), ("teamId", &team)]).await, ["Beekeepers"]);
        assert_eq!(found(&hub, rooms, &[("search", "s: bee")]).await, ["Process: Bee line"]);
        assert_eq!(found(&hub, rooms, &[("search", "process:")]).await, ["Process: Bee line"]);
        assert_eq!(found(&hub, rooms, &[("search", "process: line")]).await, Vec::<String>::new());
        assert_eq!(found(&hub, rooms, &[("search", "room 7"), ("limit", "3")]).await, ["Room 79", "Room 78", "Room 77"]);

        // Page by page, each once.
        let first = hub.admin.get("/collaboration/rooms?search=bee&limit=1").await.expect(200);
        assert_eq!(names(&first), ["Beekeepers"]);
        let cursor = text(&first, "/nextCursor");
        assert_eq!(found(&hub, rooms, &[("search", "bee"), ("limit", "1"), ("cursor", &cursor)]).await, ["Process: Bee line"]);

        // A team has another name; its room was named when it was made.
        let _ = hub.admin.put(&format!("/teams/{team}"), &json!({ "name": "Day shift" })).await.expect(200);
        assert_eq!(found(&hub, "/teams", &[("search", "night")]).await, Vec::<String>::new());
        assert_eq!(found(&hub, "/teams", &[("search", "day")]).await, ["Day shift"]);
        assert_eq!(found(&hub, rooms, &[("search", "night")]).await, ["Team: Night shift"]);

        // What has ended and is archived keeps its name, and is found.
        let _ = hub.admin.delete(&format!("/processes/{}", process.id)).await.expect(200);
        let _ = hub.admin.delete(&format!("/teams/{team}")).await.expect(200);
        assert_eq!(found(&hub, "/teams", &[("search", "day"), ("status", "archived")]).await, ["Day shift"]);
        assert_eq!(found(&hub, "/processes", &[("search", "ee li")]).await, ["Bee line"]);
        assert_eq!(found(&hub, rooms, &[("search", "ee li")]).await, ["Process: Bee line"]);

        // Another workspace has nothing of it.
        let _ = hub.admin.post("/workspaces", &json!({ "id": "other", "name": "Other" })).await.expect(201);
        for list in [rooms, "/processes", "/teams"] {
            let path = format!("{list}?search=e");
            let other = hub.admin.send(hub.admin.request(Method::GET, &path).header("x-workspace-id", "other")).await;
            let expected = if list == rooms { vec!["Other"] } else { Vec::new() };
            assert_eq!(names(&other.expect(200)), expected);
        }
        check::verify(&hub).await;
    }
}
