//! Stores that fail, stall and answer half; processes that are killed; changes that nobody can
//! apply. Nothing is lost, nothing is acknowledged too early, and one bad row stops nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use turngraph::cdc::{ChangeFeed, FeedError, FeedErrorKind, FeedEvent};
use turngraph::domain::change::Change;
use turngraph::domain::{Timestamp, Uid};
use turngraph::projection::writes::{self, REV_AHEAD_MAX};
use turngraph::projection::{Counters, Projector, Targets};
use turngraph::stores::projection::Write;
use turngraph::stores::{ProjectionStore, SessionCache, StoreErrorKind};

use super::cache::NotingCache;
use super::given::{Given, options};
use super::world::World;
use crate::support::lww::{LwwStore, Verdict};
use crate::support::rows::{session, uid};
use crate::support::sqlite::START;

/// Sessions enough to be in every lane.
fn some_sessions(world: &World) -> Vec<Uid> {
    (0..12)
        .map(|n| world.conversation("a", &format!("s{n}"), 4))
        .collect()
}

fn about(uid: &Uid) -> impl Fn(&[Write]) -> bool + Send + 'static {
    let uid = uid.clone();
    move |batch| batch.iter().any(|write| *writes::session_of(write) == uid)
}

#[tokio::test]
async fn killed_between_the_write_and_the_acknowledgement_it_writes_the_same_again() {
    let given = Given::new();
    some_sessions(&given.world);
    let mut idle = options();
    idle.acknowledge_every = std::time::Duration::from_secs(3_600);
    let targets = given.projector.targets().clone();
    let clock = Arc::<turngraph::domain::clock::ManualClock>::clone(&given.clock);
    let projector = Projector::new(given.world.shared(), targets, clock, idle);
    let mut feed = given.world.feed();
    let mut watermark = projector.watermark();
    let stop = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(async move { projector.run(&mut feed, &stop).await });
    let end = given.world.end();
    let everything = |mark: &Option<turngraph::domain::Watermark>| {
        mark.as_ref().is_some_and(|mark| mark.position.value == end)
    };
    watermark.wait_for(everything).await.unwrap();
    task.abort();
    task.await.unwrap_err();
    let once = given.store.dump();
    assert_eq!(given.world.acknowledged_now(), 0);
    given.catch_up().await;
    assert_eq!(given.store.dump(), once);
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn killed_in_the_middle_of_a_batch_it_leaves_no_gap() {
    let given = Given::new();
    some_sessions(&given.world);
    let mut count = 0;
    given.store.judge(move |_| {
        count += 1;
        if count < 6 {
            Verdict::Pass
        } else {
            Verdict::Half
        }
    });
    let running = given.start();
    while given.counted("retries") < 3 {
        tokio::task::yield_now().await;
    }
    running.kill().await;
    assert!(given.world.acknowledged_now() < given.world.end());
    given.store.acquit();
    given.catch_up().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_and_an_unknown_outcome_is_repeated() {
    let given = Given::new();
    let keys = some_sessions(&given.world);
    for key in &keys {
        given.world.log(given.world.foreign_turn(key));
        let edit = given.world.edit_step((key, 1, 0), Some("1"), false);
        given.world.log(vec![edit]);
    }
    let verdicts = [
        Verdict::Fail(StoreErrorKind::Unavailable),
        Verdict::Unknown,
        Verdict::Half,
        Verdict::Fail(StoreErrorKind::Conflict),
        Verdict::Pass,
    ];
    let mut next = verdicts.into_iter().cycle().take(15);
    given
        .store
        .judge(move |_| next.next().unwrap_or(Verdict::Pass));
    given.world.fail_reads(4);
    given.catch_up().await;
    given.assert_equal(&[]).await;
    assert_eq!(given.letters().await, 0);
    assert!(given.counted("retries") > 0);
}

#[tokio::test]
async fn half_a_batch_is_not_acknowledged_and_a_reader_sees_the_gap() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 4);
    given.store.judge(|_| Verdict::Half);
    let running = given.start();
    while given.counted("retries") < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(given.world.acknowledged_now(), 0);
    assert_eq!(*given.projector.watermark().borrow(), None);
    let of = std::slice::from_ref(&key);
    let graphs = given.store.graphs(of).await.unwrap();
    assert!(graphs.iter().all(|graph| !graph.complete), "{graphs:?}");
    given.store.acquit();
    given.world.acknowledged(given.world.end()).await;
    running.stop().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn while_a_store_stalls_freshness_stands_still_and_then_catches_up() {
    let given = Given::new();
    given.world.conversation("a", "s", 2);
    given.catch_up().await;
    let before = given.projector.watermark().borrow().clone().unwrap();
    given.store.stall(true);
    let running = given.start();
    given.world.log(given.world.append(&uid("s")));
    given.store.stalled_calls(1).await;
    // What is told to readers is the age of what they see.
    let told = given.store.watermark().await.unwrap().unwrap();
    assert_eq!(
        (told.position.value, told.as_of),
        (before.position.value, before.as_of)
    );
    given.store.stall(false);
    given.world.acknowledged(given.world.end()).await;
    running.stop().await;
    let after = given.store.watermark().await.unwrap().unwrap();
    assert!(after.position.value == given.world.end() && after.as_of > before.as_of);
}

#[tokio::test]
async fn one_lane_that_waits_holds_the_watermark_but_not_the_other_lanes() {
    let given = Given::new();
    let stuck = given.world.conversation("a", "stuck", 2);
    let stuck_is_written = about(&stuck);
    given.store.judge(move |batch| {
        if stuck_is_written(batch) {
            Verdict::Fail(StoreErrorKind::Unavailable)
        } else {
            Verdict::Pass
        }
    });
    let others: Vec<Uid> = (0..12)
        .map(|n| given.world.conversation("a", &format!("o{n}"), 1))
        .collect();
    let running = given.start();
    // Two of three lanes are free; what they hold arrives.
    while given.store.sessions(&others).await.unwrap().len() < 6 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        given
            .store
            .sessions(std::slice::from_ref(&stuck))
            .await
            .unwrap(),
        []
    );
    assert_eq!(*given.projector.watermark().borrow(), None);
    assert_eq!(given.world.acknowledged_now(), 0);
    given.store.acquit();
    given.world.acknowledged(given.world.end()).await;
    running.stop().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn a_row_that_the_store_refuses_is_put_aside_and_the_rest_goes_on() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 4);
    let poisoned = |write: &Write| matches!(write, Write::Turn(turn) if turn.turn.seq == 2);
    given.store.judge(move |batch| {
        if batch.iter().any(poisoned) {
            Verdict::Fail(StoreErrorKind::Bug)
        } else {
            Verdict::Pass
        }
    });
    given.catch_up().await;
    assert_eq!(given.quarantined().await, std::slice::from_ref(&key));
    let letters = given.world.rows().letters.clone();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].session_uid.as_ref(), Some(&key));
    assert!(letters[0].row.contains("turn t3"), "{}", letters[0].row);
    let graph = given
        .store
        .graphs(std::slice::from_ref(&key))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(graph.turns.len(), 3);
    assert!(!graph.complete, "a reader sees the gap");
}

