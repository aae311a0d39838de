//! The database's clock between two looks at it. It goes on by this machine's monotonic clock, so a wrong time of day here hurts nobody.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rooms::Timestamp;

/// A look that is older than this tells nothing.
const FRESH: Duration = Duration::from_secs(5);

/// The last look at the database's clock.
#[derive(Default)]
pub struct Clock(Mutex<Option<(Instant, Timestamp)>>);

fn later(then: (Instant, Timestamp)) -> Timestamp {
    let micros = i64::try_from(then.0.elapsed().as_micros()).unwrap_or(i64::MAX);
    Timestamp(then.1.0.saturating_add(micros))
}

impl Clock {
    /// The database has just said that it is this late. An answer that was long on its way would set the clock back: it counts only when what is
    /// known is no longer fresh.
    pub fn note(&self, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|then| then.0.elapsed() > FRESH || later(then) < now) {
            *known = Some((Instant::now(), now));
        }
    }

    /// The time by the database's clock, if it was looked at of late.
    pub fn now(&self) -> Option<Timestamp> {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.filter(|then| then.0.elapsed() <= FRESH).map(later)
    }
}
