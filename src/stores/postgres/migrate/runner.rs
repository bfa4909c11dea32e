//! One connection that migrates: the lock against a second process, steps with their retries, and
//! the numbering at the end.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::super::connect::connect;
use super::super::error::{LOCK_NOT_AVAILABLE, code_of, failure, store_error};
use super::super::numberer::{self, Numbered, Pass};
use super::super::statements::numbering::NUMBER_SESSIONS;
use super::script::{self, Step};
use crate::domain::{Timestamp, Uid};
use crate::stores::StoreErrorKind;
use crate::stores::migration::{Migration, MigrationState, MigrationStatus};
use crate::stores::record::StoreResult;
use crate::stores::sql::columns::{DbTime, DbUid};

/// Key of the advisory lock, the same in every release: "turngrph" in ASCII.
const LOCK_KEY: i64 = 0x7475_726e_6772_7068;

/// A step that cannot get its table lock gives way after this time, so that it never holds up the
/// programs that queue behind it, and tries again.
const LOCK_TIMEOUT_MS: u64 = 200;

/// Tries before a step gives up: some two minutes.
const LOCK_TRIES: u32 = 400;

/// How long a server may take to answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sessions that are numbered in one transaction.
const NUMBER_BATCH: i32 = 500;

/// Passes that may find every waiting session locked by somebody else.
const NUMBER_IDLE_MAX: u32 = 40;

/// Where the progress of migrations is noted.
pub(super) const PROGRESS_TABLE: &str = "
    create table if not exists turngraph_migrations (
        version bigint not null primary key,
        name character varying not null,
        checksum character varying not null,
        steps_done integer not null default 0,
        program character varying not null,
        started_at timestamp with time zone not null default clock_timestamp(),
        finished_at timestamp with time zone
    )";

/// Notes that a step is done: version, name, checksum, number of steps done, program, whether it
/// was the last one.
pub(super) const NOTE_STEP: &str = "
    insert into turngraph_migrations (version, name, checksum, steps_done, program, finished_at)
    values ($1, $2, $3, $4, $5, case when $6 then clock_timestamp() end)
    on conflict (version) do update set
        steps_done = excluded.steps_done, finished_at = excluded.finished_at";

/// A step that has not run yet.
pub(super) struct Planned {
    /// Its migration.
    pub migration: Migration,
    /// Its place in the migration, from 1.
    pub number: usize,
    /// Whether it is the last one of its migration.
    pub last: bool,
    /// The step.
    pub step: Step,
}

impl Planned {
    /// How reports name it.
    pub(super) fn title(&self) -> String {
        let name = self.step.name.replace('-', " ");
        format!(
            "{:04} {}: {name}",
            self.migration.version, self.migration.name
        )
    }
}

/// A connection that migrates.
pub(super) struct Session {
    /// The connection.
    pub conn: PgConnection,
    /// The database, without a password.
    pub database: String,
    /// The schema that has the four tables, or would get them.
    pub schema: String,
}

