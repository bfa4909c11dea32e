//! The worker: lease, take-over, first filling, gaps in the feed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    Counters, FeedOpener, Projector, Quarantine, RebuildOptions, Targets, Verify, Worker,
    WorkerOptions, WorkerParts,
};
use turngraph::stores::{ProjectionSource, ProjectionStore, SessionCache, StoreKind};

use super::cache::NotingCache;
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
    doubtful: Arc<AtomicBool>,
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
        let doubtful = self.doubtful.load(Ordering::Relaxed);
        Ok(Box::new(self.world.feed().doubtful(doubtful)))
    }
}

/// A world, generations and workers between them.
pub(crate) struct Works {
    pub(crate) world: World,
    pub(crate) generations: MemoryGenerations,
    pub(crate) clock: Arc<ManualClock>,
    feeds: WorldFeeds,
    cache: Option<Arc<dyn SessionCache>>,
    counters: Arc<Counters>,
    verify_every: Option<Duration>,
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
                doubtful: Arc::default(),
            },
            world,
            generations: MemoryGenerations::new(),
            clock: Arc::new(ManualClock::at(START)),
            cache: None,
            counters: Arc::default(),
            verify_every: None,
        }
    }

    fn counted(&self, name: &str) -> u64 {
        let values = self.counters.values();
        values
            .into_iter()
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
    }

    /// Starts one more worker.
    pub(crate) fn start(&self) -> Working {
        let targets = Targets::new(None, self.cache.clone(), Arc::clone(&self.counters));
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let projector = Projector::new(self.world.shared(), targets, clock, options());
        let parts = WorkerParts {
            source: self.world.shared(),
            projector,
            feeds: Arc::new(self.feeds.clone()),
            generations: Some(Arc::new(self.generations.clone())),
            stores: vec![StoreKind::Cql, StoreKind::Redis],
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
                rebuild: RebuildOptions {
                    pause: Duration::ZERO,
                    poll: polls,
                    ..RebuildOptions::default()
                },
                verify_every: self.verify_every,
                receipts_every: polls,
                forget_every: polls,
                ..WorkerOptions::default()
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

#[tokio::test]
async fn a_new_projection_is_filled_compared_and_switched_to_without_a_hand() {
    let works = Works {
        generations: MemoryGenerations::fresh(),
        ..Works::new()
    };
    let keys: Vec<_> = (0..5)
        .map(|n| works.world.conversation("a", &format!("s{n}"), 4))
        .collect();
    // What was before the feed is in no change.
    let end = works.world.end();
    works.world.rows().skip_to(end);
    let worker = works.start();
    while !works.generations.is_read() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    works.caught_up().await;
    worker.stop().await;
    assert_projected(&works.world, &works.generations.store(1), &keys).await;
}

#[tokio::test]
async fn a_projection_that_is_made_anew_while_the_feed_is_known_is_filled_too() {
    let works = Works::new();
    let keys = [works.world.conversation("a", "s", 4)];
    let worker = works.start();
    works.caught_up().await;
    worker.stop().await;
    // The keyspace was dropped and made again: an empty generation that nobody reads.
    let fresh = Works {
        generations: MemoryGenerations::fresh(),
        ..works
    };
    let worker = fresh.start();
    while !fresh.generations.is_read() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    fresh.caught_up().await;
    worker.stop().await;
    assert_projected(&fresh.world, &fresh.generations.store(1), &keys).await;
}

#[tokio::test]
async fn after_a_gap_the_cache_is_emptied_and_vouched_for_only_then() {
    let cache = NotingCache::new();
    let works = Works {
        cache: Some(Arc::new(cache.clone())),
        ..Works::new()
    };
    works.world.conversation("a", "s", 3);
    let worker = works.start();
    works.caught_up().await;
    worker.stop().await;
    assert_eq!(cache.cleared(), 0);
    // While the cache is away the gap must not be forgotten, nor the place noted.
    cache.set_away(true);
    let told = cache.watermark_now();
    let noted = works.world.acknowledged_now();
    works.world.log(works.world.append(&uid("s")));
    *works.feeds.errors.lock().unwrap() = vec![FeedErrorKind::Gap];
    let worker = works.start();
    while works.generations.active_now() == 1 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    works.world.log(works.world.append(&uid("s")));
    let end = works.world.end();
    let store = works.generations.store(works.generations.active_now());
    while store
        .watermark()
        .await
        .unwrap()
        .is_none_or(|mark| mark.position.value < end)
    {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let resume = works.world.progress("projector").await.unwrap().unwrap();
    let resume: serde_json::Value = serde_json::from_str(&resume).unwrap();
    assert_eq!(
        resume["position"], noted,
        "what is owed holds the note back"
    );
    assert_eq!((cache.cleared(), cache.watermark_now()), (0, told));
    cache.set_away(false);
    cache
        .wait(|cache| cache.cleared() > 0 && cache.watermark_now() >= Some(end))
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_comparison_by_the_clock_mends_what_other_hands_have_damaged() {
    let works = Works {
        verify_every: Some(Duration::from_secs(3_600)),
        ..Works::new()
    };
    let key = works.world.conversation("a", "s", 4);
    let worker = works.start();
    works.caught_up().await;
    let store = works.generations.store(1);
    let later = works.world.rows().sessions[&key].rev + 10;
    store.delete_turn(&key, 1, later);
    let noted = async || works.world.progress("projector-verify").await.unwrap();
    while noted().await.is_none() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(works.counted("verify_runs"), 0, "an hour has not passed");
    works.world.rows().advance(3_600_000_000);
    works.clock.advance(3_600_000_000);
    while works.counted("verify_runs") == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(
        (
            works.counted("verify_wrong"),
            works.counted("verify_mended")
        ),
        (1, 1)
    );
    works.caught_up().await;
    worker.stop().await;
    assert_projected(&works.world, &store, &[]).await;
}

/// Case 13: what another program drops with a partition is in no log, so it is found by comparing.
#[tokio::test]
async fn what_went_without_a_word_goes_from_copies_with_the_next_comparison() {
    let works = Works {
        verify_every: Some(Duration::from_secs(3_600)),
        ..Works::new()
    };
    let [whole, shorter] = ["s", "t"].map(|key| works.world.conversation("a", key, 4));
    let worker = works.start();
    works.caught_up().await;
    let noted = async || works.world.progress("projector-verify").await.unwrap();
    while noted().await.is_none() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    {
        let mut rows = works.world.rows();
        rows.turns
            .get_mut(&(shorter.clone(), 1))
            .unwrap()
            .steps
            .clear();
        rows.turns.remove(&(shorter.clone(), 3));
        rows.advance(3_600_000_000);
    }
    works.clock.advance(3_600_000_000);
    while works.counted("verify_runs") == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(works.counted("verify_wrong"), 1);
    works.caught_up().await;
    worker.stop().await;
    let keys = [whole, shorter];
    assert_projected(&works.world, &works.generations.store(1), &keys).await;
}

#[tokio::test]
async fn a_doubtful_feed_makes_a_comparison_due_that_a_restart_does_not_forget() {
    let works = Works::new();
    works.world.conversation("a", "s", 4);
    let worker = works.start();
    works.caught_up().await;
    assert_eq!(works.counted("verify_runs"), 0);
    worker.stop().await;
    // Noted by a worker that was killed before it compared.
    let due = r#"{"at":null,"due":true}"#;
    let noted = works.world.set_progress("projector-verify", Some(due));
    noted.await.unwrap();
    let worker = works.start();
    while works.counted("verify_runs") == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    worker.stop().await;
    works.feeds.doubtful.store(true, Ordering::Relaxed);
    let worker = works.start();
    while works.counted("verify_runs") < 2 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    worker.stop().await;
    assert_eq!(works.counted("verify_wrong"), 0);
}
