//! The states of rooms in memory: no more than is configured, and nothing depends on which.

use serde_json::json;
use tests::hub::member;
use tests::rest::Rest;
use tests::server::{ADMIN_KEY, Server};
use tests::worker::Worker;
use tests::{Database, Hub, on_both_databases};

const CACHED: u64 = 4;
const PROCESSES: usize = 25;

on_both_databases! {
    async fn many_more_processes_than_are_kept_in_memory_complete(database: Database) {
        let cached = CACHED.to_string();
        let server = Server::start_with(database, &[("BATON_CACHE_ROOMS", cached.as_str())]).await;
        let admin = Rest::new(&server.url(), ADMIN_KEY);
        let hub = Hub { server, admin };
        let key = hub.register("worker", &[]).await;
        let team = hub.team(&[member("worker")], json!({})).await;
        let mut processes = Vec::new();
        for _ in 0..PROCESSES {
            let steps = json!([
                { "key": "one", "name": "One", "description": "", "assignedAgentId": "worker" },
                { "key": "two", "name": "Two", "description": "", "assignedAgentId": "worker", "dependencies": ["one"] },
            ]);
            processes.push(hub.process(&team, steps).await);
        }
        let _worker = Worker::quick(hub.server.url(), "worker", key).start();
        for process in &processes {
            let _ = hub.ends(process, "completed").await;
        }
        let metrics = reqwest::get(format!("{}/metrics", hub.server.url())).await.unwrap().text().await.unwrap();
        let kept = metrics.lines().find_map(|line| line.strip_prefix("baton_cached_rooms ")).unwrap();
        let kept: u64 = kept.parse().unwrap();
        assert!((1..=CACHED).contains(&kept), "{kept} rooms are kept");
    }
}
