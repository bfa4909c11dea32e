//! `Rebuild`: fills a new generation of projections from the record store while the stream writes
//! both the old and the new one, verifies it, and switches over.
//!
//! It needs no snapshot and no pause: rows carry their own versions, so the copy and the stream may
//! write in any order. Where it has come to is noted in the record store after each chunk, so that
//! a rebuild that was killed goes on there.

mod progress;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;

pub use self::progress::{
    Generations, RebuildError, RebuildOptions, RebuildPhase, RebuildProgress, RebuildReport,
};
use crate::domain::{Clock, Uid};
use crate::projection::copy::{Copied, Copier};
use crate::projection::counters::Counters;
use crate::projection::quarantine::Quarantine;
use crate::projection::targets::{Stopped, Targets};
use crate::projection::verify::{Verify, VerifyReport};
use crate::stores::record::StoreResult;
use crate::stores::{ProjectionSource, ProjectionStore, StoreError, StoreErrorKind, StoreKind};

/// Name of the role and of the progress of a rebuild.
pub const REBUILD: &str = "rebuild";

/// Name of the progress by which the projector says which generations it writes, as a JSON array.
pub const WRITTEN_GENERATIONS: &str = "projector-generations";

/// Sessions that may be in quarantine at a switch, beside one in a thousand.
const QUARANTINED_MAX: u64 = 10;

/// Rebuilds the projections.
pub struct Rebuild {
    source: Arc<dyn ProjectionSource>,
    generations: Arc<dyn Generations>,
    clock: Arc<dyn Clock>,
    options: RebuildOptions,
}

/// Is told how far it is, after each chunk.
pub type OnRebuild<'a> = &'a mut (dyn FnMut(&RebuildProgress) + Send);

impl Rebuild {
    /// From the record `source`.
    pub fn new(
        source: Arc<dyn ProjectionSource>,
        generations: Arc<dyn Generations>,
        clock: Arc<dyn Clock>,
        options: RebuildOptions,
    ) -> Self {
        Self {
            source,
            generations,
            clock,
            options,
        }
    }

    /// Starts a rebuild, or goes on with the one that was begun. A projector must be running, in
    /// this process or another.
    pub async fn run(
        &self,
        report: OnRebuild<'_>,
        stop: &CancellationToken,
    ) -> Result<RebuildReport, RebuildError> {
        let Some(_lease) = self.source.lease(REBUILD).await? else {
            return Err(RebuildError::Busy);
        };
        let mut progress = self.begin().await?;
        let store = self.generations.open(progress.generation).await?;
        let stopped = |progress: &RebuildProgress| RebuildReport {
            generation: progress.generation,
            sessions: progress.done,
            verified: None,
            switched: false,
        };
        report(&progress);
        if !self
            .written_by_the_stream(progress.generation, stop)
            .await?
        {
            return Ok(stopped(&progress));
        }
        if matches!(
            progress.phase,
            RebuildPhase::Waiting | RebuildPhase::Copying
        ) {
            progress.phase = RebuildPhase::Copying;
            if !self.copy(&store, &mut progress, report, stop).await? {
                return Ok(stopped(&progress));
            }
        }
        progress.phase = RebuildPhase::Verifying;
        self.note(&progress).await?;
        report(&progress);
        let verified = self.verified(&store, stop).await?;
        if !verified.finished {
            return Ok(stopped(&progress));
        }
        // Single sessions that cannot be mended are in quarantine, and read from the record store.
        let unmended = verified.wrong - verified.mended;
        if unmended > QUARANTINED_MAX.max(verified.sessions / 1_000) {
            return Err(RebuildError::Wrong {
                generation: progress.generation,
                wrong: unmended,
                report: Box::new(verified),
            });
        }
        let old = self.generations.active().await?;
        self.generations.switch(progress.generation).await?;
        self.source.set_progress(REBUILD, None).await?;
        progress.phase = RebuildPhase::Switched;
        report(&progress);
        if let Some(old) = old.filter(|old| self.options.drop_old && *old != progress.generation) {
            self.generations.drop_generation(old).await?;
        }
        Ok(RebuildReport {
            generation: progress.generation,
            sessions: progress.done,
            verified: Some(verified),
            switched: true,
        })
    }

    /// The rebuild that is under way, or a new one.
    async fn begin(&self) -> Result<RebuildProgress, RebuildError> {
        let building = self.generations.building().await?;
        let noted = self.source.progress(REBUILD).await?;
        let noted = noted.and_then(|text| serde_json::from_str::<RebuildProgress>(&text).ok());
        let now = self.clock.now();
        if let Some(mut noted) = noted.filter(|noted| Some(noted.generation) == building) {
            noted.done_before = noted.done;
            noted.resumed_at = Some(now);
            return Ok(noted);
        }
        let generation = match building {
            Some(building) => building,
            None => self.generations.start().await?,
        };
        let progress = RebuildProgress {
            generation,
            phase: RebuildPhase::Waiting,
            after: None,
            done: 0,
            total: self.source.session_count_estimate().await?,
            since: now,
            done_before: 0,
            resumed_at: Some(now),
            eta_seconds: None,
        };
        self.note(&progress).await?;
        Ok(progress)
    }

