//! Reads of one thing at the same time become one read.
//!
//! A reader never joins a read that has already begun: what it would get might be older than a
//! write that it knows of (a cache is filled after the invalidation that follows a write). It joins
//! the next one, which begins when the present one ends. So however many ask for a hot session,
//! at most one read of it runs and one waits.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::error::failure;
use crate::stores::record::StoreResult;
use crate::stores::{StoreError, StoreErrorKind};

type Outcome<V> = Result<V, Arc<StoreError>>;
type Flight<V> = Shared<BoxFuture<'static, Outcome<V>>>;

/// Reads under way, by what they read.
pub(super) struct Flights<K, V> {
    lanes: Mutex<HashMap<K, Lane<V>>>,
}

/// Reads of one thing.
struct Lane<V> {
    /// The one that has not begun.
    waiting: Option<Flight<V>>,
    /// Held by the one that runs.
    gate: Arc<tokio::sync::Mutex<()>>,
    /// Reads that have not ended.
    count: usize,
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            lanes: Mutex::new(HashMap::new()),
        })
    }

    /// The outcome of `read`, or of the same read by somebody else that has not begun yet. It goes
    /// on when its callers go away, up to its own deadline.
    pub(super) async fn run<F>(
        self: &Arc<Self>,
        key: K,
        read: impl FnOnce() -> F + Send + 'static,
    ) -> StoreResult<V>
    where
        F: Future<Output = StoreResult<V>> + Send + 'static,
    {
        let flight = self.join(key, read);
        flight.await.map_err(unshared)
    }

    fn join<F>(self: &Arc<Self>, key: K, read: impl FnOnce() -> F + Send + 'static) -> Flight<V>
    where
        F: Future<Output = StoreResult<V>> + Send + 'static,
    {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(key.clone()).or_insert_with(|| Lane {
            waiting: None,
            gate: Arc::default(),
            count: 0,
        });
        if let Some(waiting) = &lane.waiting {
            return waiting.clone();
        }
        let place = Place {
            flights: Arc::clone(self),
            key,
        };
        let gate = Arc::clone(&lane.gate);
        let task = tokio::spawn(async move {
            let place = place;
            let _turn = gate.lock().await;
            place.begin();
            read().await.map_err(Arc::new)
        });
        let flight = async move {
            task.await.unwrap_or_else(|ended| {
                let message = format!("the read was given up: {ended}");
                Err(Arc::new(failure(
                    StoreErrorKind::Unavailable,
                    "read",
                    message,
                )))
            })
        };
        let flight = flight.boxed().shared();
        lane.waiting = Some(flight.clone());
        lane.count += 1;
        flight
    }
}

/// A read's place in its lane, given back however the read ends.
struct Place<K: Eq + Hash, V> {
    flights: Arc<Flights<K, V>>,
    key: K,
}

impl<K: Clone + Eq + Hash, V> Place<K, V> {
    fn with_lane(&self, act: impl FnOnce(&mut Lane<V>)) {
        let lanes = &self.flights.lanes;
        let mut lanes = lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut lane) = lanes.entry(self.key.clone()) {
            act(lane.get_mut());
            if lane.get().count == 0 {
                lane.remove();
            }
        }
    }

    /// Nobody joins any more.
    fn begin(&self) {
        self.with_lane(|lane| lane.waiting = None);
    }
}

impl<K: Eq + Hash, V> Drop for Place<K, V> {
    fn drop(&mut self) {
        let mut lanes = self
            .flights
            .lanes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get_mut(&self.key) {
            lane.count -= 1;
            if lane.count == 0 {
                lanes.remove(&self.key);
            }
        }
    }
}

/// An error of its own for each who waited.
fn unshared(error: Arc<StoreError>) -> StoreError {
    Arc::try_unwrap(error).unwrap_or_else(|shared| StoreError {
        kind: shared.kind,
        store: shared.store,
        action: shared.action,
        message: shared.message.clone(),
        source: Some(Box::new(SharedCause(shared))),
    })
}

/// The error that several readers got.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SharedCause(Arc<StoreError>);

#[cfg(test)]
mod tests;
