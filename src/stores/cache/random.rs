//! `Random`: generations, jitter of lifetimes, from a seed that the composition root gives.
//!
//! Not for secrets. Two caches must have different seeds, or they would give the same generations.

use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use crate::domain::UidSource;

/// SplitMix64: a full period, no state but a counter, so that threads share it without a lock.
#[derive(Debug)]
pub struct Random(AtomicU64);

impl Random {
    /// Seeded by a fresh key, which no other process has.
    pub fn fresh(uids: &dyn UidSource) -> Self {
        Self::seeded(xxh3_64(uids.next().as_str().as_bytes()))
    }

    /// The same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Any number.
    pub fn number(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&self, end: u64) -> u64 {
        self.number() % end
    }

    /// A tenth less to a tenth more than `lifetime`, so that what was filled together does not
    /// end together.
    pub fn jittered(&self, lifetime: std::time::Duration) -> std::time::Duration {
        lifetime * 9 / 10 + lifetime / 5 * self.below(1_000) as u32 / 1_000
    }
}