impl Session {
    pub(super) async fn open(options: &PgConnectOptions) -> StoreResult<Self> {
        let options = options.clone().application_name("turngraph migrate");
        let database = format!(
            "postgres://{}@{}:{}/{}",
            options.get_username(),
            options.get_socket().map_or_else(
                || options.get_host().to_owned(),
                |s| s.display().to_string()
            ),
            options.get_port(),
            options.get_database().unwrap_or(options.get_username()),
        );
        let failed = |error| store_error("migrate_connect", error);
        let mut conn = connect("migrate_connect", &options, CONNECT_TIMEOUT).await?;
        let schema: Option<String> = sqlx::query_scalar(
            "select coalesce(
                (select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where c.oid = to_regclass('sessions')),
                current_schema())::text",
        )
        .fetch_one(&mut conn)
        .await
        .map_err(failed)?;
        let schema = schema.ok_or_else(|| {
            let message = "no schema of the search path exists; create one or set search_path";
            failure(StoreErrorKind::Schema, "migrate_connect", message)
        })?;
        // The trigger functions keep this path. pg_temp comes last so that a temporary table of
        // the writer cannot stand in for one of ours.
        sqlx::query(
            "select set_config('search_path', quote_ident($1) || ', pg_temp', false),
                    set_config('statement_timeout', '0', false),
                    set_config('client_min_messages', 'warning', false)",
        )
        .bind(&schema)
        .execute(&mut conn)
        .await
        .map_err(failed)?;
        Ok(Self {
            conn,
            database,
            schema,
        })
    }

    /// Waits until no other process migrates. It asks again and again instead of waiting in the
    /// server: a statement that waits has a snapshot, and indexes that are built concurrently
    /// wait for all older snapshots.
    pub(super) async fn lock(&mut self) -> StoreResult<()> {
        let mut told = false;
        loop {
            let got: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
                .bind(LOCK_KEY)
                .fetch_one(&mut self.conn)
                .await
                .map_err(|error| store_error("migrate_lock", error))?;
            if got {
                return Ok(());
            }
            if !std::mem::replace(&mut told, true) {
                tracing::info!(database = %self.database, "another process migrates; waiting");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn progress(&mut self) -> StoreResult<Vec<(i64, String, String, usize, Option<DbTime>)>> {
        let failed = |error| store_error("migrate_status", error);
        let exists: bool =
            sqlx::query_scalar("select to_regclass('turngraph_migrations') is not null")
                .fetch_one(&mut self.conn)
                .await
                .map_err(failed)?;
        if !exists {
            return Ok(vec![]);
        }
        let rows = sqlx::query(
            "select version, name, checksum, steps_done, finished_at
             from turngraph_migrations order by version",
        )
        .fetch_all(&mut self.conn)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let done: i32 = row.try_get(3)?;
                let done = usize::try_from(done).unwrap_or(0);
                Ok((
                    row.try_get(0)?,
                    row.try_get(1)?,
                    row.try_get(2)?,
                    done,
                    row.try_get(4)?,
                ))
            })
            .collect::<Result<_, _>>()
            .map_err(failed)
    }

    /// How every known and every applied migration stands.
    pub(super) async fn status(&mut self) -> StoreResult<Vec<MigrationStatus>> {
        let applied = self.progress().await?;
        let mut all: Vec<MigrationStatus> = script::MIGRATIONS
            .iter()
            .map(|migration| {
                let row = applied.iter().find(|row| row.0 == migration.version);
                let state = match row {
                    Some(row) if row.2 != migration.checksum() => MigrationState::Changed,
                    Some(row) if row.4.is_some() => MigrationState::Applied,
                    _ => MigrationState::Pending,
                };
                MigrationStatus {
                    version: migration.version,
                    name: migration.name.to_owned(),
                    state,
                    applied_at: row.and_then(|row| row.4).map(Timestamp::from),
                }
            })
            .collect();
        let known = script::MIGRATIONS.len();
        let newer = |version: i64| usize::try_from(version).map_or(true, |v| v > known);
        for (version, name, _, _, at) in applied {
            if newer(version) {
                all.push(MigrationStatus {
                    version,
                    name,
                    state: MigrationState::Unknown,
                    applied_at: at.map(Timestamp::from),
                });
            }
        }
        Ok(all)
    }

    /// The steps that have not run yet, in their order.
    pub(super) async fn open_steps(&mut self) -> StoreResult<Vec<Planned>> {
        let applied = self.progress().await?;
        let mut open = Vec::new();
        for migration in script::MIGRATIONS {
            let row = applied.iter().find(|row| row.0 == migration.version);
            if row.is_some_and(|row| row.4.is_some()) {
                continue;
            }
            let done = row.map_or(0, |row| row.3);
            let steps = script::steps(migration.sql)
                .map_err(|wrong| failure(StoreErrorKind::Bug, "migrate", wrong))?;
            let count = steps.len();
            open.extend((1..).zip(steps).skip(done).map(|(number, step)| Planned {
                migration: *migration,
                number,
                last: number == count,
                step,
            }));
        }
        Ok(open)
    }

    /// Creates the table of progress, unless there is one.
    pub(super) async fn create_progress(&mut self) -> StoreResult<()> {
        sqlx::raw_sql(PROGRESS_TABLE)
            .execute(&mut self.conn)
            .await
            .map_err(|error| store_error("migrate_progress", error))?;
        Ok(())
    }

    /// Runs a step; false when there was nothing to do for it.
    pub(super) async fn run(&mut self, planned: &Planned) -> StoreResult<bool> {
        let failed = |error| step_error(planned, error);
        if let Some(query) = planned.step.unless {
            let idle: bool = sqlx::query_scalar(query)
                .fetch_one(&mut self.conn)
                .await
                .map_err(failed)?;
            if idle {
                note(&mut self.conn, planned).await.map_err(failed)?;
                return Ok(false);
            }
        }
        if planned.step.outside {
            self.run_outside(planned).await.map_err(failed)?;
            return Ok(true);
        }
        for attempt in 0..LOCK_TRIES {
            match self.run_inside(planned).await {
                Ok(()) => return Ok(true),
                Err(error) if code_of(&error).as_deref() == Some(LOCK_NOT_AVAILABLE) => {
                    tracing::debug!(step = planned.step.name, attempt, "lock not given, again");
                    tokio::time::sleep(pause(attempt)).await;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        let holders = self.lock_holders().await.map_err(failed)?;
        Err(failure(
            StoreErrorKind::Conflict,
            "migrate",
            format!(
                "{}: no lock on its table in {LOCK_TRIES} tries; transactions that hold one: {}. \
                 End them or wait, then run the migration again: it goes on from here",
                planned.title(),
                holders.join("; ")
            ),
        ))
    }

    /// An index that is built beside the writers, by one statement outside a transaction.
    async fn run_outside(&mut self, planned: &Planned) -> Result<(), sqlx::Error> {
        if let Some(index) = planned.step.builds {
            let invalid: bool = sqlx::query_scalar(
                "select exists (select from pg_index
                                where indexrelid = to_regclass($1) and not indisvalid)",
            )
            .bind(index)
            .fetch_one(&mut self.conn)
            .await?;
            if invalid {
                let drop = format!("drop index concurrently {index}");
                sqlx::raw_sql(AssertSqlSafe(drop))
                    .execute(&mut self.conn)
                    .await?;
            }
        }
        sqlx::raw_sql(AssertSqlSafe(planned.step.sql.clone()))
            .execute(&mut self.conn)
            .await?;
        note(&mut self.conn, planned).await
    }

    async fn run_inside(&mut self, planned: &Planned) -> Result<(), sqlx::Error> {
        let mut transaction = self.conn.begin().await?;
        let sql = format!(
            "set local lock_timeout = {LOCK_TIMEOUT_MS};\n{}",
            planned.step.sql
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *transaction)
            .await?;
        note(&mut transaction, planned).await?;
        transaction.commit().await
    }

    /// Transactions that hold locks on the four tables, in words.
    async fn lock_holders(&mut self) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar(
            "select distinct format('pid %s (%s, %s on %s since %s)', a.pid,
                    coalesce(nullif(a.application_name, ''), a.usename), l.mode,
                    l.relation::regclass, a.xact_start)
             from pg_locks l join pg_stat_activity a on a.pid = l.pid
             where l.granted and a.pid <> pg_backend_pid() and l.relation in (
                to_regclass('sessions'), to_regclass('human_turns'),
                to_regclass('agent_turns'), to_regclass('steps'))
             limit 10",
        )
        .fetch_all(&mut self.conn)
        .await
    }

    /// Numbers everything that waits. Sessions that stay locked for seconds are left to `serve`.
    pub(super) async fn number_all(&mut self, pass: Pass) -> StoreResult<Numbered> {
        let failed = |error| store_error("migrate_number", error);
        let mut all = Numbered::default();
        let mut idle = 0;
        loop {
            let waiting: Vec<DbUid> = sqlx::query_scalar(NUMBER_SESSIONS.sql)
                .bind(NUMBER_BATCH)
                .fetch_all(&mut self.conn)
                .await
                .map_err(failed)?;
            let uids: Vec<String> = waiting
                .into_iter()
                .map(|uid| Uid::from(uid).into())
                .collect();
            let mut transaction = self.conn.begin().await.map_err(failed)?;
            let done = numberer::number(&mut transaction, &uids, pass)
                .await
                .map_err(failed)?;
            transaction.commit().await.map_err(failed)?;
            if uids.is_empty() || idle == NUMBER_IDLE_MAX {
                return Ok(all);
            }
            if done.sessions == 0 {
                idle += 1;
                tokio::time::sleep(pause(idle)).await;
            }
            all.turns += done.turns;
            all.sessions += done.sessions;
            all.cycles.extend(done.cycles);
        }
    }
}

async fn note(conn: &mut PgConnection, planned: &Planned) -> Result<(), sqlx::Error> {
    sqlx::query(NOTE_STEP)
        .bind(planned.migration.version)
        .bind(planned.migration.name)
        .bind(planned.migration.checksum())
        .bind(i32::try_from(planned.number).expect("a migration has few steps"))
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(planned.last)
        .execute(conn)
        .await?;
    Ok(())
}

/// Before the next try: as long as the lock timeout at most, at random, so that two migrations and
/// a periodic job of another program do not go on in step.
fn pause(attempt: u32) -> Duration {
    let random = RandomState::new().hash_one(attempt);
    Duration::from_millis(20 + random % LOCK_TIMEOUT_MS)
}

fn step_error(planned: &Planned, error: sqlx::Error) -> crate::stores::StoreError {
    let mut error = store_error("migrate", error);
    error.message = format!(
        "{}: {}. What ran before it stays; run the migration again, it goes on from here (its \
         census tells which rows stand in the way, if rows do)",
        planned.title(),
        error.message
    );
    error
}
