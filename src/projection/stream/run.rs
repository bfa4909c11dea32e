//! One run of the projector on one connection of the feed: takes events in, hands changes to the
//! lanes, acknowledges what is durable, and finishes what is under way.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::lane::{Item, Lanes};
use super::projector::{PROGRESS, Projector, ProjectorProgress};
use super::resolve;
use super::tracker::{Mark, Tracker};
use crate::cdc::{ChangeFeed, FeedError, FeedErrorKind, FeedEvent};
use crate::domain::change::Change;
use crate::projection::targets::Stopped;
use crate::projection::writes::{Problem, SourceRows};

/// One run on one connection of the feed.
pub(super) struct Run {
    pub(super) projector: Projector,
    pub(super) tracker: Arc<Tracker>,
    pub(super) memory: Arc<Semaphore>,
    pub(super) lanes: Lanes,
    pub(super) to_resolver: mpsc::Sender<Item>,
    pub(super) store: String,
    pub(super) acknowledged: Option<u64>,
    /// Ends work that is under way.
    pub(super) abandon: CancellationToken,
}

impl Run {
    /// Takes in events until the end. Acknowledges between events, and while a lane is full.
    pub(super) async fn take_in(
        &mut self,
        feed: &mut dyn ChangeFeed,
        lanes: &mut JoinSet<Result<(), Stopped>>,
        stop: &CancellationToken,
    ) -> Result<(), FeedError> {
        let every = self.projector.options.acknowledge_every;
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(_) = lanes.join_next() => return Err(broken()),
                _ = tick.tick() => {
                    self.acknowledge(feed).await?;
                    continue;
                }
                event = feed.next() => event?,
            };
            let delivered = self.deliver(event);
            tokio::pin!(delivered);
            // While the lanes are full the feed is not asked for more, and stopping still works.
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(_) = lanes.join_next() => return Err(broken()),
                done = &mut delivered => if done.is_err() { return Err(broken()) },
            }
        }
    }

    async fn deliver(&self, event: FeedEvent) -> Result<(), Stopped> {
        let counters = self.projector.targets.counters();
        match event {
            FeedEvent::Change(change) => {
                counters.changes.fetch_add(1, Relaxed);
                let memory = self.memory(&change).await?;
                let through_resolver = resolve::concerns(&change);
                let item = Item {
                    change,
                    rows: SourceRows::default(),
                    ticket: self.tracker.begin_change(),
                    _memory: memory,
                };
                if through_resolver {
                    self.to_resolver.send(item).await.map_err(|_| Stopped)
                } else {
                    self.lanes.send(item).await
                }
            }
            FeedEvent::Unreadable {
                session_uid,
                row,
                problem,
            } => {
                let problem = Problem {
                    session_uid,
                    row,
                    rev: None,
                    error: problem,
                };
                let position = self.tracker.mark().map_or(0, |mark| mark.position);
                let quarantine = &self.projector.quarantine;
                quarantine
                    .put_aside(&problem, position, &self.abandon)
                    .await
            }
            FeedEvent::Commit {
                position,
                committed_at,
            } => {
                counters.commits.fetch_add(1, Relaxed);
                self.tracker.end_transaction(Mark {
                    position,
                    as_of: committed_at,
                });
                Ok(())
            }
            FeedEvent::Idle { position, as_of } => {
                // In the middle of a transaction it would say too much.
                if !self.tracker.in_transaction() {
                    self.tracker.end_transaction(Mark { position, as_of });
                }
                Ok(())
            }
        }
    }

    async fn memory(&self, change: &Change) -> Result<OwnedSemaphorePermit, Stopped> {
        let budget = self.projector.options.memory_bytes;
        let bytes = u32::try_from(bytes(change).min(budget)).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.memory);
        memory.acquire_many_owned(bytes).await.map_err(|_| Stopped)
    }

    /// Notes what is durable, then tells the feed. What the cache is owed holds both back: after a
    /// restart nobody would remember the debt.
    async fn acknowledge(&mut self, feed: &mut dyn ChangeFeed) -> Result<(), FeedError> {
        let Some(mark) = self.tracker.mark() else {
            return Ok(());
        };
        let unchanged = self.acknowledged == Some(mark.position);
        if unchanged || !self.projector.targets.cache_owes_nothing() {
            return Ok(());
        }
        let progress = ProjectorProgress {
            store: self.store.clone(),
            position: mark.position,
            as_of: mark.as_of,
        };
        let text = serde_json::to_string(&progress).expect("texts and numbers are always JSON");
        let source = &self.projector.source;
        if let Err(error) = source.set_progress(PROGRESS, Some(&text)).await {
            // Later is soon enough: nothing is lost as long as the feed is not told.
            tracing::warn!(%error, "the projector's progress could not be noted");
            return Ok(());
        }
        feed.acknowledge(mark.position).await?;
        self.acknowledged = Some(mark.position);
        Ok(())
    }

    /// Waits for what is under way, and acknowledges it where the feed still listens.
    pub(super) async fn finish(
        mut self,
        feed: &mut dyn ChangeFeed,
        mut tasks: JoinSet<Result<(), Stopped>>,
        feed_listens: bool,
    ) {
        let drain = self.projector.options.drain;
        // Without senders the lanes end once they are empty.
        let (none, _) = mpsc::channel(1);
        self.to_resolver = none;
        self.lanes = Lanes::new(0, 1).0;
        let drained = tokio::time::timeout(drain, async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a lane of the projector failed");
                }
            }
        });
        if drained.await.is_err() {
            tracing::warn!(
                "changes under way were given up; they are told again at the next start"
            );
            self.abandon.cancel();
            tasks.shutdown().await;
        }
        self.projector.targets.settle_cache().await;
        if feed_listens && let Err(error) = self.acknowledge(feed).await {
            tracing::warn!(%error, "the last progress could not be acknowledged");
        }
    }
}

/// A lane has failed: what was under way must be told again.
fn broken() -> FeedError {
    FeedError {
        kind: FeedErrorKind::Retry,
        message: "a lane of the projector failed; it starts again from what is durable".to_owned(),
        source: None,
    }
}

/// Bytes that a change holds, about.
fn bytes(change: &Change) -> usize {
    let text = match change {
        Change::Turn(turn) => turn.prompt.as_ref().map_or(0, String::len),
        Change::Step(step) => step.step.content.len(),
        _ => 0,
    };
    text + 256
}
