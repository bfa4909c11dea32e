//! `PgRecordStore`, the record store of an installation: PostgreSQL 15 and later.
//!
//! Reads and writes go by one pool. Other programs may write to the four given tables at any
//! time; their rows are numbered when they are met (`numberer`). Only the composition root and
//! tests name this engine.

mod batch;
mod connect;
mod error;
mod examine;
pub mod indexes;
mod listing;
mod lock;
mod migrate;
mod numberer;
mod order;
mod read;
mod source;
pub mod statements;
mod transaction;
mod write;

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgRow};
use sqlx::{FromRow, Row};

use self::connect::Connections;
use self::error::{cannot_write, code_of, failure, store_error};
pub use self::migrate::PgMigrator;
pub use self::migrate::script::MIGRATIONS;
use self::numberer::Numbered;
use self::statements::numbering::NUMBER_SESSIONS;
use self::statements::reads::{PENDING_TURNS, SCHEMA_VERSION, SERVER};
use super::StoreErrorKind;
use super::migration::{SchemaMigrator, UpOptions};
use super::record::{StoreHealth, StoreResult};
use super::sql::Statement;
use super::sql::columns::DbUid;
use crate::domain::Uid;

/// Where the database is and how many connections it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgOptions {
    /// Address, e.g. `postgres://user@host/database`.
    pub url: String,
    /// Connections at most.
    pub max_connections: u32,
    /// How long a request waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a single statement may run.
    pub statement_timeout: Duration,
    /// Whether the server may be a standby: only where answers may be older than the record.
    pub standby: bool,
}

impl PgOptions {
    /// The usual options for an address.
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            standby: false,
        }
    }
}

/// The record store in a PostgreSQL database.
#[derive(Debug)]
pub struct PgRecordStore {
    pool: PgPool,
    connections: Connections,
}

impl PgRecordStore {
    /// Opens a database whose schema is this program's or newer (a schema serves the release
    /// before it too).
    ///
    /// Fails with [`StoreErrorKind::Schema`] when the schema is missing or older, and with
    /// [`StoreErrorKind::Unavailable`] when the server cannot be reached; both say what to do.
    pub async fn open(options: &PgOptions) -> StoreResult<Self> {
        let connections = Connections::open(options).await?;
        let store = Self {
            pool: connections.pool.clone(),
            connections,
        };
        let health = store.schema().await?;
        if health.schema_version < health.schema_expected {
            let message = format!(
                "the schema of the database is {}, this program needs {}; run `turngraph migrate \
                 plan` to see what would change and `turngraph migrate up` to change it",
                health.schema_version, health.schema_expected
            );
            return Err(failure(StoreErrorKind::Schema, "connect", message));
        }
        if health.schema_version > health.schema_expected {
            tracing::warn!(
                found = health.schema_version,
                known = health.schema_expected,
                "the schema is newer than this program; update it soon"
            );
        }
        Ok(store)
    }

    /// Opens a database after bringing its schema to this program's version. Refuses a database
    /// whose rows need a repair first.
    pub async fn open_migrated(options: &PgOptions) -> StoreResult<Self> {
        PgMigrator::new(&options.url)?
            .up(UpOptions::default())
            .await?;
        Self::open(options).await
    }

