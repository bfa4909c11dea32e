//! Shadow reads: a sample of the answers that copies gave is compared with the record store
//! afterwards, so that it is known, and not hoped, that they are right.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Reads;
use super::context::{Origin, ReadContext, Route};
use super::router::{Loaded, Want};
use crate::domain::{Consistency, Timestamp, Uid};

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShadowCounts {
    /// The copy was as the record.
    pub identical: u64,
    /// What differed was written after the time that the copy said it was of.
    pub stale: u64,
    /// The copy differed from the record in what it should have had, twice.
    pub wrong: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    identical: AtomicU64,
    stale: AtomicU64,
    wrong: AtomicU64,
}

impl Counters {
    pub(super) fn counts(&self) -> ShadowCounts {
        ShadowCounts {
            identical: self.identical.load(Ordering::Relaxed),
            stale: self.stale.load(Ordering::Relaxed),
            wrong: self.wrong.load(Ordering::Relaxed),
        }
    }

    fn count(&self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Identical => &self.identical,
            Verdict::Stale => &self.stale,
            Verdict::Wrong => &self.wrong,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Identical,
    Stale,
    Wrong,
}

/// Rows of a session with their versions, the session's own first.
fn versions(loaded: &Loaded) -> Vec<(Uid, i64)> {
    let own = (loaded.row.uid.clone(), loaded.row.rev);
    let turns = loaded.graph.iter().flat_map(|graph| graph.turns());
    let turns = turns.map(|turn| (turn.uid.clone(), turn.rev));
    let mut all: Vec<_> = std::iter::once(own).chain(turns).collect();
    all.sort();
    all
}

/// Compares a copy with the record as it was read after it. A version is the time of its writing,
/// so what the copy lacks may be younger than the copy.
fn verdict(copy: &[(Uid, i64)], record: &[(Uid, i64)], as_of: Option<Timestamp>) -> Verdict {
    if copy == record {
        return Verdict::Identical;
    }
    let young = |rev: i64| as_of.is_none_or(|at| rev > at.0);
    let of = |rows: &[(Uid, i64)], uid: &Uid| {
        rows.binary_search_by(|(known, _)| known.cmp(uid))
            .ok()
            .map(|place| rows[place].1)
    };
    let behind = record.iter().all(|(uid, rev)| match of(copy, uid) {
        Some(copied) => copied == *rev || (copied < *rev && young(*rev)),
        None => young(*rev),
    });
    // Nothing may be in a copy that is not in the record.
    let known = copy.iter().all(|(uid, _)| of(record, uid).is_some());
    if behind && known {
        Verdict::Stale
    } else {
        Verdict::Wrong
    }
}

impl Reads {
    /// Sessions of an operation that a copy answered and that are to be compared.
    pub(super) fn sample(&self, ctx: &ReadContext) -> Vec<(Uid, Origin)> {
        if self.route.shadow_share() <= 0.0 || ctx.consistency() != Consistency::Eventual {
            return Vec::new();
        }
        let notes = ctx.notes();
        let copied = notes.routes.iter().filter_map(|(uid, route)| match route {
            Route::Hot(_, origin) | Route::Projection(origin) => Some((uid.clone(), *origin)),
            Route::Record => None,
        });
        let sampled = |_: &(Uid, Origin)| {
            let n = self.answers.fetch_add(1, Ordering::Relaxed);
            self.route.samples(n)
        };
        copied.filter(sampled).collect()
    }

    /// Reads a session again both ways, and once more later where they differ in what they should
    /// not: a transaction may have been under way.
    pub(super) async fn compare(&self, account: &Uid, uid: &Uid, origin: Origin) {
        let mut last = None;
        for wait in [None, Some(self.settings.shadow_recheck)] {
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
            let Some(found) = self.compare_once(account, uid).await else {
                return;
            };
            last = Some(found);
            if found != Verdict::Wrong {
                break;
            }
        }
        let Some(found) = last else { return };
        if found == Verdict::Wrong {
            tracing::error!(session = %uid, source = origin.source.name(), "a copy is wrong");
        }
        self.shadow.count(found);
    }

    /// None where there is nothing to compare: a store is down, or no copy has the session.
    async fn compare_once(&self, account: &Uid, uid: &Uid) -> Option<Verdict> {
        let uids = std::slice::from_ref(uid);
        let eventual = ReadContext::new(account.clone(), Consistency::Eventual);
        let copy = self.load(&eventual, uids, Want::Graph).await;
        let copy = copy.get(uid)?.as_ref().ok()?;
        if copy.origin.source == self.stores.record.kind() {
            return None;
        }
        let strong = ReadContext::new(account.clone(), Consistency::Strong);
        let record = self.recorded(&strong, uids, Want::Graph).await.ok()?;
        let record = record.get(uid).map(versions).unwrap_or_default();
        Some(verdict(&versions(copy), &record, copy.origin.as_of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn younger_is_stale_and_anything_else_that_differs_is_wrong() {
        let rows = |rows: &[(&str, i64)]| -> Vec<(Uid, i64)> {
            rows.iter()
                .map(|(uid, rev)| (Uid::stored(*uid), *rev))
                .collect()
        };
        let record = rows(&[("a", 5), ("b", 20)]);
        for (copy, wanted) in [
            (rows(&[("a", 5), ("b", 20)]), Verdict::Identical),
            (rows(&[("a", 5), ("b", 9)]), Verdict::Stale),
            (rows(&[("a", 5)]), Verdict::Stale),
            (rows(&[("b", 20)]), Verdict::Wrong),
            (rows(&[("a", 4), ("b", 20)]), Verdict::Wrong),
            (rows(&[("a", 6), ("b", 20)]), Verdict::Wrong),
            (rows(&[("a", 5), ("b", 20), ("c", 1)]), Verdict::Wrong),
        ] {
            let found = verdict(&copy, &record, Some(Timestamp(10)));
            assert_eq!(found, wanted, "{copy:?}");
        }
    }
}
