//! How long to wait before the next attempt to connect.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Exponential, and jittered so that the clients of a server that restarts do not all come back at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    /// What the server asked for (`server.draining`), good for one wait.
    asked: Option<Duration>,
}

impl Backoff {
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn ask(&mut self, wait: Duration) {
        self.asked = Some(wait.min(LONGEST));
    }

    /// The next wait; `random` is uniform over `u32`.
    pub(super) fn next(&mut self, random: u32) -> Duration {
        let ceiling = FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let share = f64::from(random) / f64::from(u32::MAX);
        self.asked.take().unwrap_or_default() + ceiling.mul_f64(0.5 + share / 2.0)
    }
}

/// A random number for the jitter; without a source of randomness there is none, which is harmless.
pub(super) fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_jittered_down_to_a_half() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(u32::MAX), FIRST);
        assert_eq!(backoff.next(u32::MAX), FIRST * 2);
        assert_eq!(backoff.next(0), FIRST * 2);
        for _ in 0..100 {
            backoff.next(0);
        }
        assert_eq!(backoff.next(u32::MAX), LONGEST);
        backoff.reset();
        assert_eq!(backoff.next(0), FIRST / 2);
    }

    #[test]
    fn a_draining_server_is_given_the_time_it_asks_for_once() {
        let mut backoff = Backoff::default();
        backoff.ask(Duration::from_millis(700));
        assert_eq!(backoff.next(u32::MAX), Duration::from_millis(800));
        assert_eq!(backoff.next(u32::MAX), FIRST * 2);
    }
}
