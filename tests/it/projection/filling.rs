//! The first filling and the feed that opens beside it: what changes while the feed opens is told
//! by nobody, so nothing may be read before.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use turngraph::cdc::{ChangeFeed, FeedError};
use turngraph::domain::Position;
use turngraph::projection::{FeedOpener, Worker, WorkerOptions, WorkerParts};
use turngraph::stores::{ProjectionSource, StoreKind};

use super::equal::{assert_listed, assert_projected};
use super::given::Given;
use super::world::World;
use crate::support::lww::LwwStore;
use crate::support::rows::uid;

/// How long a feed takes to open, so that whoever fills too early is caught at it.
const OPENING: Duration = Duration::from_millis(300);

/// A feed that begins where the world is when it has opened.
struct SlowFeeds {
    world: World,
    store: LwwStore,
}

#[async_trait]
impl FeedOpener for SlowFeeds {
    async fn open(
        &self,
        resume_from: Option<Position>,
        _: bool,
    ) -> Result<Box<dyn ChangeFeed>, FeedError> {
        if resume_from.is_none() {
            let early = async {
                while self.store.applies() == 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            tokio::time::timeout(OPENING, early).await.ok();
            for key in ["moved", "moved again"] {
                let moved = self.world.edit_session(&uid(key), |row| {
                    row.account_uid = uid("bob");
                });
                self.world.log(moved);
            }
            self.world.log(self.world.purge_turn(&uid("cut"), 1));
            self.world.log(self.world.purge_session(&uid("gone")));
            let end = self.world.end();
            self.world.rows().skip_to(end);
        }
        Ok(Box::new(self.world.feed()))
    }
}

fn start(given: &Given) -> (CancellationToken, JoinHandle<Result<(), FeedError>>) {
    let feeds = SlowFeeds {
        world: given.world.clone(),
        store: given.store.clone(),
    };
    let parts = WorkerParts {
        source: given.world.shared(),
        projector: given.projector.clone(),
        feeds: Arc::new(feeds),
        generations: None,
        clock: Arc::<turngraph::domain::clock::ManualClock>::clone(&given.clock),
        stores: vec![StoreKind::Cql],
    };
    let polls = Duration::from_millis(5);
    let options = WorkerOptions {
        lease_poll: polls,
        generations_poll: polls,
        repair_every: polls,
        verify: super::verify::options(true),
        ..WorkerOptions::default()
    };
    let (worker, stop) = (Worker::new(parts, options), CancellationToken::new());
    let stopped = stop.clone();
    let task = tokio::spawn(async move { worker.run(&stopped).await });
    (stop, task)
}

#[tokio::test]
async fn what_changes_while_the_feed_opens_is_neither_lost_nor_kept() {
    let given = Given::new();
    for key in ["moved", "moved again", "cut", "gone", "stays"] {
        given.world.conversation("alice", key, 4);
    }
    let (stop, task) = start(&given);
    // The feed goes on behind the place where it began.
    given.world.log(given.world.append(&uid("stays")));
    let filled = async {
        while given.store.watermark_now().is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, filled).await.unwrap();
    given.world.acknowledged(given.world.end()).await;
    stop.cancel();
    task.await.unwrap().unwrap();
    assert_projected(&given.world, &given.store, &[uid("gone")]).await;
    assert_listed(&given.world, &given.store, &uid("alice")).await;
}

#[tokio::test]
async fn a_filling_counts_only_once_the_feed_s_place_is_noted() {
    let given = Given::new();
    for key in ["moved", "moved again", "cut", "gone"] {
        given.world.conversation("alice", key, 4);
    }
    // As left behind by a start that filled a part and noted no place: the feed begins anew now.
    let part = serde_json::to_string(&("first", Some("cut"))).unwrap();
    let world = &given.world;
    world
        .set_progress("projector-fill", Some(&part))
        .await
        .unwrap();
    for change in world.changes() {
        let writes = turngraph::projection::writes::writes(
            &change,
            &turngraph::projection::writes::SourceRows::default(),
            crate::support::sqlite::START,
        );
        turngraph::stores::ProjectionStore::apply(&given.store, &writes.writes)
            .await
            .unwrap();
    }
    let (stop, task) = start(&given);
    let filled = async {
        while world.progress("projector-fill").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, filled).await.unwrap();
    stop.cancel();
    task.await.unwrap().unwrap();
    assert_projected(world, &given.store, &[uid("gone")]).await;
}
