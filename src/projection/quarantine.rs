//! `Quarantine`: changes that could not be applied are kept as dead letters, and their sessions
//! are marked, so that they are answered from the record store until they are repaired.
//!
//! A dead letter has no content and is never replayed: its session is read again from the record
//! store, so nothing that was purged meanwhile comes back.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::targets::{Stopped, Targets};
use super::writes::Problem;
use crate::domain::{Clock, Uid};
use crate::stores::ProjectionSource;
use crate::stores::record::StoreResult;
use crate::stores::source::DeadLetter;

/// Error text in bytes that is kept.
const ERROR_BYTES_MAX: usize = 1_000;

/// Keeps what cannot be applied.
#[derive(Clone)]
pub struct Quarantine {
    source: Arc<dyn ProjectionSource>,
    targets: Targets,
    clock: Arc<dyn Clock>,
    /// Held while a session is marked or freed, so that a letter that arrives while its session is
    /// being freed marks it again.
    turn: Arc<Mutex<()>>,
}

impl Quarantine {
    /// Of the copies `targets` of the record `source`.
    pub fn new(source: Arc<dyn ProjectionSource>, targets: Targets, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            targets,
            clock,
            turn: Arc::default(),
        }
    }

    /// The copies whose sessions are marked.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Keeps a dead letter and marks its session; `position` is a place in the feed not far before
    /// the change. Waits for stores that are away.
    pub(super) async fn put_aside(
        &self,
        problem: &Problem,
        position: u64,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        let mut error = problem.error.clone();
        error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
        tracing::warn!(row = problem.row, error, "a change was put aside");
        let letter = DeadLetter {
            id: 0,
            session_uid: problem.session_uid.clone(),
            row: problem.row.clone(),
            rev: problem.rev,
            error,
            position,
            at: self.clock.now(),
            attempts: 0,
        };
        let _turn = self.turn.lock().await;
        let kept = self
            .targets
            .retried(stop, || self.source.dead_letter_insert(&letter));
        if let Err(error) = kept.await? {
            // Without a place for the letter the session must at least be marked.
            tracing::error!(%error, row = problem.row, "a dead letter could not be kept");
        }
        self.targets.counters().dead_letters.fetch_add(1, Relaxed);
        if let Some(session) = &problem.session_uid {
            self.mark(session, true, stop).await?;
        }
        Ok(())
    }

    /// Removes a session's dead letters up to one, and the mark where none is left.
    pub(super) async fn resolve(
        &self,
        session: &Uid,
        up_to_id: i64,
        stop: &CancellationToken,
    ) -> Result<StoreResult<()>, Stopped> {
        let _turn = self.turn.lock().await;
        let resolve = || self.source.dead_letters_resolve(session, up_to_id);
        if let Err(error) = self.targets.retried(stop, resolve).await? {
            return Ok(Err(error));
        }
        let left = self
            .targets
            .retried(stop, || self.source.dead_letters(1_000));
        let left = match left.await? {
            Ok(left) => left,
            Err(error) => return Ok(Err(error)),
        };
        if left
            .iter()
            .all(|letter| letter.session_uid.as_ref() != Some(session))
        {
            self.mark(session, false, stop).await?;
        }
        Ok(Ok(()))
    }

    /// Marks or frees a session in every projection, and drops it from the cache: what the cache
    /// holds may have been read before.
    async fn mark(
        &self,
        session: &Uid,
        marked: bool,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        for store in self.targets.stores().iter() {
            let mark = || store.set_quarantined(session, marked);
            if let Err(error) = self.targets.retried(stop, mark).await? {
                tracing::error!(%error, %session, marked, "a session's mark could not be written");
            }
        }
        self.targets
            .invalidate([session.clone()].into(), stop)
            .await
    }
}