#[tokio::test]
async fn a_row_from_the_future_is_put_aside() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 2);
    let mut future = given
        .world
        .edit(&key, 1, |turn| turn.turn.liked = Some(true));
    let Change::Turn(turn) = &mut future else {
        unreachable!()
    };
    turn.turn.rev = START.0 + REV_AHEAD_MAX + 1_000_000;
    given.world.log(vec![future]);
    given.catch_up().await;
    assert_eq!(given.quarantined().await, [key]);
    assert_eq!(given.letters().await, 1);
    let letter = given.world.rows().letters[0].clone();
    assert!(
        letter.error.contains("ahead of the projector's clock"),
        "{}",
        letter.error
    );
    assert_eq!(letter.rev, Some(START.0 + REV_AHEAD_MAX + 1_000_000));
}

#[tokio::test]
async fn two_turns_with_one_number_are_put_aside_together() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 2);
    // The record store holds a second turn with number 1, which no engine may give.
    let mut twin = given.world.rows().turns[&(key.clone(), 1)].clone();
    twin.turn.uid = uid("another");
    let twins = [((key.clone(), 1), twin.clone())];
    given.world.rows().twins.extend(twins);
    let first = given.world.edit(&key, 1, |_| ());
    given
        .world
        .log(vec![first, super::world::turn_change(&key, &twin)]);
    given.catch_up().await;
    assert_eq!(given.quarantined().await, [key]);
    let letter = given.world.rows().letters[0].clone();
    assert!(letter.error.contains("two turns have this number"));
}

