//! `Targets`: where changes go (the active projection, one that is being built, the cache) and how
//! they are brought there whatever happens: a store that is away is waited for, an unknown outcome
//! is repeated, and only what a store refuses for good comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use super::writes::{self, Problem};
use crate::domain::{Uid, Watermark};
use crate::stores::projection::Write;
use crate::stores::record::StoreResult;
use crate::stores::{ProjectionStore, SessionCache, StoreError, StoreErrorKind};

/// First and longest wait between two tries.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Tries of one invalidation before it is kept as a debt.
const INVALIDATE_TRIES: u32 = 3;

/// Sessions whose invalidation may be owed; beyond it, lanes wait for the cache.
const DEBT_MAX: usize = 100_000;

/// The work was given up because the process ends; nothing is done until it is done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopped;

/// Copies of the record that are kept up to date. Cheap to clone.
#[derive(Clone)]
pub struct Targets(Arc<Inner>);

struct Inner {
    stores: RwLock<Arc<[Arc<dyn ProjectionStore>]>>,
    /// Whether the first of them is read.
    first_is_read: AtomicBool,
    /// How often the stores were changed.
    epoch: AtomicU64,
    cache: Option<Arc<dyn SessionCache>>,
    /// Sessions whose cache entries could not be dropped yet, and how often each was owed: a
    /// payment that began before the last time does not count.
    debt: Mutex<BTreeMap<Uid, u64>>,
    /// Everything in the cache is owed: nobody knows what changed. Counts as the debt does.
    owes_all: AtomicU64,
    counters: Arc<Counters>,
}

impl Targets {
    /// Projection, cache, or both.
    pub fn new(
        projection: Option<Arc<dyn ProjectionStore>>,
        cache: Option<Arc<dyn SessionCache>>,
        counters: Arc<Counters>,
    ) -> Self {
        Self(Arc::new(Inner {
            stores: RwLock::new(projection.into_iter().collect()),
            first_is_read: AtomicBool::new(true),
            epoch: AtomicU64::new(0),
            cache,
            debt: Mutex::default(),
            owes_all: AtomicU64::new(0),
            counters,
        }))
    }

