//! The worker: lease, take-over, first filling, gaps in the feed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use turngraph::cdc::{ChangeFeed, FeedError, FeedErrorKind};
use turngraph::domain::Position;
use turngraph::domain::clock::ManualClock;
use turngraph::projection::worker::WorkerState;
use turngraph::projection::{
    Counters, FeedOpener, Projector, Quarantine, Targets, Verify, Worker, WorkerOptions,
    WorkerParts,
};
use turngraph::stores::{ProjectionSource, ProjectionStore};

use super::equal::assert_projected;
use super::given::options;
use super::rebuild::MemoryGenerations;
use super::world::World;
use crate::support::lww::Verdict;
use crate::support::rows::uid;
use crate::support::sqlite::START;

/// Opens the feed of a world, after errors that a test wants.
#[derive(Clone)]
pub(crate) struct WorldFeeds {
    world: World,
    errors: Arc<Mutex<Vec<FeedErrorKind>>>,
    opened: Arc<AtomicUsize>,
    anew: Arc<AtomicUsize>,
}

#[async_trait]
impl FeedOpener for WorldFeeds {
    async fn open(
        &self,
        resume_from: Option<Position>,
        anew: bool,
    ) -> Result<Box<dyn ChangeFeed>, FeedError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        if anew {
            self.anew.fetch_add(1, Ordering::Relaxed);
            // What was not read before is never told.
            let end = self.world.end();
            self.world.rows().skip_to(end);
        } else if let Some(kind) = self.errors.lock().unwrap().pop() {
            return Err(FeedError {
                kind,
                message: "as the test ordered".to_owned(),
                source: None,
            });
        } else if let Some(position) = resume_from {
            assert!(
                position.value >= self.world.acknowledged_now(),
                "noted, then acknowledged"
            );
        }
        Ok(Box::new(self.world.feed()))
    }
}

/// A world, generations and workers between them.
pub(crate) struct Works {
    pub(crate) world: World,
    pub(crate) generations: MemoryGenerations,
    pub(crate) clock: Arc<ManualClock>,
    feeds: WorldFeeds,
}

impl Works {
    pub(crate) fn new() -> Self {
        let world = World::new();
        Self {
            feeds: WorldFeeds {
                world: world.clone(),
                errors: Arc::default(),
                opened: Arc::default(),
                anew: Arc::default(),
            },
            world,
            generations: MemoryGenerations::new(),
            clock: Arc::new(ManualClock::at(START)),
        }
    }

    /// Starts one more worker.
    pub(crate) fn start(&self) -> Working {
        let targets = Targets::new(None, None, Arc::new(Counters::default()));
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let projector = Projector::new(self.world.shared(), targets, clock, options());
        let parts = WorkerParts {
            source: self.world.shared(),
            projector,
            feeds: Arc::new(self.feeds.clone()),
            generations: Some(Arc::new(self.generations.clone())),
            clock: Arc::<ManualClock>::clone(&self.clock),
        };
        let polls = Duration::from_millis(5);
        let worker = Worker::new(
            parts,
            WorkerOptions {
                lease_poll: polls,
                generations_poll: polls,
                repair_every: polls,
                verify: super::verify::options(true),
            },
        );
        let stop = CancellationToken::new();
        let (running, stopped) = (worker.clone(), stop.clone());
        let task = tokio::spawn(async move { running.run(&stopped).await });
        Working { worker, stop, task }
    }

