//! Copies one session of the record store to projections, whole: what rebuild and repair do.
//!
//! Every row is written with its own version and every purge with its own, so a copy may run
//! beside the stream and beside other copies.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::reader;
use super::targets::{Stopped, Targets};
use super::writes::{self, Problem, Projected, SourceRows};
use crate::domain::change::Change;
use crate::domain::{Clock, SessionRow, Uid};
use crate::stores::record::StoreResult;
use crate::stores::{ProjectionSource, StoreError};

/// Writes that are applied at once.
const BATCH_WRITES: usize = 256;

/// What a copy did.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// Turns that were written.
    pub(super) turns: u64,
    /// Rows that could not be written.
    pub(super) problems: Vec<Problem>,
}

/// Copies sessions.
#[derive(Clone)]
pub(super) struct Copier {
    pub(super) source: Arc<dyn ProjectionSource>,
    pub(super) targets: Targets,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: CancellationToken,
}

impl Copier {
    /// Copies a session, or what is known of its end. Waits for stores that are away; an error is
    /// one that waiting does not mend.
    pub(super) async fn copy(&self, uid: &Uid) -> Result<StoreResult<Copied>, Stopped> {
        let mut copied = Copied::default();
        let source = &*self.source;
        let session = self.asked(|| reader::session(source, uid)).await?;
        let session = match session {
            Ok(session) => session,
            Err(error) => return Ok(Err(error)),
        };
        // Purges first in time: what was deleted before the rows are read is among them.
        let purges = match self.asked(|| source.purges(uid)).await? {
            Ok(purges) => purges,
            Err(error) => return Ok(Err(error)),
        };
        let mut of_purges = Projected::default();
        for purge in purges {
            let change = Change::Purge(Box::new(purge));
            let mut one = writes::writes(&change, &SourceRows::default(), self.clock.now());
            of_purges.writes.append(&mut one.writes);
            of_purges.problems.append(&mut one.problems);
        }
        self.apply(of_purges, &mut copied).await?;
        if let Some(session) = session
            && let Err(error) = self.rows(&session, &mut copied).await?
        {
            return Ok(Err(error));
        }
        let dropped = [uid.clone()].into();
        self.targets.invalidate(dropped, &self.stop).await?;
        Ok(Ok(copied))
    }

    async fn rows(
        &self,
        session: &SessionRow,
        copied: &mut Copied,
    ) -> Result<Result<(), StoreError>, Stopped> {
        let header = Change::Session(Box::new(writes::whole_session(session)));
        let header = writes::writes(&header, &SourceRows::default(), self.clock.now());
        self.apply(header, copied).await?;
        for range in reader::runs(0, session.next_seq - 1) {
            let run = match self
                .asked(|| reader::run(&*self.source, session, range))
                .await?
            {
                Ok(run) => run,
                Err(error) => return Ok(Err(error)),
            };
            copied.turns += run.turns.len() as u64;
            let (from_seq, to_seq) = range;
            let change = Change::Numbered {
                session_uid: session.uid.clone(),
                from_seq,
                to_seq,
            };
            let rows = SourceRows {
                run: Some(run),
                ..SourceRows::default()
            };
            let run = writes::writes(&change, &rows, self.clock.now());
            self.apply(run, copied).await?;
        }
        Ok(Ok(()))
    }

    async fn apply(&self, mut all: Projected, copied: &mut Copied) -> Result<(), Stopped> {
        copied.problems.append(&mut all.problems);
        for batch in all.writes.chunks(BATCH_WRITES) {
            let mut refused = self.targets.apply(batch, &self.stop).await?;
            copied.problems.append(&mut refused);
        }
        Ok(())
    }

    /// Asks the record store; waits while it is away.
    pub(super) async fn asked<T, F>(
        &self,
        ask: impl FnMut() -> F,
    ) -> Result<StoreResult<T>, Stopped>
    where
        F: Future<Output = StoreResult<T>>,
    {
        self.targets.retried(&self.stop, ask).await
    }
}
