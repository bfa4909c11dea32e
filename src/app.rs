//! The composition root: the only module that names concrete stores.

pub mod copies;
pub mod doctor;
mod examples;
pub mod feeds;
mod indexes;
mod layouts;
pub mod meters;
mod readiness;
pub mod route;
pub mod served;

pub use readiness::StoreReadiness;

use std::sync::Arc;

use anyhow::Context;

use self::copies::Copies;
use self::feeds::Feeds;
use self::served::Served;

use crate::commands::{Commands, CommitListener};
use crate::config::{Config, RecordUrl};
use crate::domain::{Clock, SystemClock, Uid, UidSource, UuidV7Source};
use crate::graphql::Gateway;
use crate::http;
use crate::lifecycle::Lifecycle;
use crate::reads::{ReadSettings, Reads, Replica};
use crate::stores::cql::CqlMigrator;
use crate::stores::migration::SchemaMigrator;
use crate::stores::postgres::{PgMigrator, PgOptions, PgRecordStore};
use crate::stores::sqlite::{SqliteMigrator, SqliteOptions, SqliteRecordStore};
use crate::stores::{ChangeLog, ProjectionSource, ProjectionStore, RecordStore, SessionFilter};
use crate::transfer::TransferContext;
use crate::transfer::demo::load_demo;

/// Connections for ANALYTICS; more would take from the others what they are kept from.
const ANALYTICS_CONNECTIONS: u32 = 4;

/// Everything that a command of the program may need.
pub struct App {
    /// The record store.
    pub record: Arc<dyn RecordStore>,
    /// The same, as the projector sees it.
    pub source: Arc<dyn ProjectionSource>,
    /// The same, as its own table of changes.
    pub log: Arc<dyn ChangeLog>,
    /// The clock of the process.
    pub clock: Arc<dyn Clock>,
    /// Makes keys.
    pub uids: Arc<dyn UidSource>,
}

