//! How the stores are, as the router knows it and as they say themselves.

use std::future::Future;
use std::time::Duration;

use super::guard::Hop;
use super::guard::breaker::BreakerState;
use super::{ReadErrorKind, Reads, Source};
use crate::stores::record::StoreResult;

/// A store that does not say how it is within this time is taken as gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// One store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreState {
    /// `record`, `analytics`, `projection` or `cache`.
    pub role: &'static str,
    /// Which engine.
    pub kind: Source,
    /// Whether it just answered.
    pub reachable: bool,
    /// What its breaker does; none where it has none.
    pub breaker: Option<BreakerState>,
    /// How long its last reads took, in milliseconds; none before the first.
    pub p99_ms: Option<f64>,
    /// How far it is behind the record store, where that is known.
    pub lag_ms: Option<i64>,
    /// Engine and version, or what is wrong. Names no host.
    pub message: String,
}

/// All stores.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemState {
    /// The record store first.
    pub stores: Vec<StoreState>,
    /// How far the projections are behind; none without projections, or where it is not known.
    pub lag_ms: Option<i64>,
}

impl Reads {
    /// Asks every store how it is, all at once, two seconds at most.
    pub async fn status(&self) -> SystemState {
        let record = async {
            let health = self.stores.record.health();
            asked(health).await.map(|health| health.engine)
        };
        let cache = async {
            match &self.stores.cache {
                Some((cache, _)) => Some(asked(cache.health()).await),
                None => None,
            }
        };
        let projection = async {
            match &self.stores.projection {
                Some((projection, _)) => Some(asked(projection.health()).await),
                None => None,
            }
        };
        let analytics = async {
            match &self.stores.analytics {
                Some((store, _)) => Some(asked(store.health()).await.map(|h| h.engine)),
                None => None,
            }
        };
        let (record, cache, projection, analytics) =
            futures_util::future::join4(record, cache, projection, analytics).await;
        let lag_ms = self.lag_ms().await;
        let known = |hop: &Hop, lag_ms| Known {
            breaker: Some(hop.state()),
            p99_ms: hop.latencies().p99_ms(),
            lag_ms,
        };
        let mut of_record = known(&self.stores.record_hop, Some(0));
        if !self.stores.has_copies() {
            of_record.breaker = None;
        }
        let kind = self.stores.record.kind();
        let mut stores = vec![state("record", kind, record, of_record)];
        if let (Some(health), Some((store, _))) = (analytics, &self.stores.analytics) {
            let known = Known {
                p99_ms: self.stores.analytics_latencies.p99_ms(),
                ..Known::default()
            };
            stores.push(state("analytics", store.kind(), health, known));
        }
        if let (Some(health), Some((_, hop))) = (projection, &self.stores.projection) {
            stores.push(state("projection", Source::Cql, health, known(hop, lag_ms)));
        }
        if let (Some(health), Some((_, hop))) = (cache, &self.stores.cache) {
            let kind = self.stores.cache_kind;
            stores.push(state("cache", kind, health, known(hop, None)));
        }
        SystemState { stores, lag_ms }
    }

    /// How far the projections are behind, in milliseconds.
    pub async fn lag_ms(&self) -> Option<i64> {
        self.stores.projection.as_ref()?;
        let told = self.progress.current(&self.stores).await?;
        Some(((self.clock.now().0 - told.as_of.0) / 1_000).max(0))
    }
}

async fn asked<T>(health: impl Future<Output = StoreResult<T>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, health).await {
        Ok(Ok(health)) => Ok(health),
        Ok(Err(error)) => {
            tracing::warn!(error = %error, "a store is not well");
            // The error itself may name hosts, which not every client may know.
            Err(match error.kind {
                ReadErrorKind::Unavailable => "cannot be reached".to_owned(),
                ReadErrorKind::Timeout => "does not answer in time".to_owned(),
                ReadErrorKind::Schema => "has a schema of another version".to_owned(),
                _ => "is not well; the server's log says why".to_owned(),
            })
        }
        Err(_) => Err(format!("does not answer within {} s", PATIENCE.as_secs())),
    }
}

/// What the router itself knows of a store.
#[derive(Default)]
struct Known {
    breaker: Option<BreakerState>,
    p99_ms: Option<f64>,
    lag_ms: Option<i64>,
}

fn state(
    role: &'static str,
    kind: Source,
    health: Result<String, String>,
    known: Known,
) -> StoreState {
    StoreState {
        role,
        kind,
        reachable: health.is_ok(),
        breaker: known.breaker,
        p99_ms: known.p99_ms,
        lag_ms: known.lag_ms,
        message: health.unwrap_or_else(|problem| problem),
    }
}
