//! `Worker`: what `turngraph project` runs. It holds the projector's lease, opens the feed, runs the
//! projector, follows the generations of the projection, and repairs what was put aside.
//!
//! Of several workers one works and the others wait; one takes over when the lease is free again.
//! Where the feed has a gap, or the projection was never filled, nothing is said about freshness
//! until the projection has been filled anew.

mod compare;
mod fill;
mod gate;
mod housekeeping;
mod options;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::fill::{Fill, FillReason};
use self::gate::Gate;
pub use self::options::{FeedOpener, WorkerOptions, WorkerParts, WorkerState};
use crate::cdc::{FeedError, FeedErrorKind};
use crate::domain::Position;
use crate::projection::rebuild::{Generations, WRITTEN_GENERATIONS, no_generations};
use crate::projection::repair::Repairs;
use crate::projection::stream::{PROGRESS, Projector, ProjectorProgress};
use crate::stores::ProjectionStore;
use crate::stores::record::StoreResult;
use crate::stores::source::Lease;

/// Name of the projector's role.
pub const ROLE: &str = "projector";

/// Longest wait before the feed is opened again.
const REOPEN_MAX: Duration = Duration::from_secs(10);

/// The worker. Cheap to clone.
#[derive(Clone)]
pub struct Worker {
    parts: Arc<WorkerParts>,
    options: WorkerOptions,
    state: watch::Sender<WorkerState>,
    gate: Arc<Gate>,
}

impl Worker {
    /// Of these parts.
    pub fn new(parts: WorkerParts, options: WorkerOptions) -> Self {
        Self {
            parts: Arc::new(parts),
            options,
            state: watch::Sender::new(WorkerState::Standby),
            gate: Arc::default(),
        }
    }

    /// What it is doing, as it changes.
    pub fn state(&self) -> watch::Receiver<WorkerState> {
        self.state.subscribe()
    }

    /// The projector.
    pub fn projector(&self) -> &Projector {
        &self.parts.projector
    }

