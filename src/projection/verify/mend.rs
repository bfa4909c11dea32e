//! Mending a session that differs from the record store.
//!
//! First everything is written again with its own version, which heals what is missing, old or
//! too much. A cell that somebody else wrote or deleted with a later timestamp hides that: then the
//! record store gives every row of the session a new version, and that is written.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Verify;
use super::compare::Judgement;
use super::image::{Image, Key};
use crate::domain::Uid;
use crate::projection::copy::Copier;
use crate::projection::targets::{Stopped, Targets};
use crate::projection::writes::Problem;
use crate::stores::projection::Write;
use crate::stores::record::StoreResult;

/// Which versions a try writes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    /// Those of the rows.
    Own,
    /// New ones.
    Fresh,
}

impl Verify {
    /// Mends a session; true when it is right afterwards.
    pub(in crate::projection) async fn mend(
        &self,
        uid: &Uid,
        stop: &CancellationToken,
    ) -> StoreResult<bool> {
        for versions in [Versions::Own, Versions::Fresh] {
            if versions == Versions::Fresh {
                self.source.touch(uid).await?;
            }
            let Ok(written) = self.write_again(uid, versions, stop).await else {
                return Ok(false);
            };
            written?;
            let (wrong, _) = self.confirmed(std::slice::from_ref(uid), stop).await?;
            if wrong.is_empty() {
                return Ok(!stop.is_cancelled());
            }
        }
        Ok(false)
    }

    async fn write_again(
        &self,
        uid: &Uid,
        versions: Versions,
        stop: &CancellationToken,
    ) -> Result<StoreResult<()>, Stopped> {
        let targets = self.quarantine.targets();
        let copier = Copier {
            source: Arc::clone(&self.source),
            targets: targets.of_one(&self.store),
            clock: Arc::clone(&self.clock),
            stop: stop.clone(),
        };
        match copier.copy(uid).await? {
            Ok(copied) => {
                if let Some(problem) = copied.problems.first() {
                    tracing::warn!(session = %uid, row = problem.row, "a row cannot be mended");
                }
            }
            Err(error) => return Ok(Err(error)),
        }
        let extras = match copier.asked(|| self.extras(uid, versions)).await? {
            Ok(extras) => extras,
            Err(error) => return Ok(Err(error)),
        };
        copier.targets.apply(&extras, stop).await?;
        targets.invalidate([uid.clone()].into(), stop).await?;
        Ok(Ok(()))
    }

    /// Graves and deletions for what the record store does not have. This is the one place that
    /// reads a projection in order to write it: nobody else knows what is too much there.
    async fn extras(&self, uid: &Uid, versions: Versions) -> StoreResult<Vec<Write>> {
        let record = Image::of_record(&*self.source, uid, false).await?;
        let next_seq = record.session.as_ref().map_or(0, |row| row.next_seq);
        let copy = Image::of_projection(&*self.store, uid, next_seq, true).await?;
        let now = self.clock.now().0;
        let above = |rev: i64| match versions {
            Versions::Own => rev.saturating_add(1),
            Versions::Fresh => rev.saturating_add(1).max(now),
        };
        if record.session.is_none() {
            return Ok(whole_session(uid, &copy, above));
        }
        let extra = |key: &&Key| match key {
            // The record's image was made without contents.
            Key::Prompt(seq) => !record.rows.contains_key(&Key::Turn(*seq)),
            other => !record.rows.contains_key(other),
        };
        let write = |key: &Key| {
            let rev = above(copy.rows[key].rev);
            let seq = key.seq()?;
            let session_uid = uid.clone();
            Some(match key {
                Key::Turn(_) => Write::Grave {
                    session_uid,
                    seq,
                    rev,
                },
                Key::Step(_, idx) => Write::StepsGone {
                    session_uid,
                    seq,
                    idx: Some(*idx),
                    rev,
                },
                // The version of a prompt is that of its turn, whose grave takes it along.
                Key::Prompt(_) | Key::Header => return None,
            })
        };
        Ok(copy.rows.keys().filter(extra).filter_map(write).collect())
    }

    /// Keeps readers away from a session that could not be mended.
    pub(super) async fn set_aside(
        &self,
        uid: &Uid,
        judgement: &Judgement,
        stop: &CancellationToken,
    ) {
        let rows: Vec<String> = judgement
            .faults
            .iter()
            .take(5)
            .map(|(key, fault)| format!("{key} ({fault:?})"))
            .collect();
        let problem = Problem {
            session_uid: Some(uid.clone()),
            row: format!("session {uid}: {}", rows.join(", ")),
            rev: None,
            error: "differs from the record store after it was written anew; rebuild the \
                    projection (`turngraph rebuild`)"
                .to_owned(),
        };
        // Stopped: the next comparison finds it again.
        self.quarantine.put_aside(&problem, 0, stop).await.ok();
    }
}

/// The deletion of a session that the record store does not know.
fn whole_session(uid: &Uid, copy: &Image, above: impl Fn(i64) -> i64) -> Vec<Write> {
    let Some(newest) = copy.rows.values().map(|seen| seen.rev).max() else {
        return Vec::new();
    };
    let highest = copy
        .rows
        .keys()
        .filter_map(|key| key.seq())
        .max()
        .unwrap_or(0);
    let told = copy.session.as_ref().map_or(0, |row| row.next_seq);
    let rev = above(newest);
    let gone = Write::SessionGone {
        session_uid: uid.clone(),
        next_seq: told.max(highest + 1),
        rev,
    };
    let unlisted = copy.session.as_ref().map(|row| Write::ListingGone {
        account_uid: row.account_uid.clone(),
        created_at: row.created_at,
        session_uid: uid.clone(),
        rev,
    });
    std::iter::once(gone).chain(unlisted).collect()
}

impl Targets {
    /// The same cache and counters with one projection.
    fn of_one(&self, store: &std::sync::Arc<dyn crate::stores::ProjectionStore>) -> Self {
        Self::new(
            Some(std::sync::Arc::clone(store)),
            self.cache().cloned(),
            std::sync::Arc::clone(self.counters()),
        )
    }
}
