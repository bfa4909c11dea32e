//! Rebuild into a new generation while the stream goes on, with a process that is killed at it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use turngraph::domain::Uid;
use turngraph::domain::clock::ManualClock;
use turngraph::projection::rebuild::{RebuildPhase, RebuildProgress};
use turngraph::projection::{Generations, Rebuild, RebuildOptions};
use turngraph::stores::record::StoreResult;
use turngraph::stores::{ProjectionSource, ProjectionStore, StoreErrorKind};

use super::equal::assert_projected;
use super::worker::Works;
use crate::support::lww::{LwwStore, Verdict};

#[derive(Default)]
struct State {
    stores: BTreeMap<i32, LwwStore>,
    active: Option<i32>,
    building: Option<i32>,
}

/// Generations in memory. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct MemoryGenerations(Arc<Mutex<State>>);

impl MemoryGenerations {
    /// With an active, empty generation 1.
    pub(crate) fn new() -> Self {
        let state = State {
            stores: [(1, LwwStore::new())].into(),
            active: Some(1),
            building: None,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// As migrations leave a new keyspace: generation 1 is there, and nobody reads it.
    pub(crate) fn fresh() -> Self {
        let generations = Self::new();
        generations.be_fresh();
        generations
    }

    /// Forgets which generation is read; the last is being built.
    pub(crate) fn be_fresh(&self) {
        let mut state = self.0.lock().unwrap();
        state.building = state.stores.keys().copied().max();
        state.active = None;
    }

    pub(crate) fn is_read(&self) -> bool {
        self.0.lock().unwrap().active.is_some()
    }

    pub(crate) fn store(&self, generation: i32) -> LwwStore {
        self.0.lock().unwrap().stores[&generation].clone()
    }

    pub(crate) fn active_now(&self) -> i32 {
        self.0.lock().unwrap().active.unwrap()
    }
}

#[async_trait]
impl Generations for MemoryGenerations {
    async fn active(&self) -> StoreResult<Option<i32>> {
        Ok(self.0.lock().unwrap().active)
    }

    async fn building(&self) -> StoreResult<Option<i32>> {
        Ok(self.0.lock().unwrap().building)
    }

    async fn retired(&self) -> StoreResult<Vec<i32>> {
        let state = self.0.lock().unwrap();
        let kept = state.stores.keys().copied();
        Ok(kept
            .filter(|number| Some(*number) != state.active && Some(*number) != state.building)
            .collect())
    }

    async fn start(&self) -> StoreResult<i32> {
        let mut state = self.0.lock().unwrap();
        let number = state.stores.keys().max().unwrap() + 1;
        state.stores.insert(number, LwwStore::new());
        state.building = Some(number);
        Ok(number)
    }

    async fn open(&self, generation: i32) -> StoreResult<Arc<dyn ProjectionStore>> {
        Ok(self.store(generation).shared())
    }

    async fn switch(&self, generation: i32) -> StoreResult<()> {
        let mut state = self.0.lock().unwrap();
        state.active = Some(generation);
        state.building = None;
        Ok(())
    }

    async fn drop_generation(&self, generation: i32) -> StoreResult<()> {
        self.0.lock().unwrap().stores.remove(&generation);
        Ok(())
    }
}

fn rebuild(works: &Works) -> Rebuild {
    let options = RebuildOptions {
        chunk: 2,
        at_once: 2,
        pause: Duration::ZERO,
        poll: Duration::from_millis(5),
        verify: super::verify::options(true),
        drop_old: false,
    };
    let clock = Arc::<ManualClock>::clone(&works.clock);
    let generations = Arc::new(works.generations.clone());
    Rebuild::new(works.world.shared(), generations, clock, options)
}

fn filled() -> (Works, Vec<Uid>) {
    let works = Works::new();
    let keys = (0..9)
        .map(|n| works.world.conversation("a", &format!("s{n}"), 5))
        .collect();
    (works, keys)
}

#[tokio::test]
async fn a_new_generation_is_filled_beside_the_stream_verified_and_switched_to() {
    let (works, keys) = filled();
    let worker = works.start();
    works.caught_up().await;
    // Purged before, so that it is in no key of the record.
    works.world.log(works.world.purge_session(&keys[8]));
    let mut seen = Vec::new();
    let world = works.world.clone();
    let written = keys.clone();
    let mut report = |progress: &RebuildProgress| {
        seen.push((progress.phase, progress.done, progress.total));
        // The record goes on in the middle of it, in front of the copy and behind it.
        let n = progress.done as usize % 7;
        world.log(world.append(&written[n]));
        world.log(vec![
            world.edit(&written[(n + 3) % 7], 1, |t| t.turn.liked = Some(true)),
        ]);
    };
    let stop = CancellationToken::new();
    let done = rebuild(&works).run(&mut report, &stop).await.unwrap();
    assert!(done.switched);
    assert_eq!((done.generation, done.sessions), (2, 8));
    assert_eq!(works.generations.active_now(), 2);
    assert_eq!(seen[0].0, RebuildPhase::Waiting);
    assert!(seen.contains(&(RebuildPhase::Copying, 4, 8)), "{seen:?}");
    assert_eq!(seen.last().unwrap().0, RebuildPhase::Switched);
    works.caught_up().await;
    worker.stop().await;
    let new = works.generations.store(2);
    assert_projected(&works.world, &new, &keys).await;
    new.assert_kept_promises();
    assert_eq!(works.world.progress("rebuild").await.unwrap(), None);
}

#[tokio::test]
async fn a_killed_rebuild_goes_on_where_it_was() {
    let (works, keys) = filled();
    let worker = works.start();
    works.caught_up().await;
    let stop = CancellationToken::new();
    let killed = stop.clone();
    let mut report = |progress: &RebuildProgress| {
        if progress.done == 4 {
            killed.cancel();
        }
    };
    let done = rebuild(&works).run(&mut report, &stop).await.unwrap();
    assert!(!done.switched);
    let mut first = None;
    let mut report = |progress: &RebuildProgress| {
        first.get_or_insert((progress.generation, progress.done));
    };
    let done = rebuild(&works)
        .run(&mut report, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(first, Some((2, 4)));
    assert_eq!((done.switched, done.sessions), (true, 9));
    works.caught_up().await;
    worker.stop().await;
    assert_projected(&works.world, &works.generations.store(2), &keys).await;
}

#[tokio::test]
async fn a_purge_while_its_session_is_being_copied_stays_a_purge() {
    let (works, keys) = filled();
    let worker = works.start();
    works.caught_up().await;
    let world = works.world.clone();
    let (victim, purged) = (keys[3].clone(), Arc::new(Mutex::new(false)));
    let mut report = {
        let (world, victim, purged) = (world.clone(), victim.clone(), Arc::clone(&purged));
        let generations = works.generations.clone();
        move |progress: &RebuildProgress| {
            if progress.phase != RebuildPhase::Waiting {
                return;
            }
            // When its rows are about to be written, the session is purged in the record.
            let (world, victim, purged) = (world.clone(), victim.clone(), Arc::clone(&purged));
            generations.store(2).judge(move |batch| {
                use turngraph::projection::writes::session_of;
                if batch.iter().any(|w| *session_of(w) == victim)
                    && !std::mem::replace(&mut *purged.lock().unwrap(), true)
                {
                    world.log(world.purge_session(&victim));
                    return Verdict::Fail(StoreErrorKind::Timeout);
                }
                Verdict::Pass
            });
        }
    };
    let done = rebuild(&works)
        .run(&mut report, &CancellationToken::new())
        .await
        .unwrap();
    assert!(done.switched && *purged.lock().unwrap());
    works.caught_up().await;
    worker.stop().await;
    assert_projected(&works.world, &works.generations.store(2), &keys).await;
}

#[tokio::test]
async fn two_rebuilds_at_once_are_one_and_a_refusal() {
    let (works, _) = filled();
    let _lease = works.world.lease("rebuild").await.unwrap().unwrap();
    let refused = rebuild(&works)
        .run(&mut |_| (), &CancellationToken::new())
        .await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("another rebuild is running")
    );
}

#[tokio::test]
async fn backfill_stream_repair_and_verify_at_once_converge() {
    let (works, keys) = filled();
    let worker = works.start();
    works.caught_up().await;
    let over = CancellationToken::new();
    let writer = tokio::spawn({
        let (world, keys, over) = (works.world.clone(), keys.clone(), over.clone());
        async move {
            for n in 0usize.. {
                if over.is_cancelled() {
                    return;
                }
                let key = &keys[n % keys.len()];
                world.log(match n % 3 {
                    0 => world.append(key),
                    1 => vec![world.edit_step((key, 1, 1), Some(&n.to_string()), n % 2 == 0)],
                    _ => vec![world.edit(key, 3, |t| t.turn.liked = Some(n % 2 == 0))],
                });
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        }
    });
    let stop = CancellationToken::new();
    let verify = works.verifier();
    let (mut on_rebuild, mut on_verify) = (|_: &RebuildProgress| (), |_: &_| ());
    let builder = rebuild(&works);
    let (rebuilt, verified) = tokio::join!(
        builder.run(&mut on_rebuild, &stop),
        verify.run(&mut on_verify, &stop),
    );
    assert!(rebuilt.unwrap().switched);
    assert_eq!(verified.unwrap().wrong, 0);
    over.cancel();
    writer.await.unwrap();
    works.caught_up().await;
    worker.stop().await;
    assert_projected(&works.world, &works.generations.store(2), &keys).await;
}