    /// Works until `stop`. An error is one that a person must mend (kind `Setup`).
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), FeedError> {
        let ended = self.until_stopped(stop).await;
        self.state.send_replace(WorkerState::Stopped);
        ended
    }

    async fn until_stopped(&self, stop: &CancellationToken) -> Result<(), FeedError> {
        while !stop.is_cancelled() {
            self.state.send_replace(WorkerState::Standby);
            let Some(lease) = self.lease(stop).await else {
                return Ok(());
            };
            self.with_lease(lease, stop).await?;
        }
        Ok(())
    }

    /// Waits for the lease; none when it is to stop.
    async fn lease(&self, stop: &CancellationToken) -> Option<Box<dyn Lease>> {
        loop {
            match self.parts.source.lease(ROLE).await {
                Ok(Some(lease)) => return Some(lease),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the projector's lease cannot be asked for"),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(self.options.lease_poll) => {}
            }
        }
    }

    /// Works while the lease is held.
    async fn with_lease(
        &self,
        mut lease: Box<dyn Lease>,
        stop: &CancellationToken,
    ) -> Result<(), FeedError> {
        let lost = stop.child_token();
        // Dropping this future must end what it has started, and free the lease.
        let _ends = lost.clone().drop_guard();
        let watching = lost.clone();
        let poll = self.options.lease_poll;
        let watch = tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = watching.cancelled() => return lease,
                    () = tokio::time::sleep(poll) => {}
                }
                if !lease.held().await {
                    tracing::warn!("the projector's lease is lost; another worker takes over");
                    watching.cancel();
                }
            }
        });
        // Before the first change is told it must be known where it goes.
        let mut written = Vec::new();
        let worked = match self.first_generations(&mut written, &lost).await {
            Ok(()) => {
                let background = self.clone().in_background(written, lost.clone());
                let background = tokio::spawn(background);
                let worked = self.work(&lost).await;
                lost.cancel();
                background.await.ok();
                worked
            }
            Err(error) => Err(error),
        };
        lost.cancel();
        // The lease goes last: until here this worker may still have been writing.
        drop(watch.await);
        worked
    }

    /// Opens the feed and projects, again and again, until the lease is lost.
    async fn work(&self, lost: &CancellationToken) -> Result<(), FeedError> {
        let mut wait = Duration::from_millis(50);
        let mut anew = false;
        while !lost.is_cancelled() {
            let ended = self.project_once(anew, lost).await;
            let Err(error) = ended else {
                wait = Duration::from_millis(50);
                anew = false;
                continue;
            };
            match error.kind {
                FeedErrorKind::Setup => return Err(error),
                FeedErrorKind::Gap => {
                    tracing::error!(%error, "changes are missing; the projection is filled anew");
                    self.gate.close().await;
                    if let Err(error) = self.fill().note(FillReason::Gap).await {
                        tracing::warn!(%error, "the gap could not be noted; it is found again");
                    } else {
                        self.projector().set_trusted(false);
                        self.projector().targets().owe_everything();
                        anew = true;
                    }
                }
                FeedErrorKind::Retry => {
                    tracing::warn!(%error, "the change feed is away; it is opened again");
                }
            }
            self.state
                .send_replace(WorkerState::Opening(Some(error.message)));
            tokio::select! {
                () = lost.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(REOPEN_MAX);
        }
        Ok(())
    }

    async fn project_once(&self, anew: bool, lost: &CancellationToken) -> Result<(), FeedError> {
        let resume_from = self.resume_from().await.map_err(|error| FeedError {
            kind: FeedErrorKind::Retry,
            message: format!("the projector's progress cannot be read: {error}"),
            source: Some(error.into()),
        })?;
        // A feed that was open before goes on where it began.
        if resume_from.is_none() && !self.gate.is_open() {
            let noted = self.fill().note(FillReason::First).await;
            noted.map_err(|error| FeedError {
                kind: FeedErrorKind::Retry,
                message: format!("the first filling cannot be noted: {error}"),
                source: Some(error.into()),
            })?;
        }
        if resume_from.is_some() && self.has_unread_generation().await {
            let noted = self.fill().note(FillReason::New).await;
            noted.map_err(|error| FeedError {
                kind: FeedErrorKind::Retry,
                message: format!("the filling of the new projection cannot be noted: {error}"),
                source: Some(error.into()),
            })?;
        }
        self.projector().set_trusted(self.fill().is_done().await);
        let mut feed = tokio::select! {
            () = lost.cancelled() => return Ok(()),
            feed = self.parts.feeds.open(resume_from, anew) => feed?,
        };
        self.note_doubt(feed.doubt()).await?;
        self.gate.open(lost);
        self.state.send_replace(WorkerState::Working);
        let ended = self.projector().run(&mut *feed, lost).await;
        match ended {
            // It says once more what is known already, and goes on with what is there.
            Err(error) if anew && error.kind == FeedErrorKind::Gap => {
                self.projector().run(&mut *feed, lost).await
            }
            ended => ended,
        }
    }

    async fn resume_from(&self) -> StoreResult<Option<Position>> {
        let noted = self.parts.source.progress(PROGRESS).await?;
        let noted = noted.and_then(|text| serde_json::from_str::<ProjectorProgress>(&text).ok());
        Ok(noted.map(|noted| Position {
            store: noted.store,
            value: noted.position,
        }))
    }

    fn fill(&self) -> Fill<'_> {
        Fill {
            parts: &self.parts,
            verify: &self.options.verify,
            rebuild: &self.options.rebuild,
        }
    }

    /// Whether the projection has generations and none of them is read.
    async fn has_unread_generation(&self) -> bool {
        match &self.parts.generations {
            None => false,
            Some(generations) => matches!(generations.active().await, Ok(None)),
        }
    }

    /// Follows the generations, fills what must be filled, repairs what was put aside.
    async fn in_background(self, written: Vec<i32>, lost: CancellationToken) {
        let repairs = Repairs::new(
            Arc::clone(&self.parts.source),
            self.projector(),
            Arc::clone(&self.parts.clock),
            self.options.verify.clone(),
        );
        tokio::join!(
            self.follow_generations(written, &lost),
            self.fill_when_needed(&lost),
            self.repair(&repairs, &lost),
            self.keep_receipts(&lost),
            self.verify_when_due(&lost),
            self.forget_notes(&lost),
        );
    }

    async fn repair(&self, repairs: &Repairs, lost: &CancellationToken) {
        while rest(self.options.repair_every, lost).await {
            if let Err(error) = repairs.round(lost).await {
                tracing::warn!(%error, "repairs could not be made; they are tried again");
            }
        }
    }

    async fn fill_when_needed(&self, lost: &CancellationToken) {
        while rest(self.options.generations_poll, lost).await {
            let leave = tokio::select! {
                () = lost.cancelled() => return,
                leave = self.gate.enter() => leave,
            };
            let fill = self.fill();
            let Some(reason) = fill.reason().await else {
                continue;
            };
            self.state
                .send_replace(WorkerState::Filling(reason.in_words().to_owned()));
            match fill.run(&leave.stop).await {
                Ok(true) => {
                    if reason == FillReason::Gap {
                        // What was cached meanwhile may be of the projection as it was.
                        self.projector().targets().owe_everything();
                    }
                    self.projector().set_trusted(true);
                    self.state.send_replace(WorkerState::Working);
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the projection could not be filled yet"),
            }
        }
    }

    /// Opens the generations; waits for a store that is away.
    async fn first_generations(
        &self,
        written: &mut Vec<i32>,
        lost: &CancellationToken,
    ) -> Result<(), FeedError> {
        let Some(generations) = &self.parts.generations else {
            return Ok(());
        };
        while !lost.is_cancelled() {
            match self.follow(&**generations, written).await {
                Ok(()) if written.is_empty() => {
                    let error = no_generations();
                    return Err(FeedError {
                        kind: FeedErrorKind::Setup,
                        message: error.message.clone(),
                        source: Some(error.into()),
                    });
                }
                Ok(()) => return Ok(()),
                Err(error) => {
                    let reason = format!("the projection cannot be opened: {error}");
                    tracing::warn!(reason);
                    self.state.send_replace(WorkerState::Opening(Some(reason)));
                }
            }
            rest(self.options.generations_poll, lost).await;
        }
        Ok(())
    }

    async fn follow_generations(&self, mut written: Vec<i32>, lost: &CancellationToken) {
        let Some(generations) = &self.parts.generations else {
            return;
        };
        while rest(self.options.generations_poll, lost).await {
            if let Err(error) = self.follow(&**generations, &mut written).await {
                tracing::warn!(%error, "the generations of the projection cannot be looked at");
            }
        }
    }

    /// Writes the active and the building generation from now on, and says so.
    async fn follow(
        &self,
        generations: &dyn Generations,
        written: &mut Vec<i32>,
    ) -> StoreResult<()> {
        let (active, building) = (generations.active().await?, generations.building().await?);
        let targets = self.projector().targets();
        targets.set_first_is_read(active.is_some());
        let wanted: Vec<i32> = active.into_iter().chain(building).collect();
        if wanted == *written {
            return Ok(());
        }
        let mut stores: Vec<Arc<dyn ProjectionStore>> = Vec::new();
        for generation in &wanted {
            stores.push(generations.open(*generation).await?);
        }
        targets.set_written(stores, active.is_some());
        let text = serde_json::to_string(&wanted).expect("numbers are always JSON");
        let source = &self.parts.source;
        source
            .set_progress(WRITTEN_GENERATIONS, Some(&text))
            .await?;
        *written = wanted;
        Ok(())
    }
}

/// Rests; false when the lease is lost meanwhile.
async fn rest(time: Duration, lost: &CancellationToken) -> bool {
    tokio::select! {
        () = lost.cancelled() => false,
        () = tokio::time::sleep(time) => !lost.is_cancelled(),
    }
}
