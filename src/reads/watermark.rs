//! How far the projections have come, as the projector says it in the cache or beside the
//! projections; and whether that reaches a revision.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::Stores;
use crate::domain::{Position, Revision, SessionRow, TurnRow, Uid, Watermark};

/// How often the projector says it, and so how often it is asked.
pub const PERIOD: Duration = Duration::from_millis(100);
/// What was heard longer ago than this is asked for again before it is used.
const FRESH: Duration = Duration::from_secs(1);
/// An operation waits for projections that lag behind its revision for this long at most.
pub(super) const WAIT_MAX: Duration = Duration::from_millis(50);
/// Between two questions while somebody waits.
const WAIT_STEP: Duration = Duration::from_millis(10);
/// A store that says nothing for this long is not waited for: the watermark stays as it was, so
/// lag is told too high and never too low.
const ANSWER_MAX: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Progress {
    heard: Mutex<Heard>,
    /// One question at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default, Clone)]
struct Heard {
    watermark: Option<Arc<Watermark>>,
    /// What the cache said, of its own entries.
    by_cache: Option<Arc<Watermark>>,
    at: Option<Instant>,
    quarantined: Arc<HashSet<Uid>>,
}

impl Progress {
    fn heard(&self) -> Heard {
        self.heard.lock().expect("it is only copied").clone()
    }

    /// As it was last heard, without asking.
    pub(super) fn known(&self) -> Option<Arc<Watermark>> {
        self.heard().watermark
    }

    /// What the cache said of itself: whatever was changed up to there was dropped from it.
    pub(super) fn told_by_cache(&self) -> Option<Arc<Watermark>> {
        self.heard().by_cache
    }

    /// Sessions whose projections wait for their repair.
    pub(super) fn quarantined(&self) -> Arc<HashSet<Uid>> {
        self.heard().quarantined
    }

    /// As it was heard within a second; asks where it is longer ago.
    pub(super) async fn current(&self, stores: &Stores) -> Option<Arc<Watermark>> {
        let recent = |heard: &Heard| heard.at.is_some_and(|at| at.elapsed() < FRESH);
        let heard = self.heard();
        if recent(&heard) {
            return heard.watermark;
        }
        let _one = self.asking.lock().await;
        if !recent(&self.heard()) {
            self.ask(stores).await;
        }
        self.known()
    }

    /// Asks now, unless somebody just has: however many wait (a revision may name any place, and
    /// so be waited for in vain), the stores are asked no oftener for it.
    pub(super) async fn refresh(&self, stores: &Stores) {
        let _one = self.asking.lock().await;
        let just_asked = |at: Instant| at.elapsed() < WAIT_STEP / 2;
        if !self.heard().at.is_some_and(just_asked) {
            self.ask(stores).await;
        }
    }

    async fn ask(&self, stores: &Stores) {
        let deadline = Instant::now() + ANSWER_MAX;
        let (mut by_cache, mut told) = (None, None);
        let mut quarantined = Some(Vec::new());
        if let Some((cache, hop)) = &stores.cache {
            let said = hop.ask(deadline, cache.watermark()).await.ok().flatten();
            by_cache = said.map(Arc::new);
            told.clone_from(&by_cache);
        }
        if let Some((projection, hop)) = &stores.projection {
            if told.is_none() {
                let said = hop.ask(deadline, projection.watermark()).await.ok();
                told = said.flatten().map(Arc::new);
            }
            // Asked after: what could not be applied is marked before the watermark passes it.
            quarantined = hop.ask(deadline, projection.quarantined()).await.ok();
        }
        let mut heard = self.heard.lock().expect("it is only copied");
        heard.at = Some(Instant::now());
        // A watermark without the sessions that it does not hold for would promise too much.
        let Some(quarantined) = quarantined else {
            return;
        };
        heard.quarantined = Arc::new(quarantined.into_iter().collect());
        if by_cache.is_some() {
            heard.by_cache = by_cache;
        }
        if told.is_some() {
            heard.watermark = told;
        }
    }

    /// Waits until the projections have reached all of these, `patience` at most.
    pub(super) async fn wait(
        &self,
        stores: &Stores,
        revisions: &[Revision],
        patience: Duration,
    ) -> bool {
        let until = Instant::now() + patience;
        loop {
            self.refresh(stores).await;
            let known = self.known();
            if revisions.iter().all(|r| reaches(known.as_deref(), r)) {
                return true;
            }
            let possible = revisions.iter().all(|r| comparable(known.as_deref(), r));
            if !possible || Instant::now() + WAIT_STEP > until {
                return false;
            }
            tokio::time::sleep(WAIT_STEP).await;
        }
    }
}

fn comparable(watermark: Option<&Watermark>, revision: &Revision) -> bool {
    let position = revision.position.as_ref();
    let same = |(w, p): (&Watermark, &Position)| w.position.store == p.store;
    is_empty(revision) || watermark.zip(position).is_some_and(same)
}

fn is_empty(revision: &Revision) -> bool {
    revision.position.is_none() && revision.rows.is_empty()
}

/// Whether everything up to the revision's position is in the projections.
pub(super) fn reaches(watermark: Option<&Watermark>, revision: &Revision) -> bool {
    let Some(position) = &revision.position else {
        return is_empty(revision);
    };
    watermark
        .is_some_and(|w| w.position.store == position.store && w.position.value >= position.value)
}

/// Whether a copy of a session holds each row that the revision names at that version or newer.
pub(super) fn vouches(revision: &Revision, row: &SessionRow, turns: &[TurnRow]) -> bool {
    let holds = |(uid, rev): &(Uid, i64)| {
        (row.uid == *uid && row.rev >= *rev)
            || turns
                .iter()
                .any(|turn| turn.uid == *uid && turn.rev >= *rev)
    };
    !revision.rows.is_empty() && revision.rows.iter().all(holds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn position(store: &str, value: u64) -> Position {
        Position {
            store: store.into(),
            value,
        }
    }

    #[test]
    fn a_watermark_reaches_places_of_its_own_store_up_to_its_own() {
        let watermark = Watermark {
            position: position("a", 10),
            as_of: Timestamp(0),
        };
        let at = |store, value| Revision::of_write(position(store, value), vec![]);
        for (revision, reached) in [
            (at("a", 10), true),
            (at("a", 11), false),
            (at("b", 1), false),
            (Revision::default(), true),
            (
                Revision {
                    position: None,
                    rows: vec![(Uid::stored("x"), 1)],
                },
                false,
            ),
        ] {
            assert_eq!(reaches(Some(&watermark), &revision), reached, "{revision}");
        }
        assert!(!reaches(None, &at("a", 0)));
        assert!(comparable(Some(&watermark), &at("a", 11)));
        assert!(!comparable(Some(&watermark), &at("b", 1)));
        assert!(!comparable(None, &at("a", 1)));
    }
}
