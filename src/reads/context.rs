//! `ReadContext`: whose read it is, how fresh it must be, until when, and what was noted on the
//! way: where sessions came from, what was amiss, what may be entered into the cache afterwards.
//!
//! One context lives as long as one operation, so that its reads agree with each other: bodies
//! come from where the graph came from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::fill::Pending;
use super::renew::StaleEntry;
use super::watermark::WAIT_MAX;
use crate::domain::{Consistency, Revision, Timestamp, Uid};
use crate::stores::StoreKind;
use crate::stores::cache::HotSession;

/// Time for all reads of one operation, unless said otherwise.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Where a part of an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The store that answered.
    pub source: StoreKind,
    /// The part shows everything that was committed until then; none where that is not known.
    pub as_of: Option<Timestamp>,
    /// How long before the read that was, in milliseconds.
    pub lag_ms: Option<i64>,
    /// It is a cache entry past its age, shown while it is being read anew.
    pub stale: bool,
}

impl Origin {
    pub(super) fn new(source: StoreKind, as_of: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            source,
            as_of,
            // A copy can be no newer than now; the clocks of two machines may say so.
            lag_ms: as_of.map(|at| ((now.0 - at.0) / 1_000).max(0)),
            stale: false,
        }
    }

    /// Whether it came from a cache.
    pub fn is_cache(&self) -> bool {
        matches!(self.source, StoreKind::Redis | StoreKind::Memory)
    }
}

/// Which way a session took, so that its bodies take the same.
#[derive(Debug, Clone)]
pub(super) enum Route {
    /// From the cache, with the bodies that were there.
    Hot(Arc<HotSession>, Origin),
    /// From the projection store.
    Projection(Origin),
    /// From the record store.
    Record,
}

/// How the cache served an operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Sessions that were there.
    pub hits: u32,
    /// Sessions that were not.
    pub misses: u32,
    /// Of those that were there the ones past their age.
    pub stale: u32,
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) routes: HashMap<Uid, Route>,
    pub(super) fills: HashMap<Uid, Pending>,
    /// Entries past their age that this operation shows, and reads anew when it ends.
    pub(super) stale: Vec<StaleEntry>,
    reasons: Vec<String>,
    cache: CacheUse,
    /// Left of the time for which the operation waits for projections.
    patience: Option<Duration>,
}

/// The reads of one operation.
#[derive(Debug, Clone)]
pub struct ReadContext {
    account: Uid,
    consistency: Consistency,
    at_least: Arc<[Revision]>,
    deadline: Instant,
    notes: Arc<Mutex<Notes>>,
}

impl ReadContext {
    /// Reads of `account`, to be done within [`DEADLINE`] from now.
    pub fn new(account: Uid, consistency: Consistency) -> Self {
        Self {
            account,
            consistency,
            at_least: Arc::new([]),
            deadline: Instant::now() + DEADLINE,
            notes: Arc::default(),
        }
    }

    /// Reads that show at least these writes.
    pub fn at_least(self, revisions: Vec<Revision>) -> Self {
        Self {
            at_least: revisions.into(),
            ..self
        }
    }

    /// Reads that must be done within a time from now.
    pub fn within(self, time: Duration) -> Self {
        Self {
            deadline: Instant::now() + time,
            ..self
        }
    }

    /// Whose reads.
    pub fn account(&self) -> &Uid {
        &self.account
    }

    /// How fresh they must be.
    pub fn consistency(&self) -> Consistency {
        self.consistency
    }

    /// What was amiss so far, in words for the client: why an answer did not come from where it
    /// should have, or how old it is that nobody knows. Empty when all was well.
    pub fn reasons(&self) -> Vec<String> {
        self.notes().reasons.clone()
    }

    /// How the cache served so far.
    pub fn cache_use(&self) -> CacheUse {
        self.notes().cache
    }

    pub(super) fn revisions(&self) -> &[Revision] {
        &self.at_least
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The same operation with half of the time that is left.
    pub(super) fn hurried(&self) -> Self {
        self.clone().within(self.left() / 2)
    }

    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("notes are taken without panic")
    }

    /// Notes that something is amiss; the same thing once.
    pub(super) fn degraded(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let mut notes = self.notes();
        if !notes.reasons.contains(&reason) {
            super::guard::meter::degraded(&reason);
            notes.reasons.push(reason);
        }
    }

    /// Notes that one of the sessions that were in the cache was past its age.
    pub(super) fn count_stale(&self) {
        let mut notes = self.notes();
        notes.cache.stale = notes.cache.stale.saturating_add(1);
    }

    pub(super) fn count_cache(&self, hits: usize, misses: usize) {
        super::guard::meter::looked_up(hits, misses);
        let mut notes = self.notes();
        let more = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        notes.cache.hits = notes.cache.hits.saturating_add(more(hits));
        notes.cache.misses = notes.cache.misses.saturating_add(more(misses));
    }

    /// Takes what is left of the operation's patience with projections that lag behind.
    pub(super) fn take_patience(&self) -> Duration {
        let mut notes = self.notes();
        notes.patience.replace(Duration::ZERO).unwrap_or(WAIT_MAX)
    }
}