#[tokio::test]
async fn what_a_feed_cannot_read_is_kept_and_the_feed_goes_on() {
    let given = Given::new();
    struct Torn(Vec<FeedEvent>);
    #[async_trait]
    impl ChangeFeed for Torn {
        fn name(&self) -> &'static str {
            "torn"
        }
        fn store(&self) -> &str {
            "world"
        }
        async fn next(&mut self) -> Result<FeedEvent, FeedError> {
            match self.0.pop() {
                Some(event) => Ok(event),
                None => Err(FeedError {
                    kind: FeedErrorKind::Retry,
                    message: "cut off".to_owned(),
                    source: None,
                }),
            }
        }
        async fn acknowledge(&mut self, _: u64) -> Result<(), FeedError> {
            Ok(())
        }
    }
    let change = super::world::session_change(session("a", "after"));
    let mut feed = Torn(vec![
        FeedEvent::Commit {
            position: 1,
            committed_at: Timestamp(1),
        },
        FeedEvent::Change(change),
        FeedEvent::Unreadable {
            session_uid: Some(uid("torn")),
            row: "sessions torn".to_owned(),
            problem: "bytes are missing".to_owned(),
        },
    ]);
    let stop = tokio_util::sync::CancellationToken::new();
    let ended = given.projector.run(&mut feed, &stop).await;
    assert_eq!(ended.unwrap_err().message, "cut off");
    assert_eq!(given.quarantined().await, [uid("torn")]);
    // What was told before the feed failed is durable.
    assert_eq!(
        given.store.sessions(&[uid("after")]).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn the_cache_is_dropped_after_the_projection_is_durable_and_never_forgotten() {
    let cache = NotingCache::new();
    let shared: Arc<dyn SessionCache> = Arc::new(cache.clone());
    let given = Given::with(World::new(), LwwStore::new(), Some(shared));
    let key = given.world.conversation("a", "s", 2);
    let (noted, of, mut calls) = (cache.clone(), key.clone(), 0);
    given.store.judge(move |_| {
        calls += 1;
        assert!(
            noted.invalidated(&of) < calls,
            "dropped before it was durable"
        );
        Verdict::Pass
    });
    given.catch_up().await;
    assert!(cache.invalidated(&key) > 0);
    given.store.acquit();

    cache.set_away(true);
    let second = given.world.conversation("a", "second", 2);
    let before = given.world.acknowledged_now();
    let running = given.start();
    let mut watermark = given.projector.watermark();
    let end = given.world.end();
    watermark
        .wait_for(|m| m.as_ref().is_some_and(|m| m.position.value == end))
        .await
        .unwrap();
    // The projection goes on; the cache's own freshness and the acknowledgement stand still.
    assert!(cache.failed() > 0);
    assert_eq!(cache.watermark_now(), Some(before));
    assert_eq!(given.world.acknowledged_now(), before);
    cache.set_away(false);
    cache.wait(|cache| cache.watermark_now() == Some(end)).await;
    assert!(cache.invalidated(&second) > 0);
    given.world.acknowledged(end).await;
    running.stop().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn with_a_cache_alone_sessions_are_dropped_and_nothing_is_read() {
    let (world, cache) = (World::new(), NotingCache::new());
    let shared: Arc<dyn SessionCache> = Arc::new(cache.clone());
    let targets = Targets::new(None, Some(shared), Arc::new(Counters::default()));
    let clock = Arc::new(turngraph::domain::clock::ManualClock::at(START));
    let projector = Projector::new(world.shared(), targets, clock, options());
    let key = world.conversation("a", "s", 2);
    let other = world.conversation("a", "other", 2);
    world.log(world.foreign_turn(&key));
    let (mut feed, stop) = (world.feed(), tokio_util::sync::CancellationToken::new());
    let stopped = stop.clone();
    let task = tokio::spawn(async move { projector.run(&mut feed, &stopped).await });
    world.acknowledged(world.end()).await;
    stop.cancel();
    task.await.unwrap().unwrap();
    assert!(cache.invalidated(&key) > 0 && cache.invalidated(&other) > 0);
    assert_eq!(cache.watermark_now(), Some(world.end()));
}

/// One transaction that never fits into memory.
struct Endless {
    told: Arc<AtomicUsize>,
    of: usize,
}

#[async_trait]
impl ChangeFeed for Endless {
    fn name(&self) -> &'static str {
        "endless"
    }
    fn store(&self) -> &str {
        "world"
    }
    async fn next(&mut self) -> Result<FeedEvent, FeedError> {
        let n = self.told.fetch_add(1, Ordering::Relaxed);
        if n < self.of {
            let row = session("a", &format!("s{}", n % 1_000));
            return Ok(FeedEvent::Change(super::world::session_change(row)));
        }
        if n > self.of {
            std::future::pending::<()>().await;
        }
        Ok(FeedEvent::Commit {
            position: 1,
            committed_at: Timestamp(1),
        })
    }
    async fn acknowledge(&mut self, _: u64) -> Result<(), FeedError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_huge_transaction_waits_for_the_store_in_bounded_memory() {
    let given = Given::new();
    let told = Arc::new(AtomicUsize::new(0));
    let mut feed = Endless {
        told: Arc::clone(&told),
        of: 200_000,
    };
    given.store.stall(true);
    let mut large = options();
    large.lane_capacity = 512;
    large.batch_writes = 256;
    let targets = given.projector.targets().clone();
    let clock = Arc::<turngraph::domain::clock::ManualClock>::clone(&given.clock);
    let projector = Projector::new(given.world.shared(), targets, clock, large);
    let mut watermark = projector.watermark();
    let stop = tokio_util::sync::CancellationToken::new();
    let stopped = stop.clone();
    let task = tokio::spawn(async move { projector.run(&mut feed, &stopped).await });
    given.store.stalled_calls(3).await;
    let mut seen = 0;
    while seen != told.load(Ordering::Relaxed) {
        seen = told.load(Ordering::Relaxed);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(seen < 3 * (512 + 256) + 10, "{seen} changes are held");
    given.store.stall(false);
    watermark.wait_for(Option::is_some).await.unwrap();
    stop.cancel();
    task.await.unwrap().unwrap();
    assert_eq!(
        given
            .store
            .listing(&uid("a"), None, 5_000)
            .await
            .unwrap()
            .len(),
        1_000
    );
}
