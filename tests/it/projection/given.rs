//! A projector at work on a world, which a test can stop, kill and start again.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use turngraph::cdc::FeedError;
use turngraph::domain::Uid;
use turngraph::domain::clock::ManualClock;
use turngraph::projection::{Counters, Projector, ProjectorOptions, Targets};
use turngraph::stores::{ProjectionSource, ProjectionStore, SessionCache};

use super::equal::assert_projected;
use super::world::World;
use crate::support::lww::LwwStore;
use crate::support::sqlite::START;

/// Fast enough for tests, and with batches small enough that there are many.
pub(crate) fn options() -> ProjectorOptions {
    ProjectorOptions {
        lanes: 3,
        lane_capacity: 64,
        batch_writes: 5,
        publish_every: Duration::from_millis(5),
        acknowledge_every: Duration::from_millis(5),
        drain: Duration::from_secs(60),
        ..ProjectorOptions::default()
    }
}

/// A world, a store and the projector between them.
pub(crate) struct Given {
    pub(crate) world: World,
    pub(crate) store: LwwStore,
    pub(crate) projector: Projector,
    pub(crate) clock: Arc<ManualClock>,
}

impl Given {
    pub(crate) fn new() -> Self {
        Self::with(World::new(), LwwStore::new(), None)
    }

    pub(crate) fn with(
        world: World,
        store: LwwStore,
        cache: Option<Arc<dyn SessionCache>>,
    ) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let targets = Targets::new(Some(store.shared()), cache, Arc::new(Counters::default()));
        let projector = Projector::new(
            world.shared(),
            targets,
            Arc::<ManualClock>::clone(&clock),
            options(),
        );
        Self {
            world,
            store,
            projector,
            clock,
        }
    }

    /// Starts the projector on a fresh connection of the feed.
    pub(crate) fn start(&self) -> Running {
        let (projector, mut feed) = (self.projector.clone(), self.world.feed());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { projector.run(&mut feed, &stopped).await });
        Running { stop, task }
    }

    /// Lets the projector take in everything that is in the log, and stops it.
    pub(crate) async fn catch_up(&self) {
        let running = self.start();
        self.world.acknowledged(self.world.end()).await;
        running.stop().await;
    }

    pub(crate) async fn assert_equal(&self, once_there: &[Uid]) {
        assert_projected(&self.world, &self.store, once_there).await;
        self.store.assert_kept_promises();
    }

    pub(crate) fn counted(&self, name: &str) -> u64 {
        let values = self.projector.targets().counters().values();
        values
            .into_iter()
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
    }

    pub(crate) async fn letters(&self) -> usize {
        self.world.dead_letters(1_000).await.unwrap().len()
    }

    pub(crate) async fn quarantined(&self) -> Vec<Uid> {
        self.store.quarantined().await.unwrap()
    }
}

/// A projector that runs.
pub(crate) struct Running {
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), FeedError>>,
}

impl Running {
    /// Asks it to stop and waits for it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Ends it as a kill does: in the middle of whatever it does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        self.task.await.unwrap_err();
    }
}