    /// The projections that are written: the active one first, then one that is being built.
    pub fn stores(&self) -> Arc<[Arc<dyn ProjectionStore>]> {
        let stores = self.0.stores.read();
        Arc::clone(&stores.unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these projections are written; the active one first.
    pub fn set_stores(&self, stores: impl IntoIterator<Item = Arc<dyn ProjectionStore>>) {
        self.set_written(stores, true);
    }

    /// The same; `first_is_read` where the first is the active one, and none is just being built.
    pub(super) fn set_written(
        &self,
        stores: impl IntoIterator<Item = Arc<dyn ProjectionStore>>,
        first_is_read: bool,
    ) {
        self.set_first_is_read(first_is_read);
        let stores = stores.into_iter().collect();
        *self
            .0
            .stores
            .write()
            .unwrap_or_else(PoisonError::into_inner) = stores;
        self.0.epoch.fetch_add(1, Relaxed);
    }

    /// Whether the first of the stores is the one that is read.
    pub(super) fn set_first_is_read(&self, first_is_read: bool) {
        self.0.first_is_read.store(first_is_read, Relaxed);
    }

    /// Another number after each change of the stores.
    pub(super) fn epoch(&self) -> u64 {
        self.0.epoch.load(Relaxed)
    }

    /// The active projection.
    pub fn active(&self) -> Option<Arc<dyn ProjectionStore>> {
        self.stores().first().map(Arc::clone)
    }

    /// The cache.
    pub fn cache(&self) -> Option<&Arc<dyn SessionCache>> {
        self.0.cache.as_ref()
    }

    /// Where the work is counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.0.counters
    }

    /// Applies writes to every projection, then drops their sessions from the cache. What a store
    /// refuses for good is returned; everything else is durable then.
    pub(super) async fn apply(
        &self,
        writes: &[Write],
        stop: &CancellationToken,
    ) -> Result<Vec<Problem>, Stopped> {
        let mut problems = Vec::new();
        if !writes.is_empty() {
            for store in self.stores().iter() {
                self.apply_to(store, writes, stop, &mut problems).await?;
            }
            self.0
                .counters
                .writes
                .fetch_add(writes.len() as u64, Relaxed);
        }
        Ok(problems)
    }

    async fn apply_to(
        &self,
        store: &Arc<dyn ProjectionStore>,
        writes: &[Write],
        stop: &CancellationToken,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Stopped> {
        // What was refused as a whole is halved until the guilty write is alone.
        let mut parts = vec![writes];
        while let Some(part) = parts.pop() {
            let applied = self.retried(stop, || store.apply(part)).await?;
            let Err(refusal) = applied else { continue };
            if part.len() > 1 {
                let (left, right) = part.split_at(part.len() / 2);
                parts.extend([right, left]);
                continue;
            }
            // A store that refuses everything is not healthy: then nobody's data is at fault.
            self.retried(stop, || store.health()).await?.ok();
            match store.apply(part).await {
                Ok(()) => {}
                Err(error) if is_passing(&error) => parts.push(part),
                Err(_) => problems.push(Problem {
                    session_uid: Some(writes::session_of(&part[0]).clone()),
                    row: writes::described(&part[0]),
                    rev: Some(writes::rev(&part[0])),
                    error: refusal.to_string(),
                }),
            }
        }
        Ok(())
    }

    /// Repeats an action on a store until it succeeds or is refused for good.
    pub(super) async fn retried<T, F>(
        &self,
        stop: &CancellationToken,
        mut action: impl FnMut() -> F,
    ) -> Result<StoreResult<T>, Stopped>
    where
        F: Future<Output = StoreResult<T>>,
    {
        let mut wait = BACKOFF.0;
        loop {
            let result = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Stopped),
                result = action() => result,
            };
            match result {
                Err(error) if is_passing(&error) => {
                    self.0.counters.retries.fetch_add(1, Relaxed);
                    if wait == BACKOFF.1 {
                        tracing::warn!(%error, "a store is away; the projector waits for it");
                    }
                }
                other => return Ok(other),
            }
            tokio::select! {
                () = stop.cancelled() => return Err(Stopped),
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    /// Drops sessions from the cache. A cache that is away does not hold the projections up: what
    /// could not be dropped is owed, and the cache's freshness stands still until it is.
    pub(super) async fn invalidate(
        &self,
        uids: BTreeSet<Uid>,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        let Some(cache) = &self.0.cache else {
            return Ok(());
        };
        let uids: Vec<Uid> = uids.into_iter().collect();
        if uids.is_empty() {
            return Ok(());
        }
        let mut wait = BACKOFF.0;
        let mut failed = 0;
        while let Err(error) = cache.invalidate(&uids).await {
            failed += 1;
            self.0.counters.cache_failures.fetch_add(1, Relaxed);
            if failed >= INVALIDATE_TRIES && self.owe(&uids) {
                tracing::warn!(%error, "cache entries could not be dropped; it is tried again");
                return Ok(());
            }
            tokio::select! {
                () = stop.cancelled() => return Err(Stopped),
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(BACKOFF.1);
        }
        self.0
            .counters
            .invalidations
            .fetch_add(uids.len() as u64, Relaxed);
        Ok(())
    }

    /// Notes sessions as owed; false when there are too many already.
    fn owe(&self, uids: &[Uid]) -> bool {
        let mut debt = self.0.debt.lock().unwrap_or_else(PoisonError::into_inner);
        if debt.len() + uids.len() > DEBT_MAX {
            return false;
        }
        for uid in uids {
            *debt.entry(uid.clone()).or_default() += 1;
        }
        true
    }

    /// Changes were lost: the cache is emptied as soon as it can be, and is not vouched for before.
    pub(super) fn owe_everything(&self) {
        if self.0.cache.is_some() {
            self.0.owes_all.fetch_add(1, Relaxed);
        }
    }

    /// Tries to pay what is owed to the cache; true when nothing is owed.
    pub(super) async fn settle_cache(&self) -> bool {
        let Some(cache) = &self.0.cache else {
            return true;
        };
        let all = self.0.owes_all.load(Relaxed);
        if all > 0 {
            if let Err(error) = cache.clear().await {
                tracing::debug!(%error, "the cache cannot be emptied yet");
                return false;
            }
            self.0.counters.cache_clears.fetch_add(1, Relaxed);
            // One that came meanwhile is paid the next time.
            let paid = self.0.owes_all.compare_exchange(all, 0, Relaxed, Relaxed);
            if paid.is_err() {
                return false;
            }
        }
        let (owed, times): (Vec<Uid>, Vec<u64>) = {
            let debt = self.0.debt.lock().unwrap_or_else(PoisonError::into_inner);
            debt.iter()
                .take(1_000)
                .map(|(uid, times)| (uid.clone(), *times))
                .unzip()
        };
        if owed.is_empty() {
            return true;
        }
        if cache.invalidate(&owed).await.is_err() {
            return false;
        }
        let mut debt = self.0.debt.lock().unwrap_or_else(PoisonError::into_inner);
        for (uid, times) in owed.iter().zip(times) {
            if debt.get(uid) == Some(&times) {
                debt.remove(uid);
            }
        }
        debt.is_empty()
    }

    /// Whether the cache lacks invalidations.
    pub(super) fn cache_owes_nothing(&self) -> bool {
        let debt = self.0.debt.lock().unwrap_or_else(PoisonError::into_inner);
        debt.is_empty() && self.0.owes_all.load(Relaxed) == 0
    }

    /// Sessions whose cache entries could not be dropped yet.
    pub fn owed(&self) -> usize {
        let debt = self.0.debt.lock().unwrap_or_else(PoisonError::into_inner);
        debt.len()
    }

    /// Says how far the copies have come, in each of them. Untrusted copies are not to be read: of
    /// them only the projection that is being built is told.
    pub(super) async fn publish(&self, watermark: &Watermark, trusted: bool) {
        let unread = usize::from(!trusted && self.0.first_is_read.load(Relaxed));
        for store in self.stores().iter().skip(unread) {
            self.said(store.set_watermark(watermark)).await;
        }
        if let Some(cache) = &self.0.cache
            && trusted
            && self.cache_owes_nothing()
        {
            self.said(cache.set_watermark(watermark)).await;
        }
    }

    /// A store that is away must not keep the others from being told.
    async fn said(&self, telling: impl Future<Output = StoreResult<()>>) {
        let told = tokio::time::timeout(Duration::from_millis(500), telling).await;
        if !matches!(told, Ok(Ok(()))) {
            self.0.counters.publish_failures.fetch_add(1, Relaxed);
        }
    }
}

/// Errors that go away by themselves or by the hand of an operator; the write is not at fault.
fn is_passing(error: &StoreError) -> bool {
    match error.kind {
        StoreErrorKind::Unavailable
        | StoreErrorKind::Timeout
        | StoreErrorKind::Conflict
        | StoreErrorKind::NotWritable
        | StoreErrorKind::Schema => true,
        StoreErrorKind::Corrupt | StoreErrorKind::Bug => false,
    }
}
