//! Settings of the router. Those that an operator changes while it runs are atomic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use super::guard::breaker::BreakerPolicy;
use crate::domain::Uid;

/// Settings that stay as they are.
#[derive(Debug, Clone)]
pub struct ReadSettings {
    /// When a store is taken as gone.
    pub breaker: BreakerPolicy,
    /// Reads at once of the record store that a projection would have answered, at most.
    pub fallbacks: usize,
    /// More of them that may wait.
    pub fallbacks_waiting: usize,
    /// Reads at once for ANALYTICS.
    pub analytics: usize,
    /// More of them that may wait.
    pub analytics_waiting: usize,
    /// A cache entry that is older than this is read anew before it is shown, with two exceptions:
    /// within `stale_max` it is shown meanwhile, and age does not count for as long as reading anew
    /// would give nothing younger.
    pub hot_age_max: Duration,
    /// How much older than `hot_age_max` an entry may be that an EVENTUAL read is shown, marked as
    /// stale, while it is read anew; zero shows none.
    pub stale_max: Duration,
    /// Content bytes of one session that are put into the cache, at most.
    pub hot_bytes_max: usize,
    /// A shadow read that differs is looked at once more after this.
    pub shadow_recheck: Duration,
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            breaker: BreakerPolicy::default(),
            fallbacks: 32,
            fallbacks_waiting: 256,
            analytics: 4,
            analytics_waiting: 16,
            hot_age_max: Duration::from_secs(3_600),
            stale_max: Duration::from_secs(600),
            hot_bytes_max: 512 * 1024,
            shadow_recheck: Duration::from_secs(5),
        }
    }
}

/// Settings that may be changed at any time; clones change the same ones.
#[derive(Debug, Clone)]
pub struct RouteHandle(Arc<Live>);

#[derive(Debug)]
struct Live {
    cql_share: AtomicU8,
    /// In parts of a million.
    shadow: AtomicU32,
}

impl Default for RouteHandle {
    /// Everything from projections, nothing compared.
    fn default() -> Self {
        Self(Arc::new(Live {
            cql_share: AtomicU8::new(100),
            shadow: AtomicU32::new(0),
        }))
    }
}

impl RouteHandle {
    /// Share of sessions whose EVENTUAL reads go to the projections, in per cent.
    pub fn cql_share(&self) -> u8 {
        self.0.cql_share.load(Ordering::Relaxed)
    }

    /// Sets that share; above 100 is 100.
    pub fn set_cql_share(&self, per_cent: u8) {
        self.0.cql_share.store(per_cent.min(100), Ordering::Relaxed);
    }

    /// Share of projected answers that are compared with the record store, in per cent.
    pub fn shadow_share(&self) -> f64 {
        f64::from(self.0.shadow.load(Ordering::Relaxed)) / 10_000.0
    }

    /// Sets that share; not a number is 0.
    pub fn set_shadow_share(&self, per_cent: f64) {
        let parts = (per_cent.clamp(0.0, 100.0) * 10_000.0) as u32;
        self.0.shadow.store(parts, Ordering::Relaxed);
    }

    /// Whether this key (of a session, or for lists of an account) is read from projections. The
    /// same key always falls on the same side of the same share, so that nothing flaps.
    pub(super) fn projects(&self, key: &Uid) -> bool {
        hash(key) % 100 < u64::from(self.cql_share())
    }

    /// Whether the `n`-th answer is compared.
    pub(super) fn samples(&self, n: u64) -> bool {
        // Spread evenly: the fractional part of n times the golden ratio.
        let place = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        (place * 1_000_000) >> 32 < u64::from(self.0.shadow.load(Ordering::Relaxed))
    }
}

/// FNV-1a, then mixed: the low digits of keys made in a row must not follow each other.
fn hash(key: &Uid) -> u64 {
    let hash = key
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept_and_a_key_that_was_in_stays_in() {
        let route = RouteHandle::default();
        let keys: Vec<Uid> = (0..10_000).map(|n| Uid::stored(format!("s{n}"))).collect();
        let mut before = 0;
        for share in [0, 1, 10, 50, 99, 100] {
            route.set_cql_share(share);
            let inside: Vec<&Uid> = keys.iter().filter(|key| route.projects(key)).collect();
            let wanted = usize::from(share) * 100;
            assert!(
                inside.len().abs_diff(wanted) < 200,
                "{share}: {}",
                inside.len()
            );
            route.set_cql_share(before);
            let stays = keys.iter().filter(|key| route.projects(key));
            assert!(stays.into_iter().all(|key| inside.contains(&key)));
            before = share;
        }
    }

    #[test]
    fn samples_are_as_many_as_asked_for() {
        let route = RouteHandle::default();
        for share in [0.0, 0.1, 1.0, 50.0, 100.0] {
            route.set_shadow_share(share);
            let taken = (0..100_000).filter(|n| route.samples(*n)).count();
            let wanted = (share * 1_000.0) as usize;
            assert!(taken.abs_diff(wanted) <= 2, "{share}: {taken}");
        }
    }
}
