//! `StoreReadiness`: how each store is, for `/health/ready` and `/health/deps`. Only the record
//! store is needed to answer; copies may be missing, and their state is shown all the same.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::App;
use super::copies::Copies;
use super::served::Served;
use crate::http::{Dependency, DependencyState, Readiness};
use crate::projection::worker::WorkerState;
use crate::stores::record::StoreResult;
use crate::stores::{ProjectionStore, RecordStore, SessionCache, StoreKind};

/// How long a store may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Readiness of the stores of a process.
pub struct StoreReadiness {
    record: Arc<dyn RecordStore>,
    projection: Option<Arc<Served>>,
    cache: Option<(Arc<dyn SessionCache>, StoreKind)>,
    worker: Option<watch::Receiver<WorkerState>>,
}

impl StoreReadiness {
    /// Of an app, its copies, and the worker of this process where there is one.
    pub fn new(app: &App, copies: &Copies, worker: Option<watch::Receiver<WorkerState>>) -> Self {
        let projection = copies.projection.as_ref();
        let cache = copies.cache.as_ref();
        Self {
            record: Arc::clone(&app.record),
            projection: projection.map(|(_, served)| Arc::clone(served)),
            cache: cache.map(|(cache, kind)| (Arc::clone(cache), *kind)),
            worker,
        }
    }

    async fn of_record(&self) -> Dependency {
        let asked = asked(async {
            let health = self.record.health().await?;
            let (is, wanted) = (health.schema_version, health.schema_expected);
            Ok(match is == wanted {
                true => (DependencyState::Up, health.engine),
                false => (
                    DependencyState::Down,
                    format!("schema {is}, expected {wanted}"),
                ),
            })
        });
        let (state, detail) = asked.await;
        Dependency {
            role: "record",
            kind: self.record.kind().name(),
            state,
            detail,
            required: true,
        }
    }

    async fn of_projection(&self) -> Option<Dependency> {
        let served = self.projection.as_ref()?;
        let (state, detail) = match served.number() {
            None => (
                DependencyState::Down,
                "no generation is read: none is filled, or the store is away".to_owned(),
            ),
            Some(number) => {
                let health = async {
                    let engine = served.health().await?;
                    Ok((
                        DependencyState::Up,
                        format!("{engine}; generation {number}"),
                    ))
                };
                asked(health).await
            }
        };
        Some(copy("projection", StoreKind::Cql.name(), state, detail))
    }

    async fn of_cache(&self) -> Option<Dependency> {
        let (cache, kind) = self.cache.as_ref()?;
        let health = async { Ok((DependencyState::Up, cache.health().await?)) };
        let (state, detail) = asked(health).await;
        Some(copy("cache", kind.name(), state, detail))
    }

    fn of_worker(&self) -> Option<Dependency> {
        let state = self.worker.as_ref()?.borrow().clone();
        let (state, detail) = match state {
            WorkerState::Standby => (DependencyState::Up, "waits, another works".to_owned()),
            WorkerState::Working => (DependencyState::Up, "works".to_owned()),
            WorkerState::Filling(why) => (DependencyState::Up, why),
            // The reason may name hosts; the log has it.
            WorkerState::Opening(_) => (DependencyState::Down, "opens its feed".to_owned()),
            WorkerState::Stopped => (DependencyState::Down, "has ended".to_owned()),
        };
        Some(copy("projector", "FEED", state, detail))
    }
}

fn copy(
    role: &'static str,
    kind: &'static str,
    state: DependencyState,
    detail: String,
) -> Dependency {
    Dependency {
        role,
        kind,
        state,
        detail,
        required: false,
    }
}

async fn asked(
    health: impl Future<Output = StoreResult<(DependencyState, String)>>,
) -> (DependencyState, String) {
    match tokio::time::timeout(PATIENCE, health).await {
        Ok(Ok(found)) => found,
        // The error may name hosts and paths, which health answers do not show to everyone.
        Ok(Err(error)) => (DependencyState::Down, format!("{:?}", error.kind)),
        Err(_) => (
            DependencyState::Down,
            format!("no answer within {} s", PATIENCE.as_secs()),
        ),
    }
}

#[async_trait]
impl Readiness for StoreReadiness {
    async fn dependencies(&self) -> Vec<Dependency> {
        let (record, projection, cache) =
            futures_util::future::join3(self.of_record(), self.of_projection(), self.of_cache())
                .await;
        let copies = [projection, cache, self.of_worker()];
        std::iter::once(record)
            .chain(copies.into_iter().flatten())
            .collect()
    }
}
