//! How fast one key may ask, over HTTP and sockets together.
//!
//! Both transports ask [`Rate::admit`] for each request and each command, before anything else is done for it. What is counted is the key,
//! whoever uses it and over however many connections; each node counts for itself.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use rooms::{Code, Refusal};
use serde_json::json;

/// The limits of the keys that are in use.
pub struct Rate(Option<Limits>);

struct Limits {
    of: DefaultKeyedRateLimiter<String>,
    per_second: NonZeroU32,
}

impl Rate {
    /// So many requests per second for each key, and so many at once by one that was silent before. A rate of 0 is any number.
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self(NonZeroU32::new(per_second).map(|per_second| {
            let burst = NonZeroU32::new(burst).unwrap_or(per_second);
            Limits {
                of: RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)),
                per_second,
            }
        }))
    }

    /// Counts one request of the key with this id, or refuses it and says when to try again.
    pub fn admit(&self, key: &str) -> Result<(), Refusal> {
        let Some(limits) = &self.0 else { return Ok(()) };
        let Err(until) = limits.of.check_key(&key.to_owned()) else {
            return Ok(());
        };
        metrics::counter!("baton_rate_limited_total").increment(1);
        let wait = until.wait_time_from(DefaultClock::default().now());
        Err(refusal(limits.per_second, wait))
    }

    /// Forgets the keys that have not been used for so long that all of their burst is theirs again.
    pub fn forget_idle(&self) {
        if let Some(limits) = &self.0 {
            limits.of.retain_recent();
            limits.of.shrink_to_fit();
        }
    }
}

fn refusal(per_second: NonZeroU32, wait: Duration) -> Refusal {
    // Rounded up: whoever waits so long is let in.
    let wait = wait.as_micros().div_ceil(1_000).max(1);
    let detail =
        format!("this key may send {per_second} requests per second; try again in {wait} ms");
    Refusal::new(Code::RateLimited, detail).with_context(json!({"retryAfterMs": wait}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_burst_and_others_have_theirs() {
        let rate = Rate::new(1, 3);
        for _ in 0..3 {
            assert!(rate.admit("one").is_ok());
        }
        let refused = rate.admit("one").unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        let wait = refused.context.unwrap()["retryAfterMs"].as_u64().unwrap();
        assert!((1..=1_000).contains(&wait), "{wait}");
        assert!(rate.admit("another").is_ok());
        rate.forget_idle();
        assert!(rate.admit("one").is_err(), "a key in use is not forgotten");
    }

    #[test]
    fn no_rate_is_no_limit() {
        let rate = Rate::new(0, 0);
        assert!((0..100_000).all(|_| rate.admit("one").is_ok()));
    }
}
