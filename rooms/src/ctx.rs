//! What a decision needs from the world: the time, the caller, fresh ids and randomness, and [`Facts`].

use std::cell::Cell;

use uuid::Uuid;

use crate::model::access::{Actor, Principal};
use crate::{Facts, Timestamp};

/// The context of one decision. The same context gives the same decision: ids and random numbers are derived from `seed`.
pub struct Ctx<'a> {
    /// Now, by the database's clock, read once in the transaction.
    pub now: Timestamp,
    /// Who asks.
    pub principal: &'a Principal,
    /// What other rooms know, read in the same transaction.
    pub facts: &'a Facts,
    seed: u64,
    drawn: Cell<u64>,
}

impl<'a> Ctx<'a> {
    /// A context whose ids and random numbers follow from `seed`.
    pub fn new(now: Timestamp, principal: &'a Principal, facts: &'a Facts, seed: u64) -> Self {
        Self {
            now,
            principal,
            facts,
            seed,
            drawn: Cell::new(0),
        }
    }

    /// The caller, as events name it.
    pub fn actor(&self) -> Actor {
        self.principal.actor()
    }

    /// The next random number (SplitMix64 over the seed).
    pub fn random(&self) -> u64 {
        let n = self.drawn.get().wrapping_add(1);
        self.drawn.set(n);
        let mut z = self
            .seed
            .wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A fresh UUIDv7 of this moment. The 12 bits after the milliseconds hold the microseconds, so that ids of
    /// one clock sort by time.
    pub fn id<T: From<Uuid>>(&self) -> T {
        T::from(uuid_v7(self.now, self.random(), self.random()))
    }
}

/// A UUIDv7 (RFC 9562, 5.7) from a time and 128 random bits, of which 64 are used.
pub fn uuid_v7(now: Timestamp, a: u64, b: u64) -> Uuid {
    let micros = u64::try_from(now.0).unwrap_or(0);
    let (ms, us) = (micros / 1000, micros % 1000);
    let high = (ms << 16) | 0x7000 | (us << 2) | (a & 0b11);
    let low = (b & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000;
    Uuid::from_u64_pair(high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let early = uuid_v7(Timestamp(1_700_000_000_000_001), 1, 99);
        let late = uuid_v7(Timestamp(1_700_000_000_000_002), 0, 1);
        assert_eq!(early.get_version_num(), 7);
        assert!(early < late);
    }
}
