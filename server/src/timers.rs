//! Timers: rows that are due become commands. Any node may fire one, because `decide` checks again what it meant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rooms::Command;
use rooms::command::Timer;
use rooms::id::RoomId;
use rooms::model::access::Principal;

use crate::hub::Hub;
use crate::under_way::UnderWay;

/// How often due timers are looked for.
const EVERY: Duration = Duration::from_millis(100);

/// A timer that takes longer waits for a lock that somebody else holds. It is left to itself, and the others are looked for again.
const FIRED: Duration = Duration::from_secs(1);

/// A look that takes so much longer than it should was an absence, and not a busy moment: the database hung, or this process stood still.
const ABSENCE: Duration = Duration::from_secs(3);

/// What is spared where its own length cannot be read.
const GRACE: Duration = Duration::from_secs(30);

/// Runs until the process ends. Leases and offers are spared for a while after the start and after an outage of the database or of this process, so
/// that the hub's own absence costs no agent its work: what ran out meanwhile gets its full length from then on.
pub async fn run(hub: Arc<Hub>) {
    let mut since = Instant::now();
    let firing = UnderWay::default();
    loop {
        let began = Instant::now();
        tokio::time::sleep(EVERY).await;
        // One look takes all timers at once but leases and offers; those only when they have had their grace.
        let found = match hub.store().due_timers(true, 500).await {
            Ok(found) => found,
            Err(e) => {
                tracing::warn!(error = %e, "could not look for due timers");
                since = Instant::now();
                continue;
            }
        };
        if began.elapsed() > EVERY + ABSENCE {
            since = Instant::now();
        }
        let mut fired = Vec::new();
        for (room, space, timer, due) in found {
            if let Timer::Lease { .. } | Timer::Offer { .. } = timer {
                let state = hub.state(room).await.ok();
                let process = state.and_then(|state| state.process);
                let timeouts = process.map(|p| p.process.configuration.timeout_settings.clone());
                let length = timeouts.map(|given| match timer {
                    Timer::Offer { .. } => given.offer_ms,
                    _ => given.lease_ms,
                });
                if since.elapsed() < length.map_or(GRACE, Duration::from_millis) {
                    continue;
                }
            }
            let Some(begun) = firing.begin((room, timer.key())) else {
                continue;
            };
            let wakes = matches!(timer, Timer::Reoffer { .. });
            let hub = Arc::clone(&hub);
            fired.push(tokio::spawn(async move {
                let _begun = begun;
                let system = Principal::system(space);
                if !outbound(&hub, &system, room, &timer).await {
                    return;
                }
                let result = hub
                    .execute(&system, room, Command::Timer { timer, due }, None, None)
                    .await;
                if let Err(refusal) = result
                    && refusal.code != rooms::Code::IllegalTransition
                {
                    tracing::warn!(%refusal, "a timer could not fire");
                }
                if wakes {
                    hub.work.notify_one();
                }
            }));
        }
        let _ = tokio::time::timeout(FIRED, futures::future::join_all(fired)).await;
    }
}

/// Brings what a timer asks of another room there. Whether its own row may go now: not while the other room could not be asked.
async fn outbound(hub: &Hub, system: &Principal, room: RoomId, timer: &Timer) -> bool {
    if !timer.is_outbound() {
        return true;
    }
    let Ok(state) = hub.state(room).await else {
        return false;
    };
    let Some(asked) = rooms::decide::outbound(&state, timer) else {
        return true;
    };
    let result = hub
        .execute(system, asked.room, asked.command, None, None)
        .await;
    let Err(refusal) = result else { return true };
    if matches!(
        refusal.code,
        rooms::Code::Unavailable | rooms::Code::Internal | rooms::Code::RateLimited
    ) {
        return false;
    }
    match rooms::decide::refused(timer, &refusal) {
        Some(told) => {
            let told = hub.execute(system, room, told, None, None).await;
            told.is_ok_and(|_| true)
                || hub
                    .state(room)
                    .await
                    .is_ok_and(|s| rooms::decide::outbound(&s, timer).is_none())
        }
        None => true,
    }
}
