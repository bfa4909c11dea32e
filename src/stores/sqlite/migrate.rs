//! Schema of the SQLite record: the migrations, and how they are applied.
//!
//! Each migration runs in one `begin immediate` transaction that first looks again at what is
//! applied, so that two processes at once are safe: the second waits and finds nothing to do.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{Connection, FromRow, Sqlite, Transaction};

use super::error::Errors;
use super::options::SqliteOptions;
use crate::domain::{Clock, Timestamp};
use crate::stores::StoreErrorKind;
use crate::stores::migration::{
    Migration, MigrationPlan, MigrationReport, MigrationState, MigrationStatus, PlannedStep,
    SchemaMigrator, UpOptions,
};
use crate::stores::record::StoreResult;

macro_rules! migrations {
    ($($version:literal $name:literal,)*) => {
        /// The migrations in their order.
        pub const MIGRATIONS: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!(
                "../../../migrations/sqlite/000", $version, "_", $name, ".sql"
            )),
        },)*];
    };
}

migrations! {
    1 "record",
    2 "rules",
    3 "projection",
    4 "change_log",
    5 "erasure",
}

/// Version of the newest migration.
pub(super) const VERSION: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// The table that remembers what was applied. It is made by the migrator and not by a migration,
/// since it has to be there before the first.
const BOOTSTRAP: &str = "
    create table if not exists turngraph_migrations (
        version integer not null primary key,
        name text not null,
        checksum text not null,
        applied_at integer not null
    ) strict";

const TABLES: &str =
    "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'";

const APPLIED: &str = "
    select version, name, checksum, applied_at from turngraph_migrations order by version";

const RECORD: &str = "
    insert into turngraph_migrations (version, name, checksum, applied_at) values ($1, $2, $3, $4)";

/// A row of `turngraph_migrations`.
struct Applied {
    version: i64,
    name: String,
    checksum: String,
    applied_at: i64,
}

impl FromRow<'_, sqlx::sqlite::SqliteRow> for Applied {
    fn from_row(row: &sqlx::sqlite::SqliteRow) -> Result<Self, sqlx::Error> {
        let (version, name, checksum, applied_at) = FromRow::from_row(row)?;
        Ok(Self {
            version,
            name,
            checksum,
            applied_at,
        })
    }
}

/// Migrates one SQLite file.
pub struct SqliteMigrator {
    pool: SqlitePool,
    errors: Errors,
    clock: Arc<dyn Clock>,
    database: String,
}

