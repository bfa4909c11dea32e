//! `Copies`: what an installation has beside the record store (projections, the hot cache), opened
//! from the configuration, and what keeps them up to date.

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::App;
use super::feeds::Feeds;
use super::served::{CqlGenerations, Served};
use crate::config::{Config, RecordUrl};
use crate::lifecycle::Lifecycle;
use crate::projection::{
    Counters, DualWrite, DualWriteOptions, Generations, Projector, ProjectorOptions, Quarantine,
    Targets, Verify, VerifyOptions, Worker, WorkerOptions, WorkerParts,
};
use crate::reads::Source;
use crate::stores::cache::random::Random;
use crate::stores::cql::CqlOptions;
use crate::stores::memory::{MemoryCache, MemoryOptions};
use crate::stores::redis::{RedisCache, RedisOptions};
use crate::stores::{ProjectionStore, SessionCache, StoreKind};

/// Projections and cache of an installation; all may be missing.
pub struct Copies {
    /// The versions of the projections, and the one that is read.
    pub projection: Option<(Arc<CqlGenerations>, Arc<Served>)>,
    /// The hot cache, and how answers name it.
    pub cache: Option<(Arc<dyn SessionCache>, Source)>,
    /// What was done to them.
    pub counters: Arc<Counters>,
}

impl Copies {
    /// Opens what the configuration names. A store that cannot be reached is waited for, one that
    /// is wrong is an error that says what to do.
    pub async fn open(config: &Config, app: &App) -> anyhow::Result<Self> {
        Ok(Self {
            projection: match cql_options(config)? {
                None => None,
                Some(options) => {
                    let generations = CqlGenerations::new(options, Arc::clone(&app.clock));
                    let generations = Arc::new(generations);
                    let served = Served::open(Arc::clone(&generations)).await;
                    Some((generations, served.context("the projections (`cql`)")?))
                }
            },
            cache: cache(config, app).await?,
            counters: Arc::default(),
        })
    }

    /// Whether there is anything that must be kept up to date.
    pub fn any(&self) -> bool {
        self.projection.is_some() || self.cache.is_some()
    }

    /// Whether only this process has them, so that it must keep them up to date itself.
    pub fn private(&self) -> bool {
        matches!(self.cache, Some((_, Source::Memory)))
    }

    /// Where a command's own writes go.
    fn targets(&self) -> Targets {
        let served = self.projection.as_ref().map(|(_, served)| {
            let store: Arc<dyn ProjectionStore> = Arc::<Served>::clone(served);
            store
        });
        let cache = self.cache.as_ref().map(|(cache, _)| Arc::clone(cache));
        Targets::new(served, cache, Arc::clone(&self.counters))
    }

    /// What brings a command's commit to the copies at once; none where there are none.
    pub fn dual_write(&self, config: &Config, app: &App) -> Option<DualWrite> {
        let options = DualWriteOptions {
            budget: config.hybrid.dual_write_budget,
            ..DualWriteOptions::default()
        };
        self.any()
            .then(|| DualWrite::new(self.targets(), Arc::clone(&app.clock), options))
    }

    /// What keeps the copies up to date from the change feed.
    pub fn worker(&self, app: &App, config: &Config, feeds: Arc<Feeds>) -> Worker {
        let options = WorkerOptions {
            verify_every: Some(config.hybrid.verify_every).filter(|every| !every.is_zero()),
            ..WorkerOptions::default()
        };
        let generations = self.projection.as_ref().map(|(generations, _)| {
            let generations: Arc<dyn Generations> = Arc::<CqlGenerations>::clone(generations);
            generations
        });
        let cache = self.cache.as_ref().map(|(cache, _)| Arc::clone(cache));
        // The worker opens the generations that it writes by itself.
        let targets = Targets::new(None, cache, Arc::clone(&self.counters));
        let projector = Projector::new(
            Arc::clone(&app.source),
            targets,
            Arc::clone(&app.clock),
            ProjectorOptions::default(),
        );
        let parts = WorkerParts {
            source: Arc::clone(&app.source),
            projector,
            feeds,
            generations,
            stores: self.kinds(),
            clock: Arc::clone(&app.clock),
        };
        Worker::new(parts, options)
    }

