//! The server is killed at any moment, and nothing is lost, done twice or stuck.
//!
//! `BATON_CRASH_ROUNDS` and `BATON_CRASH_SEED` make it longer, or the same again.

use std::time::Duration;

use serde_json::{Value, json};
use tests::crash::{moment, observe, random, rounds};
use tests::hub::member;
use tests::worker::Worker;
use tests::{Database, Hub, SOON, check, number, on_both_databases};
use tokio::time::{sleep, timeout};

const LEASE: Duration = Duration::from_millis(1500);

/// A diamond and a tail: six steps, of which two may run at once.
fn steps() -> Value {
    let step = |key: &str, after: &[&str]| {
        json!({
            "key": key, "name": key, "description": "", "requiredCapabilities": ["add"], "dependencies": after,
            "maxLostLeases": 50,
        })
    };
    json!([
        step("a", &[]),
        step("b", &["a"]),
        step("c", &["a"]),
        step("d", &["b", "c"]),
        step("e", &["d"]),
        step("f", &["e"]),
    ])
}

on_both_databases! {
    async fn a_process_survives_any_crash_of_the_server(database: Database) {
        let mut random = random("BATON_CRASH_SEED");
        let mut hub = Hub::start(database).await;
        let mut workers = Vec::new();
        for id in ["ann", "ben", "cis"] {
            let worker = Worker {
                url: hub.server.url(),
                id: id.to_owned(),
                key: hub.register(id, &["add"]).await,
                instance: format!("{id}-1"),
                notes: 3,
                pace: Duration::from_millis(40),
            };
            workers.push(worker.start());
        }
        let configuration = json!({ "timeoutSettings": { "leaseMs": LEASE.as_millis() as u64 } });
        let team = hub.team(&[member("ann"), member("ben"), member("cis")], configuration).await;

        for round in 0..rounds() {
            let process = hub.process(&team, steps()).await;
            let observer = tokio::spawn(observe(hub.server.url(), process.room.clone()));
            sleep(moment(&mut random, Duration::from_millis(900))).await;
            hub.server.kill().await;
            // Every fourth time it is away for longer than a lease.
            let away = if round % 4 == 3 { LEASE * 2 } else { Duration::from_millis(300) };
            sleep(moment(&mut random, away)).await;
            hub.server.launch();
            hub.server.ready().await;

            let seen = match timeout(SOON * 2, observer).await {
                Ok(seen) => seen.expect("the observer goes on"),
                Err(_) => panic!("round {round}: the process does not end: {:#}", hub.read(&process).await),
            };
            let ended = hub.ends(&process, "completed").await;
            // a = 1, b = c = 2, d = 5, e = 6, f = 7: each result was carried on, once.
            assert_eq!(number(&ended, "/context/sharedData/steps/f/sum"), 7, "round {round}: {ended:#}");
            check::contiguous(&seen);
            let log = hub.events(&process.room).await;
            assert_eq!(seen[..], log[..seen.len()], "round {round}: the observer saw what the log says");
            assert_eq!(check::count(&log, "step.completed"), 6, "round {round}");
            check::verify(&hub).await;
        }
    }
}
