//! Stale-while-revalidate: an entry of the cache that is past its age, and that nothing has
//! invalidated, is shown to an EVENTUAL read for a while longer, marked as stale, and is read anew
//! once the operation has its answer.
//!
//! An entry is dropped as soon as its session changes, so its age only bounds what happens when
//! invalidations fail. It is never shown so to STRONG reads, nor to reads that must see a write. An
//! erasure drops it with its generation, and what is read anew is entered under that generation, so
//! it cannot come back.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::context::ReadContext;
use super::fill::{Pending, What};
use super::{BodyKind, BodyWant, Reads};
use crate::domain::{Consistency, SessionGraph, Timestamp, Uid};
use crate::stores::cache::{Generation, HotBodies, HotSession};

/// How an entry's age compares with what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It may be shown.
    Young,
    /// It may be shown if it is marked, while it is read anew.
    Stale,
    /// It may not be shown.
    Old,
}

/// Sessions that are being read anew.
#[derive(Debug, Default, Clone)]
pub(super) struct Renewals(Arc<Mutex<HashSet<Uid>>>);

/// The right to read a session anew: one holder at a time in this process.
#[derive(Debug)]
pub(super) struct Renewal {
    all: Renewals,
    uid: Uid,
}

/// An entry that is shown although it is past its age, to be read anew.
#[derive(Debug)]
pub(super) struct StaleEntry {
    renewal: Renewal,
    generation: Generation,
    hot: Arc<HotSession>,
}

impl Renewals {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashSet<Uid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None when somebody reads it anew already.
    pub(super) fn begin(&self, uid: &Uid) -> Option<Renewal> {
        self.locked().insert(uid.clone()).then(|| Renewal {
            all: self.clone(),
            uid: uid.clone(),
        })
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.all.locked().remove(&self.uid);
    }
}

impl Renewal {
    pub(super) fn of(self, hot: &Arc<HotSession>, generation: Generation) -> StaleEntry {
        StaleEntry {
            renewal: self,
            generation,
            hot: Arc::clone(hot),
        }
    }
}

impl Reads {
    /// How old an entry is beside what would be read in its place: while the projector stands
    /// still, reading anew gives nothing younger, and costs all the same.
    pub(super) fn age_of(&self, hot: &HotSession) -> Age {
        let told = self.progress.known().map(|watermark| watermark.as_of);
        let newest = match (&self.stores.projection, told) {
            (Some(_), Some(as_of)) => as_of,
            _ => self.clock.now(),
        };
        let (young, stale) = (self.settings.hot_age_max, self.settings.stale_max);
        age(hot.as_of, newest, (young, stale))
    }

    /// Reads anew what an operation was shown past its age.
    pub(super) async fn renew(&self, account: &Uid, stale: StaleEntry) {
        let ctx = ReadContext::new(account.clone(), Consistency::Eventual);
        let uid = stale.renewal.uid.clone();
        let pending = Pending {
            generation: stale.generation,
            what: What::Missed,
        };
        ctx.notes().fills.insert(uid.clone(), pending);
        if let Some(graph) = self.load_past_cache(&ctx, &uid).await {
            let wants = wants(&uid, &graph, &stale.hot);
            self.bodies(&ctx, &wants).await;
        }
        let fills = std::mem::take(&mut ctx.notes().fills);
        self.fill(fills.into_iter().collect()).await;
    }
}

fn age(as_of: Timestamp, newest: Timestamp, (young, stale): (Duration, Duration)) -> Age {
    let age = Duration::from_micros(u64::try_from(newest.0.saturating_sub(as_of.0)).unwrap_or(0));
    if age <= young {
        Age::Young
    } else if age <= young.saturating_add(stale) {
        Age::Stale
    } else {
        Age::Old
    }
}

/// The bodies that the old entry had, of the turns that there still are.
fn wants(uid: &Uid, graph: &SessionGraph, hot: &HotSession) -> Vec<BodyWant> {
    let want = |turn: &crate::domain::TurnRow| {
        let kind = match hot.bodies.get(&turn.seq)? {
            HotBodies::Prompt(_) => BodyKind::Prompt,
            HotBodies::Steps(_) => BodyKind::Steps,
        };
        Some(BodyWant {
            session_uid: uid.clone(),
            seq: turn.seq,
            turn_uid: turn.uid.clone(),
            kind,
        })
    };
    graph.turns().iter().filter_map(want).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_bounds_and_clocks_that_differ_are_borne() {
        let bounds = (Duration::from_micros(10), Duration::from_micros(5));
        for (as_of, wanted) in [
            (100, Age::Young),
            (90, Age::Young),
            (89, Age::Stale),
            (85, Age::Stale),
            (84, Age::Old),
            (200, Age::Young),
            (i64::MIN, Age::Old),
        ] {
            let found = age(Timestamp(as_of), Timestamp(100), bounds);
            assert_eq!(found, wanted, "{as_of}");
        }
    }

    #[test]
    fn one_at_a_time_reads_a_session_anew() {
        let (renewals, uid) = (Renewals::default(), Uid::stored("s"));
        let first = renewals.begin(&uid).unwrap();
        assert!(renewals.begin(&uid).is_none());
        assert!(renewals.begin(&Uid::stored("t")).is_some());
        drop(first);
        assert!(renewals.begin(&uid).is_some());
    }
}
