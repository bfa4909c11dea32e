//! `SqliteRecordStore`, the embedded record store: one file, one writer, many readers.
//!
//! One connection writes, so that writers of this process queue in order instead of failing as
//! busy; other processes are waited for by `busy_timeout`. Readers see the last commit and never
//! wait (WAL). Only the composition root and tests name this engine.

mod batch;
mod error;
mod migrate;
mod options;
mod read;
mod search;
pub mod statements;
mod transaction;

use std::sync::Arc;

use sqlx::FromRow;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteRow};

use self::error::Errors;
pub use self::migrate::{MIGRATIONS, SqliteMigrator};
pub use self::options::{SqliteOptions, Synchronous};
use super::migration::{SchemaMigrator, UpOptions};
use super::record::StoreResult;
use super::sql::Statement;
use crate::domain::Clock;

/// The record store in a SQLite file.
pub struct SqliteRecordStore {
    writer: SqlitePool,
    readers: SqlitePool,
    errors: Errors,
    clock: Arc<dyn Clock>,
    /// Identity of the database, the `store` of its positions.
    id: String,
}

impl SqliteRecordStore {
    /// Opens a database whose schema is this program's; see [`SqliteRecordStore::open_migrated`]
    /// for one that may be new or older.
    ///
    /// Fails with [`super::StoreErrorKind::Schema`] when the schema is another or the file is no
    /// database, and with [`super::StoreErrorKind::Unavailable`] when the file cannot be opened;
    /// both say what to do.
    pub async fn open(options: SqliteOptions, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        let migrator = SqliteMigrator::connect(&options, Arc::clone(&clock)).await?;
        migrator.require_current().await?;
        Self::with_writer(migrator.into_pool(), &options, clock).await
    }

    /// Opens a database, after creating it or bringing its schema to this program's version.
    pub async fn open_migrated(options: SqliteOptions, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        let migrator = SqliteMigrator::connect(&options, Arc::clone(&clock)).await?;
        migrator.up(UpOptions::default()).await?;
        Self::with_writer(migrator.into_pool(), &options, clock).await
    }

    async fn with_writer(
        writer: SqlitePool,
        options: &SqliteOptions,
        clock: Arc<dyn Clock>,
    ) -> StoreResult<Self> {
        let errors = Errors::of(&options.path);
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers.max(1))
            .test_before_acquire(false)
            .connect_with(options.reader())
            .await
            .map_err(|error| errors.driver("open", error))?;
        let id = sqlx::query_scalar(statements::STORE_ID.sql)
            .fetch_one(&readers)
            .await
            .map_err(|error| errors.driver(statements::STORE_ID.name, error))?;
        Ok(Self {
            writer,
            readers,
            errors,
            clock,
            id,
        })
    }

    /// All rows of a statement, on a connection that reads.
    async fn rows<'q, R>(&self, statement: Statement, query: Query<'q, R>) -> StoreResult<Vec<R>>
    where
        R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        query
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.errors.driver(statement.name, error))
    }
}

/// A query of this engine with its parameters.
type Query<'q, R> = sqlx::query::QueryAs<'q, sqlx::Sqlite, R, sqlx::sqlite::SqliteArguments>;

/// A query of a statement, without its parameters.
fn query<'q, R>(statement: Statement) -> Query<'q, R>
where
    R: for<'r> FromRow<'r, SqliteRow>,
{
    sqlx::query_as(statement.sql)
}

/// Turns in the order of the contract. They come by session and number from the index, table
/// after table, so that this merges two runs.
fn sort_turns(turns: &mut [super::record::SessionTurn]) {
    turns.sort_by(|a, b| (&a.session_uid, a.turn.seq).cmp(&(&b.session_uid, b.turn.seq)));
}
