//! The database's clock between two looks at it. It goes on by this machine's monotonic clock, so a wrong time of day here hurts nobody.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rooms::Timestamp;
use uuid::{ContextV7, Uuid};

/// A look that is older than this tells nothing.
const FRESH: Duration = Duration::from_secs(5);

/// The last look at the database's clock.
#[derive(Default)]
pub struct Clock {
    known: Mutex<Option<(Instant, Timestamp)>>,
    /// Ids that are made within one moment keep their order.
    ids: Mutex<ContextV7>,
}

fn later(then: (Instant, Timestamp)) -> Timestamp {
    let micros = i64::try_from(then.0.elapsed().as_micros()).unwrap_or(i64::MAX);
    Timestamp(then.1.0.saturating_add(micros))
}

impl Clock {
    /// The database has just said that it is this late. An answer that was long on its way would set the clock back: it counts only when what is
    /// known is no longer fresh.
    pub fn note(&self, now: Timestamp) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|then| then.0.elapsed() > FRESH || later(then) < now) {
            *known = Some((Instant::now(), now));
        }
    }

    /// The time by the database's clock, if it was looked at of late.
    pub fn now(&self) -> Option<Timestamp> {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.filter(|then| then.0.elapsed() <= FRESH).map(later)
    }

    /// A UUIDv7 of a time by the database's clock: what nodes make sorts by when it was made, whatever their own clocks say.
    pub fn id(&self, now: Timestamp) -> Uuid {
        let micros = u64::try_from(now.0).unwrap_or(0);
        let nanos = u32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
        let at = uuid::Timestamp::from_unix(&self.ids, micros / 1_000_000, nanos);
        Uuid::new_v7(at)
    }
}
