//! `Projector`: takes changes from a feed to the copies, through lanes, and says how far they are.
//!
//! - Nothing is acknowledged to the feed before it is durable everywhere and noted in the record
//!   store; after a kill, what was under way is told and applied again, which changes nothing.
//! - Memory is bounded by the lanes and by a budget of bytes, however large a transaction is. A
//!   store that is away fills the lanes, and the feed waits.
//! - One projector runs at a time (`Worker` holds the lease); two would do no harm but double work.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::lane::{BatchLimits, Lane, Lanes, Waiting};
use super::resolve::Resolver;
use super::run::Run;
use super::tracker::{Mark, Tracker};
use crate::cdc::{ChangeFeed, FeedError};
use crate::domain::{Clock, Position, Timestamp, Watermark};
use crate::projection::quarantine::Quarantine;
use crate::projection::targets::Targets;
use crate::stores::ProjectionSource;

/// Name of the progress that the projector notes in the record store.
pub const PROGRESS: &str = "projector";

/// How the projector works.
#[derive(Debug, Clone)]
pub struct ProjectorOptions {
    /// Lanes; changes of one session share one.
    pub lanes: usize,
    /// Changes that wait in one lane at most.
    pub lane_capacity: usize,
    /// Bytes of changes under way at most, over all lanes.
    pub memory_bytes: usize,
    /// Writes that are applied at once at most.
    pub batch_writes: usize,
    /// Bytes that are applied at once at most.
    pub batch_bytes: usize,
    /// How long a batch waits for companions.
    pub linger: Duration,
    /// How often the watermark is published.
    pub publish_every: Duration,
    /// How often progress is noted and the feed is told what it may forget.
    pub acknowledge_every: Duration,
    /// How long changes under way may take when the projector is to stop.
    pub drain: Duration,
}

impl Default for ProjectorOptions {
    fn default() -> Self {
        Self {
            lanes: 8,
            lane_capacity: 1_024,
            memory_bytes: 64 * 1024 * 1024,
            batch_writes: 256,
            batch_bytes: 512 * 1024,
            linger: Duration::from_millis(2),
            publish_every: Duration::from_millis(100),
            acknowledge_every: Duration::from_secs(1),
            drain: Duration::from_secs(10),
        }
    }
}

/// What the projector notes in the record store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectorProgress {
    /// Identity of the store that the position is of.
    pub store: String,
    /// Everything up to here is durable.
    pub position: u64,
    /// Everything committed until then is durable.
    pub as_of: Timestamp,
}

/// The projector. Cheap to clone.
#[derive(Clone)]
pub struct Projector {
    pub(super) source: Arc<dyn ProjectionSource>,
    pub(super) targets: Targets,
    pub(super) quarantine: Quarantine,
    clock: Arc<dyn Clock>,
    pub(super) options: ProjectorOptions,
    watermark: watch::Sender<Option<Watermark>>,
    trusted: Arc<AtomicBool>,
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

impl Projector {
    /// From the record `source` to `targets`.
    pub fn new(
        source: Arc<dyn ProjectionSource>,
        targets: Targets,
        clock: Arc<dyn Clock>,
        options: ProjectorOptions,
    ) -> Self {
        let quarantine = Quarantine::new(Arc::clone(&source), targets.clone(), Arc::clone(&clock));
        Self {
            source,
            targets,
            quarantine,
            clock,
            options,
            watermark: watch::Sender::new(None),
            trusted: Arc::new(AtomicBool::new(true)),
            waiting: Arc::default(),
        }
    }

    /// Where the changes go.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// What was put aside.
    pub fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// How far the copies have come, as it changes; none before the first run reached a place.
    pub fn watermark(&self) -> watch::Receiver<Option<Watermark>> {
        self.watermark.subscribe()
    }

    /// Whether the copies may be read. While they may not (they lack what was before the feed), how
    /// far they are is not published to readers.
    pub fn set_trusted(&self, trusted: bool) {
        self.trusted.store(trusted, Relaxed);
    }

