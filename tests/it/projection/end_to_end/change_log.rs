//! The workload through the record store's own table of changes, on both engines.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;
use turngraph::cdc::{ChangeFeed, ChangeLogFeed, FeedError};
use turngraph::domain::{Position, SystemClock};
use turngraph::projection::FeedOpener;
use turngraph::stores::ChangeLog;
use turngraph::stores::postgres::PgRecordStore;
use turngraph::stores::sqlite::{SqliteOptions, SqliteRecordStore};

use super::feeds::{PgSql, Place, Sql, postgres};
use super::{Copies, ends_as_the_record_is, noise};
use crate::support::postgres::Database;

pub(super) struct ChangeLogFeeds(pub(super) Arc<dyn ChangeLog>);

#[async_trait]
impl FeedOpener for ChangeLogFeeds {
    async fn open(&self, _: Option<Position>, _: bool) -> Result<Box<dyn ChangeFeed>, FeedError> {
        // It notes itself in the store how far it was acknowledged.
        Ok(Box::new(ChangeLogFeed::open(Arc::clone(&self.0)).await?))
    }
}

struct SqliteSql(SqliteConnectOptions);

#[async_trait]
impl Sql for SqliteSql {
    async fn run(&self, sql: String) {
        let mut connection = self.0.connect().await.unwrap();
        let ran = sqlx::raw_sql(AssertSqlSafe(sql));
        ran.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

async fn sqlite() -> Place {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("record.db");
    let options = SqliteOptions::file(file.clone());
    let record = SqliteRecordStore::open_migrated(options, Arc::new(SystemClock)).await;
    let record = Arc::new(record.unwrap());
    let beside = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(super::PATIENCE);
    Place {
        source: Arc::<SqliteRecordStore>::clone(&record),
        feeds: Arc::new(ChangeLogFeeds(Arc::<SqliteRecordStore>::clone(&record))),
        log: Arc::<SqliteRecordStore>::clone(&record),
        record,
        sql: Arc::new(SqliteSql(beside)),
        numbers_foreign_turns: false,
        _keep: Box::new(directory),
    }
}

async fn postgres_without_logical_log() -> Place {
    let database = Database::migrated();
    let record = postgres(&database.url()).await;
    Place {
        source: Arc::<PgRecordStore>::clone(&record),
        feeds: Arc::new(ChangeLogFeeds(Arc::<PgRecordStore>::clone(&record))),
        log: Arc::<PgRecordStore>::clone(&record),
        record,
        sql: Arc::new(PgSql(database.url())),
        numbers_foreign_turns: true,
        _keep: Box::new(database),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sqlite() {
    ends_as_the_record_is(sqlite().await, Copies::on_cassandra().await, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_postgres() {
    let place = postgres_without_logical_log().await;
    ends_as_the_record_is(place, Copies::on_cassandra().await, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_twice_and_out_of_order() {
    let mut place = sqlite().await;
    place.feeds = noise::noisy(place.feeds);
    ends_as_the_record_is(place, Copies::in_memory(), 5).await;
}
