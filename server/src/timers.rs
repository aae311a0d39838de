//! Timers: rows that are due become commands. Any node may fire one, because `decide` checks again what it meant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rooms::command::Timer;
use rooms::id::RoomId;
use rooms::model::access::Principal;
use rooms::{Command, Timestamp};
use storage::timers::DueTimer;

use crate::hub::Hub;
use crate::under_way::UnderWay;

/// How often due timers are looked for.
const EVERY: Duration = Duration::from_millis(100);

/// A timer that takes longer waits for a lock that somebody else holds. It is left to itself, and the others are looked for again.
const FIRED: Duration = Duration::from_secs(1);

/// A look that takes so much longer than it should was an absence, and not a busy moment: the database hung, or this process stood still.
const ABSENCE: Duration = Duration::from_secs(3);

/// How long an agent may hold something where that cannot be read.
const UNKNOWN: Duration = Duration::from_secs(30);

/// At most so many are taken at once.
const AT_ONCE: u64 = 500;

/// Leases, offers and pending handoffs are spared for a while after the start and after an outage of the database or of this process, so that the hub's own absence costs
/// no agent its work: what ran out meanwhile gets its full length from then on.
#[derive(Debug)]
struct Grace {
    /// The end of the absence.
    since: Instant,
    /// Those that were due up to then have been looked at: however many are spared, they are not read again at every look, and others are behind them.
    seen: Timestamp,
    /// When the first of them is no longer spared, and all are looked at again.
    until: Option<Instant>,
}

impl Grace {
    fn since(since: Instant) -> Self {
        Self {
            since,
            seen: Timestamp(i64::MIN),
            until: None,
        }
    }

    /// From when on those that are due have to be looked at.
    fn after(&mut self, now: Instant) -> Timestamp {
        if self.until.is_some_and(|until| until <= now) {
            *self = Self::since(self.since);
        }
        self.seen
    }

    /// Whether one of this length is spared.
    fn spares(&mut self, due: Timestamp, length: Duration, now: Instant) -> bool {
        let end = self.since + length;
        let spared = now < end;
        if spared {
            self.seen = self.seen.max(due);
            self.until = Some(self.until.map_or(end, |until| until.min(end)));
        }
        spared
    }
}

/// How long an agent may hold, or think about, what this timer is for.
async fn length(hub: &Hub, room: RoomId, timer: &Timer) -> Duration {
    let state = hub.state(room).await.ok();
    let process = state.and_then(|state| state.process);
    let given = process.map(|p| {
        let timeouts = &p.process.configuration.timeout_settings;
        Duration::from_millis(match timer {
            Timer::Offer { .. } => timeouts.offer_ms,
            Timer::Handoff { .. } => timeouts.handoff_timeout,
            _ => timeouts.lease_ms,
        })
    });
    given.unwrap_or(UNKNOWN)
}

/// All that is due and is to fire now. The look for it began then.
async fn due(
    hub: &Hub,
    grace: &mut Grace,
    began: Instant,
) -> Result<Vec<DueTimer>, storage::Error> {
    let after = grace.after(Instant::now());
    let found = hub.store().due_timers(after, AT_ONCE).await?;
    if began.elapsed() > EVERY + ABSENCE {
        *grace = Grace::since(Instant::now());
    }
    let mut fired = Vec::with_capacity(found.len());
    for timer in found {
        let spared = match timer.timer {
            Timer::Lease { .. } | Timer::Offer { .. } | Timer::Handoff { .. } => {
                let length = length(hub, timer.room, &timer.timer).await;
                grace.spares(timer.due, length, Instant::now())
            }
            _ => false,
        };
        if !spared {
            fired.push(timer);
        }
    }
    Ok(fired)
}

/// Runs until the process ends.
pub async fn run(hub: Arc<Hub>) {
    let mut grace = Grace::since(Instant::now());
    let firing = UnderWay::default();
    loop {
        let began = Instant::now();
        tokio::time::sleep(EVERY).await;
        let found = match due(&hub, &mut grace, began).await {
            Ok(found) => found,
            Err(e) => {
                tracing::warn!(error = %e, "could not look for due timers");
                grace = Grace::since(Instant::now());
                continue;
            }
        };
        let mut fired = Vec::new();
        for DueTimer {
            room,
            workspace,
            timer,
            due,
        } in found
        {
            let Some(begun) = firing.begin((room, timer.key())) else {
                continue;
            };
            let wakes = matches!(timer, Timer::Reoffer { .. });
            let hub = Arc::clone(&hub);
            fired.push(tokio::spawn(async move {
                let _begun = begun;
                let system = Principal::system(workspace);
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_ran_out_while_the_hub_was_away_gets_its_full_length() {
        let since = Instant::now();
        let mut grace = Grace::since(since);
        assert!(grace.spares(Timestamp(1), SECOND * 2, since + SECOND));
        assert!(!grace.spares(Timestamp(1), SECOND * 2, since + SECOND * 2));
    }

    #[test]
    fn what_is_spared_is_not_looked_at_again_before_its_time() {
        let since = Instant::now();
        let mut grace = Grace::since(since);
        let all = grace.after(since);
        assert!(all < Timestamp(0));
        // However many there are: the next look goes on behind them.
        assert!(grace.spares(Timestamp(7), SECOND * 9, since));
        assert!(grace.spares(Timestamp(8), SECOND * 5, since));
        assert!(!grace.spares(Timestamp(9), Duration::ZERO, since));
        assert_eq!(grace.after(since + SECOND * 4), Timestamp(8));
        // The shorter one has had its time, the other has not: both are looked at.
        let now = since + SECOND * 5;
        assert_eq!(grace.after(now), all);
        assert!(grace.spares(Timestamp(7), SECOND * 9, now));
        assert!(!grace.spares(Timestamp(8), SECOND * 5, now));
        assert_eq!(grace.after(since + SECOND * 8), Timestamp(7));
        assert_eq!(grace.after(since + SECOND * 9), all);
    }
}