    /// All rows of a statement.
    async fn rows<R>(&self, statement: Statement, query: Query<'_, R>) -> StoreResult<Vec<R>>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut connection = self.connections.acquire(statement.name).await?;
        query
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| store_error(statement.name, error))
    }

    /// Numbers what waits in these sessions, one after another. False when that cannot be done
    /// now: this connection may not write, or a session stays locked.
    async fn number_now(&self, sessions: &[Uid]) -> StoreResult<bool> {
        for uid in sessions {
            match self
                .number(&[uid.as_str().to_owned()], numberer::WAITING)
                .await
            {
                Ok(_) => {}
                Err(error) if cannot_write(&error) => return Ok(false),
                Err(error) if code_of(&error).as_deref() == Some(error::LOCK_NOT_AVAILABLE) => {
                    return Ok(false);
                }
                Err(error) => return Err(store_error("number_pending", error)),
            }
        }
        Ok(true)
    }

    /// One pass of the numberer in a transaction of its own.
    async fn number(&self, uids: &[String], pass: numberer::Pass) -> Result<Numbered, sqlx::Error> {
        let mut transaction = self.pool.begin_with(BEGIN).await?;
        let done = numberer::number(&mut transaction, uids, pass).await?;
        transaction.commit().await?;
        done.tell();
        Ok(done)
    }

    async fn number_waiting(&self, sessions_max: usize) -> StoreResult<u64> {
        let mut connection = self.connections.acquire(NUMBER_SESSIONS.name).await?;
        let waiting: Vec<DbUid> = sqlx::query_scalar(NUMBER_SESSIONS.sql)
            .bind(i32::try_from(sessions_max).unwrap_or(i32::MAX))
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| store_error(NUMBER_SESSIONS.name, error))?;
        drop(connection);
        if waiting.is_empty() {
            return Ok(0);
        }
        let uids: Vec<String> = waiting.into_iter().map(|uid| uid.0.into()).collect();
        let done = self.number(&uids, numberer::BACKGROUND).await;
        Ok(done
            .map_err(|error| store_error("number_pending", error))?
            .turns)
    }

    /// Version of server and schema; 0 for a database without our schema.
    async fn schema(&self) -> StoreResult<StoreHealth> {
        let mut connection = self.connections.acquire(SERVER.name).await?;
        let row = sqlx::query(SERVER.sql).fetch_one(&mut *connection).await;
        let row = row.map_err(|error| store_error(SERVER.name, error))?;
        let mut count = async |statement: Statement| -> StoreResult<i64> {
            sqlx::query_scalar(statement.sql)
                .fetch_one(&mut *connection)
                .await
                .map_err(|error| store_error(statement.name, error))
        };
        let schema_version = if row.get(1) {
            count(SCHEMA_VERSION).await?
        } else {
            0
        };
        let schema_expected = i64::try_from(MIGRATIONS.len()).expect("there are few migrations");
        let pending = if schema_version >= schema_expected {
            count(PENDING_TURNS).await?
        } else {
            0
        };
        let version: &str = row.get(0);
        Ok(StoreHealth {
            // Debian appends its package's version in parentheses.
            engine: format!(
                "PostgreSQL {}",
                version.split(' ').next().unwrap_or(version)
            ),
            schema_version,
            schema_expected,
            pending_turns: u64::try_from(pending).unwrap_or(0),
        })
    }
}

/// What every connection sets. Plans of our statements are cheap, and compiling them costs more
/// than it gains. A bitmap loses the order of its index: a plan made for all accounts expects few
/// sessions, takes a bitmap and a sort, and then reads every session of the largest account for
/// its first page.
pub const CONNECTION_SETTINGS: &str = "set jit = off; set enable_bitmapscan = off";

/// How a transaction begins. Waiting for a session's lock ends after a while; see
/// `statements::writes::SESSION_LOCK` for the locks after it.
const BEGIN: &str = "begin; set local lock_timeout = '10s'";

/// How a transaction of a group begins: who waits in it lets the whole group wait.
const BEGIN_GROUP: &str = "begin; set local lock_timeout = '200ms'";

/// A query of this engine with its parameters.
type Query<'q, R> = sqlx::query::QueryAs<'q, sqlx::Postgres, R, sqlx::postgres::PgArguments>;

/// A query of a statement, without its parameters.
fn query<'q, R>(statement: Statement) -> Query<'q, R>
where
    R: for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_as(statement.sql)
}

/// Keys as a parameter.
fn keys(uids: &[Uid]) -> Vec<&str> {
    uids.iter().map(Uid::as_str).collect()
}

/// Reads an address.
fn connect_options(url: &str) -> StoreResult<PgConnectOptions> {
    use sqlx::ConnectOptions;
    let options = PgConnectOptions::from_str(url).map_err(|error| {
        // The address may hold a password, so it is not repeated.
        let message = format!("the address of the database cannot be read: {error}");
        failure(StoreErrorKind::Unavailable, "connect", message)
    })?;
    // Statements are logged by the layers above, with the request that they belong to.
    Ok(options
        .application_name("turngraph")
        .disable_statement_logging())
}