impl App {
    /// Opens the stores that the configuration names. With `prepare` an embedded store is made,
    /// or brought to this program's version, first. A PostgreSQL database may belong to other
    /// programs too, so only `turngraph migrate up` changes its schema.
    pub async fn open(config: &Config, prepare: bool) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        match &config.record {
            RecordUrl::Sqlite(path) => {
                let options = SqliteOptions::file(path);
                let store = if prepare {
                    SqliteRecordStore::open_migrated(options, Arc::clone(&clock)).await?
                } else {
                    SqliteRecordStore::open(options, Arc::clone(&clock)).await?
                };
                Ok(Self::on(Arc::new(store), clock))
            }
            RecordUrl::Postgres(url) => {
                let options = PgOptions {
                    max_connections: config.record_connections_max,
                    ..PgOptions::url(url)
                };
                Ok(Self::on(
                    Arc::new(PgRecordStore::open(&options).await?),
                    clock,
                ))
            }
        }
    }

    fn on<S: RecordStore + ProjectionSource + ChangeLog>(
        store: Arc<S>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            record: Arc::<S>::clone(&store),
            source: Arc::<S>::clone(&store),
            log: store,
            clock,
            uids: Arc::new(UuidV7Source),
        }
    }

    /// The migrator of the configured record store.
    pub async fn migrator(config: &Config) -> anyhow::Result<Box<dyn SchemaMigrator>> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        match &config.record {
            RecordUrl::Sqlite(path) => {
                let options = SqliteOptions::file(path);
                Ok(Box::new(SqliteMigrator::connect(&options, clock).await?))
            }
            RecordUrl::Postgres(url) => Ok(Box::new(PgMigrator::new(url)?)),
        }
    }

    /// The migrator of the projections, where there are any.
    pub async fn projection_migrator(
        config: &Config,
    ) -> anyhow::Result<Option<Box<dyn SchemaMigrator>>> {
        let Some(options) = copies::cql_options(config)? else {
            return Ok(None);
        };
        let migrator = CqlMigrator::connect(&options, Arc::new(SystemClock)).await;
        Ok(Some(Box::new(migrator.context("the projections (`cql`)")?)))
    }

    /// Loads the demo conversations into an account that has no session, not even a deleted one;
    /// returns what to say about it.
    pub async fn load_demo(&self, account: &Uid) -> anyhow::Result<String> {
        let all = SessionFilter {
            include_deleted: true,
            ..SessionFilter::default()
        };
        if self.record.sessions_count(account, &all, 1).await? > 0 {
            return Ok("not loaded, the account has sessions".into());
        }
        let ctx = TransferContext {
            record: Arc::clone(&self.record),
            clock: Arc::clone(&self.clock),
        };
        let report = load_demo(&ctx, account).await?;
        Ok(format!(
            "{} conversations (licences: src/transfer/demo/data/SOURCE.md)",
            report.sessions
        ))
    }

    /// The playground's examples as JSON, with ids of this account's data.
    pub async fn examples_of(&self, account: &Uid) -> anyhow::Result<String> {
        let reads = Reads::new(Arc::clone(&self.record), Arc::clone(&self.clock));
        let examples = examples::filled(&reads, account).await?;
        Ok(serde_json::to_string(&examples)?)
    }

    /// The playground's examples as JSON, for whoever brings the ids.
    pub fn examples() -> anyhow::Result<String> {
        Ok(serde_json::to_string(&http::examples::examples(|_| None))?)
    }

    /// Keeps numbering the turns that other programs write, until the server stops.
    pub fn spawn_numberer(&self, lifecycle: &Lifecycle) {
        let (record, stopping) = (Arc::clone(&self.record), lifecycle.stopping());
        lifecycle.spawn(async move {
            let mut failing = false;
            loop {
                let pause = if failing { 1_000 } else { 50 };
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = tokio::time::sleep(std::time::Duration::from_millis(pause)) => {}
                }
                // An outage is told when it begins and when it ends.
                let numbered = record.number_pending(100).await;
                match &numbered {
                    Ok(_) if failing => tracing::info!("turns of other programs are numbered again"),
                    Err(error) if !failing => {
                        tracing::warn!(error = %error, "turns of other programs cannot be numbered");
                    }
                    _ => {}
                }
                failing = numbered.is_err();
            }
        });
    }

    /// The commands on the record store, which keeps no copies.
    pub fn commands(&self) -> Commands {
        self.commands_telling(None)
    }

    fn commands_telling(&self, listener: Option<Arc<dyn CommitListener>>) -> Commands {
        let commands = Commands::new(
            Arc::clone(&self.record),
            Arc::clone(&self.clock),
            Arc::clone(&self.uids),
        );
        match listener {
            Some(listener) => commands.telling(listener),
            None => commands,
        }
    }

    /// The GraphQL API over the record store alone.
    pub fn gateway(&self) -> Gateway {
        let reads = Reads::new(Arc::clone(&self.record), Arc::clone(&self.clock));
        Gateway::new(Arc::new(reads), self.commands())
    }

    /// The GraphQL API over the record store and its copies. What must go on beside it (following
    /// the projections, settings that change) runs until `lifecycle` stops.
    pub async fn gateway_over(
        &self,
        copies: &Copies,
        config: &Config,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Gateway> {
        let settings = ReadSettings {
            hot_age_max: config.hybrid.cache_age,
            stale_max: config.hybrid.cache_stale,
            ..ReadSettings::default()
        };
        let mut reads = Reads::new(Arc::clone(&self.record), Arc::clone(&self.clock))
            .with_settings(settings)
            .with_all_accounts(Arc::clone(&self.source));
        if let Some((cache, kind)) = &copies.cache {
            reads = reads.with_cache(Arc::clone(cache), *kind);
        }
        if let Some((_, served)) = &copies.projection {
            let served: Arc<dyn ProjectionStore> = Arc::<Served>::clone(served);
            reads = reads.with_projection(served);
        }
        if let Some((store, replica)) = self.analytics(config).await? {
            reads = reads.with_analytics(store, replica);
        }
        let reads = Arc::new(reads);
        copies.spawn_followers(lifecycle);
        meters::follow_reads(Arc::clone(&reads), lifecycle);
        let (following, stop) = (Arc::clone(&reads), lifecycle.stopping());
        lifecycle.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = following.follow() => {}
            }
        });
        lifecycle.spawn(route::follow(
            Arc::clone(&self.source),
            config.hybrid.clone(),
            reads.route(),
            lifecycle.stopping(),
        ));
        let listener = copies.dual_write(config, self).map(|dual_write| {
            let listener: Arc<dyn CommitListener> = Arc::new(dual_write);
            listener
        });
        Ok(Gateway::new(reads, self.commands_telling(listener)))
    }

    /// What ANALYTICS reads: the replica that is configured, else the same PostgreSQL by a pool of
    /// its own. SQLite has one writer and readers that do not disturb it.
    async fn analytics(
        &self,
        config: &Config,
    ) -> anyhow::Result<Option<(Arc<dyn RecordStore>, Replica)>> {
        let RecordUrl::Postgres(url) = &config.record else {
            return Ok(None);
        };
        let (url, replica) = match &config.hybrid.analytics {
            Some(replica) => (replica.expose(), Replica::MayLag),
            None => (url.as_str(), Replica::SameStore),
        };
        let options = PgOptions {
            max_connections: ANALYTICS_CONNECTIONS,
            standby: replica == Replica::MayLag,
            ..PgOptions::url(url)
        };
        let store = PgRecordStore::open(&options).await;
        let store = store.context("the replica for ANALYTICS (`analytics`)")?;
        Ok(Some((Arc::new(store), replica)))
    }

    /// The change feed that the configuration names.
    pub async fn feeds(&self, config: &Config) -> anyhow::Result<Feeds> {
        let log = Arc::clone(&self.log);
        Feeds::of(config, log, Arc::clone(&self.clock)).await
    }
}

/// The environment of the process, read once.
pub fn environment() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect()
}

/// Binds a listener; the error says what to do about a port in use.
pub async fn bind(address: std::net::SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| {
            format!("cannot listen on {address}; choose another address with --listen ADDR:PORT")
        })
}