impl SqliteMigrator {
    /// Opens the file, creating it and its directory where they are missing.
    pub async fn connect(options: &SqliteOptions, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        let errors = Errors::of(&options.path);
        let database = options.path.display().to_string();
        if let Some(directory) = options.directory() {
            tokio::fs::create_dir_all(directory).await.map_err(|error| {
                let message = format!(
                    "the directory of {database} cannot be created: {error}; create it, or name another"
                );
                errors.make(StoreErrorKind::Unavailable, "open", message)
            })?;
        }
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .acquire_timeout(WRITER_WAIT)
            // A full disk makes SQLite roll back by itself, after which the driver's own rollback
            // fails and it takes the connection for one within a transaction for ever: such a
            // connection is closed, and the next writer gets a new one.
            .after_release(|connection, _| {
                Box::pin(async move {
                    // What was queued before, like a rollback, is done when this is answered.
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(options.writer())
            .await
            .map_err(|error| errors.driver("open", error))?;
        Ok(Self {
            pool,
            errors,
            clock,
            database,
        })
    }

    /// The connection that was opened, for the store that goes on with it.
    pub(super) fn into_pool(self) -> SqlitePool {
        self.pool
    }

    /// Fails unless the schema is this program's.
    pub(super) async fn require_current(&self) -> StoreResult<()> {
        let status = self.status().await?;
        self.refuse_foreign(&status)?;
        let pending = status.iter().filter(|s| s.state == MigrationState::Pending);
        match pending.count() {
            0 => Ok(()),
            count => Err(self.schema(format!(
                "{} lacks {count} migration(s) of this turngraph; run `turngraph migrate up`",
                self.database
            ))),
        }
    }

    fn schema(&self, message: String) -> crate::stores::StoreError {
        self.errors.make(StoreErrorKind::Schema, "migrate", message)
    }

    fn refuse_foreign(&self, status: &[MigrationStatus]) -> StoreResult<()> {
        let database = &self.database;
        for row in status {
            let MigrationStatus { version, name, .. } = row;
            match row.state {
                MigrationState::Applied | MigrationState::Pending => {}
                MigrationState::Unknown => {
                    return Err(self.schema(format!(
                        "{database} has schema {version} ({name}), this turngraph knows up to {VERSION}; use the newer turngraph that migrated it"
                    )));
                }
                MigrationState::Changed => {
                    return Err(self.schema(format!(
                        "migration {version} ({name}) of {database} was applied with another text than this turngraph's; use the turngraph that applied it, or export with that one and import into a new file"
                    )));
                }
            }
        }
        Ok(())
    }

    /// What is applied; `None` for a database without turngraph's tables.
    async fn applied(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> StoreResult<Vec<Applied>> {
        let tables: Vec<(String,)> = sqlx::query_as(TABLES)
            .fetch_all(&mut **transaction)
            .await
            .map_err(|error| self.errors.driver("migrate", error))?;
        if tables.iter().any(|(name,)| name == "turngraph_migrations") {
            return sqlx::query_as(APPLIED)
                .fetch_all(&mut **transaction)
                .await
                .map_err(|error| self.errors.driver("migrate", error));
        }
        match tables.first() {
            None => Ok(vec![]),
            Some((name,)) => Err(self.schema(format!(
                "{} is a SQLite database of another program (it has a table `{name}`); name another file",
                self.database
            ))),
        }
    }

    async fn begin(&self, how: &'static str) -> StoreResult<Transaction<'static, Sqlite>> {
        let begun = self.pool.begin_with(how).await;
        begun.map_err(|error| self.errors.driver("migrate", error))
    }

    /// Applies the next migration; `None` when there is none.
    async fn apply_next(&self) -> StoreResult<Option<&'static Migration>> {
        let fail = |error| self.errors.driver("migrate", error);
        let mut transaction = self.begin("begin immediate").await?;
        let status = compare(self.applied(&mut transaction).await?);
        self.refuse_foreign(&status)?;
        let pending = |m: &&Migration| {
            status
                .iter()
                .any(|s| s.version == m.version && s.state == MigrationState::Pending)
        };
        let Some(migration) = MIGRATIONS.iter().find(pending) else {
            return Ok(None);
        };
        sqlx::raw_sql(BOOTSTRAP)
            .execute(&mut *transaction)
            .await
            .map_err(fail)?;
        sqlx::raw_sql(migration.sql)
            .execute(&mut *transaction)
            .await
            .map_err(fail)?;
        sqlx::query(RECORD)
            .bind(migration.version)
            .bind(migration.name)
            .bind(migration.checksum())
            .bind(self.clock.now().0)
            .execute(&mut *transaction)
            .await
            .map_err(fail)?;
        transaction.commit().await.map_err(fail)?;
        Ok(Some(migration))
    }
}

/// How long a writer waits for the connection that another task of this process writes with.
const WRITER_WAIT: std::time::Duration = std::time::Duration::from_secs(30);

/// Known and applied migrations side by side, by version.
fn compare(applied: Vec<Applied>) -> Vec<MigrationStatus> {
    let pending = MIGRATIONS
        .iter()
        .filter(|m| applied.iter().all(|a| a.version != m.version))
        .map(|m| MigrationStatus {
            version: m.version,
            name: m.name.to_owned(),
            state: MigrationState::Pending,
            applied_at: None,
        });
    let mut status: Vec<MigrationStatus> = pending.collect();
    status.extend(applied.into_iter().map(|row| {
        let known = MIGRATIONS.iter().find(|m| m.version == row.version);
        MigrationStatus {
            version: row.version,
            name: row.name,
            state: match known {
                None => MigrationState::Unknown,
                Some(known) if known.checksum() == row.checksum => MigrationState::Applied,
                Some(_) => MigrationState::Changed,
            },
            applied_at: Some(Timestamp(row.applied_at)),
        }
    }));
    status.sort_by_key(|row| row.version);
    status
}

fn title(migration: &Migration) -> String {
    format!("{:04} {}", migration.version, migration.name)
}

#[async_trait]
impl SchemaMigrator for SqliteMigrator {
    async fn status(&self) -> StoreResult<Vec<MigrationStatus>> {
        let mut transaction = self.begin("begin").await?;
        Ok(compare(self.applied(&mut transaction).await?))
    }

    async fn plan(&self) -> StoreResult<MigrationPlan> {
        let status = self.status().await?;
        self.refuse_foreign(&status)?;
        let pending = |m: &&Migration| {
            status
                .iter()
                .any(|s| s.version == m.version && s.state == MigrationState::Pending)
        };
        let steps = MIGRATIONS.iter().filter(pending).map(|m| PlannedStep {
            title: title(m),
            sql: m.sql.to_owned(),
        });
        Ok(MigrationPlan {
            database: self.database.clone(),
            steps: steps.collect(),
            ..MigrationPlan::default()
        })
    }

    async fn up(&self, _options: UpOptions) -> StoreResult<MigrationReport> {
        let mut report = MigrationReport {
            database: self.database.clone(),
            to_version: VERSION,
            from_version: VERSION,
            ..MigrationReport::default()
        };
        while let Some(migration) = self.apply_next().await? {
            report.from_version = report.from_version.min(migration.version - 1);
            report.applied.push(title(migration));
        }
        Ok(report)
    }
}