    async fn note(&self, progress: &RebuildProgress) -> StoreResult<()> {
        let text = serde_json::to_string(progress).expect("plain values are always JSON");
        self.source.set_progress(REBUILD, Some(&text)).await
    }

    /// Waits until the projector writes the generation: from then on the stream has whatever is
    /// committed, and a copy begun later has whatever was. False when it was stopped.
    async fn written_by_the_stream(
        &self,
        generation: i32,
        stop: &CancellationToken,
    ) -> StoreResult<bool> {
        loop {
            let written = self.source.progress(WRITTEN_GENERATIONS).await?;
            let written = written.and_then(|text| serde_json::from_str::<Vec<i32>>(&text).ok());
            if written.is_some_and(|written| written.contains(&generation)) {
                return Ok(true);
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(false),
                () = tokio::time::sleep(self.options.poll) => {}
            }
        }
    }

    /// Copies all sessions; false when it was stopped.
    async fn copy(
        &self,
        store: &Arc<dyn ProjectionStore>,
        progress: &mut RebuildProgress,
        report: OnRebuild<'_>,
        stop: &CancellationToken,
    ) -> Result<bool, RebuildError> {
        let copier = Copier {
            source: Arc::clone(&self.source),
            targets: Targets::new(Some(Arc::clone(store)), None, Arc::new(Counters::default())),
            clock: Arc::clone(&self.clock),
            stop: stop.clone(),
        };
        loop {
            let after = progress.after.as_ref();
            let ask = || self.source.session_uids(after, self.options.chunk);
            let Ok(chunk) = copier.asked(ask).await else {
                return Ok(false);
            };
            let chunk = chunk?;
            let Some(last) = chunk.last().cloned() else {
                return Ok(true);
            };
            if copy_all(&copier, &chunk, self.options.at_once)
                .await?
                .is_err()
            {
                return Ok(false);
            }
            progress.after = Some(last);
            progress.done += chunk.len() as u64;
            progress.total = progress.total.max(progress.done);
            self.estimate(progress);
            self.note(progress).await?;
            report(progress);
            tokio::select! {
                () = stop.cancelled() => return Ok(false),
                () = tokio::time::sleep(self.options.pause) => {}
            }
        }
    }

    fn estimate(&self, progress: &mut RebuildProgress) {
        let since = progress.resumed_at.unwrap_or(progress.since);
        let micros = u64::try_from(self.clock.now().0 - since.0).unwrap_or(0);
        let done = (progress.done - progress.done_before).max(1);
        let left = progress.total - progress.done;
        progress.eta_seconds = Some(micros / done * left / 1_000_000);
    }

    async fn verified(
        &self,
        store: &Arc<dyn ProjectionStore>,
        stop: &CancellationToken,
    ) -> StoreResult<VerifyReport> {
        let targets = Targets::new(Some(Arc::clone(store)), None, Arc::new(Counters::default()));
        let (source, clock) = (Arc::clone(&self.source), Arc::clone(&self.clock));
        let quarantine = Quarantine::new(Arc::clone(&source), targets, Arc::clone(&clock));
        let options = self.options.verify.clone();
        let verify = Verify::new(source, Arc::clone(store), quarantine, clock, options);
        verify.run(&mut |_| (), stop).await
    }
}

/// Copies some sessions, several at once.
pub(super) async fn copy_all(
    copier: &Copier,
    sessions: &[Uid],
    at_once: usize,
) -> StoreResult<Result<(), Stopped>> {
    let copies: Vec<BoxFuture<'_, Result<StoreResult<Copied>, Stopped>>> = sessions
        .iter()
        .map(|uid| copier.copy(uid).boxed())
        .collect();
    let mut copies = futures_util::stream::iter(copies).buffer_unordered(at_once.max(1));
    while let Some(copied) = copies.next().await {
        match copied {
            Err(Stopped) => return Ok(Err(Stopped)),
            Ok(copied) => {
                let copied = copied?;
                if let Some(problem) = copied.problems.first() {
                    tracing::warn!(
                        row = problem.row,
                        error = problem.error,
                        "a row is left out"
                    );
                }
            }
        }
    }
    Ok(Ok(()))
}

/// The answer where there are no generations to rebuild into.
pub fn no_generations() -> StoreError {
    StoreError {
        kind: StoreErrorKind::Schema,
        store: StoreKind::Cql,
        action: "rebuild",
        message: "there is no active generation of projection tables; run `turngraph migrate`"
            .to_owned(),
        source: None,
    }
}