    /// Kinds of the stores with copies.
    pub fn kinds(&self) -> Vec<StoreKind> {
        let projection = self.projection.as_ref().map(|_| StoreKind::Cql);
        let cache = self.cache.as_ref().map(|(_, kind)| *kind);
        projection.into_iter().chain(cache).collect()
    }

    /// What compares the projections that are read with the record store; none without projections.
    pub async fn verify(
        &self,
        app: &App,
        options: VerifyOptions,
    ) -> anyhow::Result<Option<Verify>> {
        let Some((generations, _)) = &self.projection else {
            return Ok(None);
        };
        let Some(active) = generations.active().await? else {
            anyhow::bail!(
                "no generation of the projections is read yet; `turngraph project` fills one"
            )
        };
        let store = generations.open(active).await?;
        let cache = self.cache.as_ref().map(|(cache, _)| Arc::clone(cache));
        let targets = Targets::new(Some(Arc::clone(&store)), cache, Arc::clone(&self.counters));
        let clock = || Arc::clone(&app.clock);
        let quarantine = Quarantine::new(Arc::clone(&app.source), targets, clock());
        let source = Arc::clone(&app.source);
        Ok(Some(Verify::new(
            source,
            store,
            quarantine,
            clock(),
            options,
        )))
    }

    /// Follows switches of the projections until the process stops.
    pub fn spawn_followers(&self, lifecycle: &Lifecycle) {
        if let Some((_, served)) = &self.projection {
            let (served, stop) = (Arc::clone(served), lifecycle.stopping());
            lifecycle.spawn(async move { served.follow(&stop).await });
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        if let Some((_, served)) = &self.projection {
            served.close().await;
        }
        if let Some((cache, _)) = &self.cache {
            cache.close().await;
        }
    }
}

/// The CQL options that the configuration names.
pub(super) fn cql_options(config: &Config) -> anyhow::Result<Option<CqlOptions>> {
    let Some(url) = &config.hybrid.cql else {
        return Ok(None);
    };
    let options = CqlOptions::parse(url.expose()).map_err(anyhow::Error::msg);
    Ok(Some(options.context("the setting `cql`")?))
}

async fn cache(
    config: &Config,
    app: &App,
) -> anyhow::Result<Option<(Arc<dyn SessionCache>, Source)>> {
    let random = Random::fresh(&*app.uids);
    // Reads look at the age of an entry by themselves; this is how long there is one to look at.
    let session_lifetime = config
        .hybrid
        .cache_age
        .saturating_add(config.hybrid.cache_stale);
    if let Some(url) = &config.hybrid.redis {
        let options = RedisOptions {
            session_lifetime,
            ..RedisOptions::url(url.expose())
        };
        let redis = RedisCache::open_or_wait(options, random).await;
        return Ok(Some((
            Arc::new(redis.context("the hot cache (`redis`)")?),
            Source::Redis,
        )));
    }
    // Another process may write to PostgreSQL without a word to this one, and a server that is
    // started with nothing but a database should not need a change feed to be right.
    match config.record {
        RecordUrl::Postgres(_) => Ok(None),
        RecordUrl::Sqlite(_) => {
            let clock = Arc::clone(&app.clock);
            let options = MemoryOptions {
                session_lifetime,
                ..MemoryOptions::default()
            };
            let cache = MemoryCache::new(options, clock, random);
            Ok(Some((Arc::new(cache), Source::Memory)))
        }
    }
}

/// Runs a worker until the process stops; a setup that is wrong is said and ends the worker, not
/// the process.
pub async fn run_worker(worker: Worker, stop: CancellationToken) {
    if let Err(error) = worker.run(&stop).await {
        tracing::error!(%error, "the change feed cannot be read; copies are not kept up to date");
    }
}
