//! Record stores with the feeds that lead out of them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use turngraph::cdc::postgres::{PgoutputOpener, PgoutputOptions};
use turngraph::cdc::{ChangeFeed, FeedError};
use turngraph::domain::{Position, SystemClock};
use turngraph::projection::FeedOpener;
use turngraph::stores::postgres::{PgOptions, PgRecordStore};
use turngraph::stores::{ChangeLog, ProjectionSource, RecordStore};

use super::PATIENCE;
use crate::support::postgres::Private;

/// A record store and a feed out of it.
pub(super) struct Place {
    pub(super) record: Arc<dyn RecordStore>,
    pub(super) source: Arc<dyn ProjectionSource>,
    pub(super) feeds: Arc<dyn FeedOpener>,
    pub(super) sql: Arc<dyn Sql>,
    /// The record's own table of changes.
    pub(super) log: Arc<dyn ChangeLog>,
    /// Whether other programs may insert turns without numbers.
    pub(super) numbers_foreign_turns: bool,
    /// What must outlive the test.
    pub(super) _keep: Box<dyn Any + Send + Sync>,
}

/// Another program on the same database.
#[async_trait]
pub(super) trait Sql: Send + Sync {
    async fn run(&self, sql: String);
}

pub(super) struct PgSql(pub(super) String);

#[async_trait]
impl Sql for PgSql {
    async fn run(&self, sql: String) {
        let mut connection = PgConnection::connect(&self.0).await.unwrap();
        let ran = sqlx::raw_sql(AssertSqlSafe(sql));
        ran.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

struct PgoutputFeeds(PgoutputOpener);

#[async_trait]
impl FeedOpener for PgoutputFeeds {
    async fn open(
        &self,
        resume_from: Option<Position>,
        anew: bool,
    ) -> Result<Box<dyn ChangeFeed>, FeedError> {
        Ok(Box::new(self.0.open(resume_from, anew).await?))
    }
}

pub(super) async fn postgres(url: &str) -> Arc<PgRecordStore> {
    let options = PgOptions {
        acquire_timeout: PATIENCE,
        ..PgOptions::url(url)
    };
    Arc::new(PgRecordStore::open(&options).await.unwrap())
}

/// PostgreSQL, by logical replication.
pub(super) async fn pgoutput() -> Place {
    pgoutput_at().await.0
}

/// The same, with the address of the database.
pub(super) async fn pgoutput_at() -> (Place, String) {
    let server = Private::start(&[]);
    let url = server.migrated().await;
    let options = PgoutputOptions {
        heartbeat: Duration::from_millis(100),
        ..PgoutputOptions::url(&url)
    };
    let opener = PgoutputOpener::new(options, Arc::new(SystemClock)).unwrap();
    let record = postgres(&url).await;
    let place = Place {
        source: Arc::<PgRecordStore>::clone(&record),
        log: Arc::<PgRecordStore>::clone(&record),
        record,
        feeds: Arc::new(PgoutputFeeds(opener)),
        sql: Arc::new(PgSql(url.clone())),
        numbers_foreign_turns: true,
        _keep: Box::new(server),
    };
    (place, url)
}
