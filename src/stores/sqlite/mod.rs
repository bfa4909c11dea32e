//! `SqliteRecordStore`, the embedded record store: one file, one writer, many readers.
//!
//! One connection writes, so that writers of this process queue in order instead of failing as
//! busy; other processes are waited for by `busy_timeout`. Readers see the last commit and never
//! wait (WAL). Only the composition root and tests name this engine.

mod batch;
mod error;
mod health;
mod migrate;
mod options;
mod read;
mod search;
mod source;
pub mod statements;
mod transaction;
mod update;
mod write;

use std::sync::Arc;

use sqlx::FromRow;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteRow};

use self::error::Errors;
use self::health::FileId;
pub use self::migrate::{MIGRATIONS, SqliteMigrator};
pub use self::options::{SqliteOptions, Synchronous};
use super::StoreErrorKind;
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
    /// The file.
    path: std::path::PathBuf,
    /// The file that is open.
    file: FileId,
}

impl SqliteRecordStore {
    /// Opens a database that is there and whose schema is this program's; see
    /// [`SqliteRecordStore::open_migrated`] for one that may be new or older.
    ///
    /// Fails with [`super::StoreErrorKind::Schema`] when the schema is another or the file is no
    /// database, and with [`super::StoreErrorKind::Unavailable`] when the file cannot be opened;
    /// both say what to do.
    pub async fn open(options: SqliteOptions, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        if !options.path.exists() {
            let message = format!(
                "{} is not there; check the path, or create it with `turngraph migrate up`",
                options.path.display()
            );
            return Err(Errors::of(&options.path).make(
                StoreErrorKind::Unavailable,
                "open",
                message,
            ));
        }
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
        let file = FileId::of(&options.path)
            .map_err(|error| errors.driver("open", sqlx::Error::Io(error)))?;
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
            path: options.path.clone(),
            file,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SystemClock;

    async fn setting(pool: &SqlitePool, pragma: &'static str) -> i64 {
        sqlx::query_scalar(pragma).fetch_one(pool).await.unwrap()
    }

    #[tokio::test]
    async fn connections_have_the_settings_that_were_asked_for() {
        let scratch = tempfile::TempDir::new().unwrap();
        for (synchronous, expected) in [(Synchronous::Normal, 1), (Synchronous::Full, 2)] {
            let mut options = SqliteOptions::file(scratch.path().join("record.db"));
            options.synchronous = synchronous;
            options.busy_timeout = std::time::Duration::from_millis(1234);
            let clock = Arc::new(SystemClock);
            let store = SqliteRecordStore::open_migrated(options, clock);
            let store = store.await.unwrap();
            for pool in [&store.writer, &store.readers] {
                assert_eq!(setting(pool, "pragma synchronous").await, expected);
                assert_eq!(setting(pool, "pragma foreign_keys").await, 1);
                assert_eq!(setting(pool, "pragma busy_timeout").await, 1234);
            }
            assert_eq!(setting(&store.writer, "pragma query_only").await, 0);
            assert_eq!(setting(&store.readers, "pragma query_only").await, 1);
        }
    }
}
