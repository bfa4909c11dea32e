//! `Served`: the generation of the projections that is being read, whichever that is. It connects
//! when the store comes up and follows the catalogue when another generation is switched to, so
//! that a gateway never has to be restarted for either.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::domain::{Clock, SessionRow, Timestamp, Uid, Watermark};
use crate::projection::Generations;
use crate::stores::cql::{CqlCatalog, CqlOptions, CqlProjection, Generation, GenerationState};
use crate::stores::projection::{
    BodyPart, ListedSession, ProjectedBodies, ProjectedSession, Write,
};
use crate::stores::record::StoreResult;
use crate::stores::{ProjectionStore, StoreError, StoreErrorKind, StoreKind};

/// How often the catalogue is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The versions of the projections in one keyspace; connects when it is first needed.
pub struct CqlGenerations {
    options: CqlOptions,
    clock: Arc<dyn Clock>,
    catalog: tokio::sync::RwLock<Option<Arc<CqlCatalog>>>,
}

impl CqlGenerations {
    /// Of the keyspace that `options` name.
    pub fn new(options: CqlOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            options,
            clock,
            catalog: tokio::sync::RwLock::default(),
        }
    }

    async fn catalog(&self) -> StoreResult<Arc<CqlCatalog>> {
        if let Some(catalog) = &*self.catalog.read().await {
            return Ok(Arc::clone(catalog));
        }
        let mut place = self.catalog.write().await;
        if let Some(catalog) = &*place {
            return Ok(Arc::clone(catalog));
        }
        let opened = CqlCatalog::open(&self.options, Arc::clone(&self.clock)).await?;
        Ok(Arc::clone(place.insert(Arc::new(opened))))
    }

    /// Opens a generation for readers, who want an answer soon or none.
    async fn open_for_reads(&self, generation: i32) -> StoreResult<Arc<dyn ProjectionStore>> {
        let clock = Arc::clone(&self.clock);
        Ok(Arc::new(
            CqlProjection::open(&self.options, generation, clock).await?,
        ))
    }
}

#[async_trait]
impl Generations for CqlGenerations {
    async fn active(&self) -> StoreResult<Option<i32>> {
        self.catalog().await?.active().await
    }

    async fn building(&self) -> StoreResult<Option<i32>> {
        self.catalog().await?.building().await
    }

    async fn retired(&self) -> StoreResult<Vec<i32>> {
        let all = self.catalog().await?.generations().await?;
        let retired = |g: &Generation| g.state == GenerationState::Retired;
        Ok(all
            .iter()
            .filter(|g| retired(g))
            .map(|g| g.number)
            .collect())
    }

    async fn start(&self) -> StoreResult<i32> {
        self.catalog().await?.start().await
    }

    async fn open(&self, generation: i32) -> StoreResult<Arc<dyn ProjectionStore>> {
        let clock = Arc::clone(&self.clock);
        Ok(Arc::new(
            CqlProjection::open_patient(&self.options, generation, clock).await?,
        ))
    }

    async fn switch(&self, generation: i32) -> StoreResult<()> {
        self.catalog().await?.switch(generation).await
    }

    async fn drop_generation(&self, generation: i32) -> StoreResult<()> {
        let catalog = self.catalog().await?;
        CqlCatalog::drop(&catalog, generation).await
    }
}

/// The generation that is read.
pub struct Served {
    generations: Arc<CqlGenerations>,
    current: RwLock<Option<(i32, Arc<dyn ProjectionStore>)>>,
}

impl Served {
    /// Connects. A store that cannot be reached is waited for while the record store answers; a
    /// store that is wrong (password, keyspace, schema) is an error.
    pub async fn open(generations: Arc<CqlGenerations>) -> StoreResult<Arc<Self>> {
        let served = Arc::new(Self {
            generations,
            current: RwLock::default(),
        });
        match served.look().await {
            Ok(()) => Ok(served),
            Err(error) if is_away(&error) => {
                tracing::warn!(%error, "the projections are away; the record store answers");
                Ok(served)
            }
            Err(error) => Err(error),
        }
    }

    /// Follows the catalogue until `stop`.
    pub async fn follow(&self, stop: &CancellationToken) {
        let mut was_well = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match self.look().await {
                Ok(()) => was_well = true,
                // Said once, not every second.
                Err(error) if was_well => {
                    was_well = false;
                    tracing::warn!(%error, "the projections' catalogue cannot be read");
                }
                Err(_) => {}
            }
        }
    }

    /// Opens the active generation if it is not the one that is open.
    async fn look(&self) -> StoreResult<()> {
        let active = self.generations.active().await?;
        if active == self.number() {
            return Ok(());
        }
        let opened = match active {
            Some(number) => {
                let store = self.generations.open_for_reads(number).await?;
                tracing::info!(
                    generation = number,
                    "projections are read from this generation"
                );
                Some((number, store))
            }
            None => None,
        };
        let before = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, opened)
        };
        if let Some((_, store)) = before {
            // Reads under way hold it; its connections close behind the last of them.
            drop(store);
        }
        Ok(())
    }

    /// Number of the generation that is read.
    pub fn number(&self) -> Option<i32> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|(number, _)| *number)
    }

    fn store(&self) -> StoreResult<Arc<dyn ProjectionStore>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some((_, store)) => Ok(Arc::clone(store)),
            None => Err(StoreError {
                kind: StoreErrorKind::Unavailable,
                store: StoreKind::Cql,
                action: "connect",
                message: "no generation of the projections is open yet".to_owned(),
                source: None,
            }),
        }
    }
}

/// Whether it may come back by itself.
fn is_away(error: &StoreError) -> bool {
    matches!(
        error.kind,
        StoreErrorKind::Unavailable | StoreErrorKind::Timeout
    )
}

#[async_trait]
impl ProjectionStore for Served {
    async fn apply(&self, writes: &[Write]) -> StoreResult<()> {
        self.store()?.apply(writes).await
    }

    async fn sessions(&self, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        self.store()?.sessions(uids).await
    }

    async fn graphs(&self, uids: &[Uid]) -> StoreResult<Vec<ProjectedSession>> {
        self.store()?.graphs(uids).await
    }

    async fn bodies(
        &self,
        session_uid: &Uid,
        seqs: &[i32],
        part: BodyPart,
    ) -> StoreResult<Vec<(i32, ProjectedBodies)>> {
        self.store()?.bodies(session_uid, seqs, part).await
    }

    async fn listing(
        &self,
        account: &Uid,
        after: Option<&(Timestamp, Uid)>,
        limit: usize,
    ) -> StoreResult<Vec<ListedSession>> {
        self.store()?.listing(account, after, limit).await
    }

    async fn watermark(&self) -> StoreResult<Option<Watermark>> {
        self.store()?.watermark().await
    }

    async fn set_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        self.store()?.set_watermark(watermark).await
    }

    async fn quarantined(&self) -> StoreResult<Vec<Uid>> {
        self.store()?.quarantined().await
    }

    async fn set_quarantined(&self, session_uid: &Uid, marked: bool) -> StoreResult<()> {
        self.store()?.set_quarantined(session_uid, marked).await
    }

    async fn health(&self) -> StoreResult<String> {
        self.store()?.health().await
    }

    async fn close(&self) {
        if let Ok(store) = self.store() {
            store.close().await;
        }
    }
}