    /// See [`Projector::set_trusted`].
    pub fn is_trusted(&self) -> bool {
        self.trusted.load(Relaxed)
    }

    /// Changes that wait in each lane; empty while no feed is read.
    pub fn waiting(&self) -> Vec<usize> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().filter_map(Waiting::changes).collect()
    }

    /// Applies what the feed tells until `stop`, or until the feed fails. In both cases what is
    /// under way is finished first, if the stores let it within [`ProjectorOptions::drain`].
    pub async fn run(
        &self,
        feed: &mut dyn ChangeFeed,
        stop: &CancellationToken,
    ) -> Result<(), FeedError> {
        let tracker = Arc::new(Tracker::default());
        let abandon = CancellationToken::new();
        // Dropping this future must stop the lanes as well.
        let _abandon = abandon.clone().drop_guard();
        let (lanes, exits) = Lanes::new(self.options.lanes, self.options.lane_capacity);
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = lanes.waiting();
        let (to_resolver, resolver_exit) = mpsc::channel(self.options.lane_capacity);
        let mut tasks = JoinSet::new();
        for exit in exits {
            tasks.spawn(self.lane(&tracker, &abandon).run(exit));
        }
        let resolver = Resolver::new(
            Arc::clone(&self.source),
            self.quarantine.clone(),
            Arc::clone(&tracker),
        );
        tasks.spawn(resolver.run(resolver_exit, lanes.clone(), abandon.clone()));
        let publisher = self.clone().publish(
            Arc::clone(&tracker),
            feed.store().to_owned(),
            abandon.clone(),
        );
        let publisher = tokio::spawn(publisher);
        let mut run = Run {
            projector: self.clone(),
            tracker,
            memory: Arc::new(Semaphore::new(self.options.memory_bytes)),
            lanes,
            to_resolver,
            store: feed.store().to_owned(),
            acknowledged: None,
            abandon: abandon.clone(),
        };
        let ended = run.take_in(feed, &mut tasks, stop).await;
        run.finish(feed, tasks, ended.is_ok()).await;
        abandon.cancel();
        publisher.await.ok();
        ended
    }

    fn lane(&self, tracker: &Arc<Tracker>, abandon: &CancellationToken) -> Lane {
        Lane {
            source: Arc::clone(&self.source),
            targets: self.targets.clone(),
            quarantine: self.quarantine.clone(),
            tracker: Arc::clone(tracker),
            clock: Arc::clone(&self.clock),
            limits: BatchLimits {
                writes: self.options.batch_writes,
                bytes: self.options.batch_bytes,
                linger: self.options.linger,
            },
            stop: abandon.clone(),
        }
    }

    /// Publishes the watermark and pays debts to the cache, until the run is over.
    async fn publish(self, tracker: Arc<Tracker>, store: String, over: CancellationToken) {
        let mut tick = tokio::time::interval(self.options.publish_every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut published = None;
        loop {
            let last = over.is_cancelled();
            self.targets.settle_cache().await;
            let trusted = self.trusted.load(Relaxed);
            if let Some(mark) = tracker.mark()
                && published != Some((mark, trusted, self.targets.epoch()))
            {
                let epoch = self.targets.epoch();
                let watermark = watermark(&store, mark);
                self.targets.publish(&watermark, trusted).await;
                self.watermark.send_replace(Some(watermark));
                // A cache that owes something was not told, so that it is told once it is paid.
                let paid = self.targets.cache_owes_nothing();
                published = paid.then_some((mark, trusted, epoch));
            }
            if last {
                return;
            }
            tokio::select! {
                () = over.cancelled() => {}
                _ = tick.tick() => {}
            }
        }
    }
}

fn watermark(store: &str, mark: Mark) -> Watermark {
    Watermark {
        position: Position {
            store: store.to_owned(),
            value: mark.position,
        },
        as_of: mark.as_of,
    }
}