    /// Waits until the active generation has everything and says so.
    pub(crate) async fn caught_up(&self) {
        let end = self.world.end();
        loop {
            let store = self.generations.store(self.generations.active_now());
            let mark = store.watermark().await.unwrap();
            if mark.is_some_and(|mark| mark.position.value >= end) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Compares the generation that is active now.
    pub(crate) fn verifier(&self) -> Verify {
        let store = self
            .generations
            .store(self.generations.active_now())
            .shared();
        let targets = Targets::new(
            Some(Arc::clone(&store)),
            None,
            Arc::new(Counters::default()),
        );
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let quarantine = Quarantine::new(
            self.world.shared(),
            targets,
            Arc::<ManualClock>::clone(&clock),
        );
        Verify::new(
            self.world.shared(),
            store,
            quarantine,
            clock,
            super::verify::options(true),
        )
    }
}

/// A worker that runs.
pub(crate) struct Working {
    pub(crate) worker: Worker,
    stop: CancellationToken,
    task: JoinHandle<Result<(), FeedError>>,
}

impl Working {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    async fn is(&self, wanted: WorkerState) {
        self.worker
            .state()
            .wait_for(|state| *state == wanted)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn one_works_one_waits_and_takes_over_when_the_first_is_gone() {
    let works = Works::new();
    works.world.conversation("a", "s", 4);
    let first = works.start();
    works.caught_up().await;
    let second = works.start();
    second.is(WorkerState::Standby).await;
    works.world.log(works.world.append(&uid("s")));
    works.caught_up().await;
    assert_eq!(*second.worker.state().borrow(), WorkerState::Standby);
    first.stop().await;
    second.is(WorkerState::Working).await;
    works.world.log(works.world.append(&uid("s")));
    works.caught_up().await;
    second.stop().await;
    assert_projected(&works.world, &works.generations.store(1), &[]).await;
}

#[tokio::test]
async fn a_worker_that_loses_its_lease_stops_writing_and_waits() {
    let works = Works::new();
    works.world.conversation("a", "s", 4);
    let worker = works.start();
    works.caught_up().await;
    works.world.take_lease("projector");
    worker.is(WorkerState::Standby).await;
    works.world.give_lease("projector");
    worker.is(WorkerState::Working).await;
    worker.stop().await;
}

#[tokio::test]
async fn what_was_there_before_the_feed_is_filled_and_only_then_is_freshness_told() {
    let works = Works::new();
    works.world.conversation("a", "before", 5);
    let end = works.world.end();
    works.world.rows().skip_to(end);
    let store = works.generations.store(1);
    // The filling is held up: changes flow, but nobody may read yet.
    store.judge(|batch| {
        use turngraph::projection::writes::session_of;
        if batch
            .iter()
            .any(|write| *session_of(write) == uid("before"))
        {
            Verdict::Fail(turngraph::stores::StoreErrorKind::Unavailable)
        } else {
            Verdict::Pass
        }
    });
    let worker = works.start();
    works.world.conversation("a", "after", 3);
    works.world.acknowledged(works.world.end()).await;
    while store.sessions(&[uid("after")]).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.watermark().await.unwrap(), None);
    store.acquit();
    works.caught_up().await;
    worker.stop().await;
    assert_projected(&works.world, &store, &[]).await;
}

#[tokio::test]
async fn after_a_gap_a_new_generation_is_filled_and_nothing_that_went_comes_back() {
    let works = Works::new();
    let gone = works.world.conversation("a", "gone", 3);
    works.world.conversation("a", "stays", 3);
    let worker = works.start();
    works.caught_up().await;
    worker.stop().await;
    // In the gap: never told.
    works.world.log(works.world.purge_session(&gone));
    works.world.log(works.world.append(&uid("stays")));
    *works.feeds.errors.lock().unwrap() = vec![FeedErrorKind::Gap];
    let worker = works.start();
    while works.generations.active_now() == 1 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    works.caught_up().await;
    worker.stop().await;
    assert_eq!(works.feeds.anew.load(Ordering::Relaxed), 1);
    assert_projected(&works.world, &works.generations.store(2), &[gone]).await;
}

#[tokio::test]
async fn a_feed_that_is_away_is_opened_again_and_one_that_is_set_up_wrong_is_said() {
    let works = Works::new();
    works.world.conversation("a", "s", 2);
    *works.feeds.errors.lock().unwrap() = vec![FeedErrorKind::Retry, FeedErrorKind::Retry];
    let worker = works.start();
    works.caught_up().await;
    assert!(works.feeds.opened.load(Ordering::Relaxed) >= 3);
    worker.stop().await;
    *works.feeds.errors.lock().unwrap() = vec![FeedErrorKind::Setup];
    let ended = works.start().task.await.unwrap();
    assert_eq!(ended.unwrap_err().kind, FeedErrorKind::Setup);
    // The lease is free again.
    assert!(works.world.lease("projector").await.unwrap().is_some());
}
