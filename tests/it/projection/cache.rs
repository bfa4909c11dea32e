//! A cache that notes what it is told, and can be away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::watch;
use turngraph::domain::{Uid, Watermark};
use turngraph::stores::cache::{Cached, Generation, HotSession};
use turngraph::stores::record::StoreResult;
use turngraph::stores::{SessionCache, StoreError, StoreErrorKind, StoreKind};

#[derive(Default)]
struct State {
    cleared: usize,
    away: bool,
    invalidated: BTreeMap<Uid, usize>,
    watermark: Option<Watermark>,
    failed: usize,
}

/// The cache. Cheap to clone.
#[derive(Clone)]
pub(crate) struct NotingCache {
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<usize>>,
}

impl NotingCache {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
            changed: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.state.lock().unwrap().away = away;
    }

    /// How often a session was dropped.
    pub(crate) fn invalidated(&self, uid: &Uid) -> usize {
        let state = self.state.lock().unwrap();
        state.invalidated.get(uid).copied().unwrap_or(0)
    }

    /// How often everything was dropped.
    pub(crate) fn cleared(&self) -> usize {
        self.state.lock().unwrap().cleared
    }

    pub(crate) fn watermark_now(&self) -> Option<u64> {
        let state = self.state.lock().unwrap();
        state.watermark.as_ref().map(|mark| mark.position.value)
    }

    /// Waits until the cache's state is as wanted; it is looked at after each call.
    pub(crate) async fn wait(&self, wanted: impl Fn(&Self) -> bool) {
        let mut changed = self.changed.subscribe();
        changed.wait_for(|_| wanted(self)).await.unwrap();
    }

    /// Calls that were refused.
    pub(crate) fn failed(&self) -> usize {
        self.state.lock().unwrap().failed
    }

    fn told(&self, tell: impl FnOnce(&mut State)) -> StoreResult<()> {
        let mut state = self.state.lock().unwrap();
        let away = state.away;
        if away {
            state.failed += 1;
        } else {
            tell(&mut state);
        }
        drop(state);
        self.changed.send_modify(|n| *n += 1);
        if !away {
            return Ok(());
        }
        Err(StoreError {
            kind: StoreErrorKind::Unavailable,
            store: StoreKind::Redis,
            action: "cache",
            message: "as the test ordered".to_owned(),
            source: None,
        })
    }
}

#[async_trait]
impl SessionCache for NotingCache {
    async fn get(&self, uids: &[Uid]) -> StoreResult<Vec<Cached>> {
        Ok(uids.iter().map(|_| Cached::Miss(Generation(0))).collect())
    }

    async fn fill(&self, _: &Uid, _: Generation, _: Option<Arc<HotSession>>) -> StoreResult<bool> {
        Ok(false)
    }

    async fn invalidate(&self, uids: &[Uid]) -> StoreResult<()> {
        self.told(|state| {
            for uid in uids {
                *state.invalidated.entry(uid.clone()).or_default() += 1;
            }
        })
    }

    async fn clear(&self) -> StoreResult<()> {
        self.told(|state| state.cleared += 1)
    }

    async fn set_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        self.told(|state| state.watermark = Some(watermark.clone()))
    }

    async fn watermark(&self) -> StoreResult<Option<Watermark>> {
        Ok(self.state.lock().unwrap().watermark.clone())
    }

    async fn health(&self) -> StoreResult<String> {
        Ok("noting".to_owned())
    }

    async fn close(&self) {}
}
