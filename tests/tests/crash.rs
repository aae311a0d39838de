//! The server is killed at any moment, and nothing is lost, done twice or stuck.
//!
//! `BATON_CRASH_ROUNDS` and `BATON_CRASH_SEED` make it longer, or the same again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton::client::{Client, ClientOptions, RoomFollower};
use serde_json::{Value, json};
use tests::hub::member;
use tests::server::ADMIN_KEY;
use tests::worker::Worker;
use tests::{Database, Hub, SOON, check, number, on_both_databases};
use tokio::time::{sleep, timeout};

const LEASE: Duration = Duration::from_millis(1500);

/// SplitMix64: moments that a printed seed gives again.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.subsec_nanos());
        let given = std::env::var("BATON_CRASH_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(now));
        println!("BATON_CRASH_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let limit = u64::try_from(limit.as_millis())
            .expect("a short time")
            .max(1);
        Duration::from_millis((z ^ (z >> 31)) % limit)
    }
}

fn rounds() -> u32 {
    std::env::var("BATON_CRASH_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(20)
}

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

/// Everything the room says until the process has completed, over any number of connections. The server may be
/// killed before the first of them stands: then it is tried again, for as long as the caller waits.
async fn observe(url: String, room: String) -> Vec<Value> {
    let client = loop {
        let options = ClientOptions {
            url: url.clone(),
            auth: json!({ "token": ADMIN_KEY }),
            reconnect: true,
        };
        match Client::connect(options).await {
            Ok(client) => break client,
            Err(error) if error.is_retryable() => sleep(Duration::from_millis(20)).await,
            Err(refused) => panic!("the observer is refused: {refused}"),
        }
    };
    let mut follower =
        RoomFollower::new(client, room, Some(0)).expect("nobody else reads this connection");
    let mut events = Vec::new();
    loop {
        let event = follower.next().await.expect("the room can be followed");
        let ended = event["type"] == "process.completed";
        events.push(event);
        if ended {
            return events;
        }
    }
}

on_both_databases! {
    async fn a_process_survives_any_crash_of_the_server(database: Database) {
        let mut random = Random::seeded();
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
            sleep(random.below(Duration::from_millis(900))).await;
            hub.server.kill().await;
            // Every fourth time it is away for longer than a lease.
            let away = if round % 4 == 3 { LEASE * 2 } else { Duration::from_millis(300) };
            sleep(random.below(away)).await;
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
