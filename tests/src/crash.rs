//! What tests that kill servers share: moments that a printed seed gives again, and an observer that outlives every crash.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baton::client::{Client, ClientOptions, RoomFollower};
use serde_json::{Value, json};
use simulation::Random;
use tokio::time::sleep;

use crate::server::ADMIN_KEY;

/// Randomness from the seed that this environment variable gives, or from the clock; printed, so that it can be had again.
#[must_use]
pub fn random(variable: &str) -> Random {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| u64::from(now.subsec_nanos()));
    let given = std::env::var(variable)
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(now);
    println!("{variable}={seed}");
    Random::new(seed)
}

/// How often a crash test goes round: `BATON_CRASH_ROUNDS`, else 20.
#[must_use]
pub fn rounds() -> u32 {
    let given = std::env::var("BATON_CRASH_ROUNDS").ok();
    given.and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

/// A moment within a while, to the millisecond.
pub fn moment(random: &mut Random, within: Duration) -> Duration {
    let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random.below(within))
}

/// Everything the room says until its process has completed, over any number of connections. The server may be killed before the
/// first of them stands: then it is tried again, for as long as the caller waits.
///
/// # Panics
/// When the server refuses the connection or the room.
pub async fn observe(url: String, room: String) -> Vec<Value> {
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
    let Some(mut follower) = RoomFollower::new(client, room, Some(0)) else {
        panic!("somebody else reads this connection");
    };
    let mut events = Vec::new();
    loop {
        let event = match follower.next().await {
            Ok(event) => event,
            Err(error) => panic!("the room cannot be followed: {error}"),
        };
        let ended = event["type"] == "process.completed";
        events.push(event);
        if ended {
            return events;
        }
    }
}
