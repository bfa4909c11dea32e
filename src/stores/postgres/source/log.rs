//! `ChangeLog` on PostgreSQL: entries by transaction, told once no older one is running.

use std::time::Duration;

use async_trait::async_trait;

use super::super::error::{LOCK_NOT_AVAILABLE, code_of, failure, store_error};
use super::super::read::shown;
use super::super::statements::{log as st, source::SESSION_ROWS};
use super::super::{PgRecordStore, keys, query};
use crate::domain::Position;
use crate::stores::StoreErrorKind;
use crate::stores::change_log::{
    ChangeLog, LogDelay, LogEntry, LogLook, LogMark, LogPlace, LogRow,
};
use crate::stores::record::StoreResult;
use crate::stores::source::ProjectionSource;
use crate::stores::sql::Statement;
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::log::{
    LogJobRecord, LogPurgeRecord, LogRecord, LogRows, LogStepRecord, LogTurnRecord,
};
use crate::stores::sql::records::SessionRecord;

/// Tables whose changes are recorded.
const TABLES: [&str; 6] = [
    "sessions",
    "human_turns",
    "agent_turns",
    "steps",
    "purge_log",
    "projection_jobs",
];

/// Tries to get a table's lock, each of 200 ms with a pause after it: about a minute.
const LOCK_TRIES: u32 = 200;

/// Pause between two tries, in which the programs that queued go on.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Entries that are removed by one statement.
const FORGET_BATCH: i64 = 10_000;

impl PgRecordStore {
    /// Switches the recording of each table, waiting for those who write to it.
    async fn switch(&self, statement: Statement) -> StoreResult<()> {
        for table in TABLES {
            let mut tries = 0;
            loop {
                let done = sqlx::query(statement.sql)
                    .bind(table)
                    .execute(&self.pool)
                    .await;
                let Err(error) = done else { break };
                tries += 1;
                if code_of(&error).as_deref() != Some(LOCK_NOT_AVAILABLE) {
                    return Err(store_error(statement.name, error));
                }
                if tries == LOCK_TRIES {
                    let message = format!(
                        "no lock on {table} in {tries} tries: a transaction that has written to it \
                         goes on and on; end it, then start again"
                    );
                    return Err(failure(StoreErrorKind::Conflict, statement.name, message));
                }
                tokio::time::sleep(LOCK_PAUSE).await;
            }
        }
        Ok(())
    }

    async fn log_state(&self) -> StoreResult<(bool, bool, i64)> {
        sqlx::query_as(st::LOG_STATE.sql)
            .bind(&TABLES[..])
            .fetch_one(&self.pool)
            .await
            .map_err(|error| store_error(st::LOG_STATE.name, error))
    }
}

#[async_trait]
impl ChangeLog for PgRecordStore {
    async fn log_on(&self, from: Option<i64>) -> StoreResult<bool> {
        let (on, ..) = self.log_state().await?;
        if !on {
            self.switch(st::LOG_ON).await?;
        }
        // Asked after the switch: what was written before it is committed and seen by now.
        let (_, empty, next_xid) = self.log_state().await?;
        Ok(match from {
            None => empty,
            // A database that was restored from an older copy has given out fewer numbers.
            Some(from) => on && next_xid >= from,
        })
    }

    async fn log_off(&self) -> StoreResult<()> {
        let (on, ..) = self.log_state().await?;
        if on {
            self.switch(st::LOG_OFF).await?;
        }
        self.log_forget(i64::MAX).await
    }

    async fn log_look(&self, known: Option<&Position>) -> StoreResult<LogLook> {
        let failed = |error| store_error(st::LOG_MARK.name, error);
        type Mark = (DbTime, Option<i64>, Option<i64>, Option<i64>);
        let (at, lsn, until, finished): Mark = sqlx::query_as(st::LOG_MARK.sql)
            .bind(known.map(|position| position.value.cast_signed()))
            .fetch_one(&self.pool)
            .await
            .map_err(failed)?;
        let at = at.into();
        let (Some(lsn), Some(until), Some(finished)) = (lsn, until, finished) else {
            return Ok(LogLook { at, mark: None });
        };
        // Asked for with every mark: a promotion changes it.
        let store = self.position().await?.store;
        let mark = LogMark {
            position: Position {
                store,
                value: lsn.cast_unsigned(),
            },
            until,
            finished,
            at,
        };
        Ok(LogLook {
            at,
            mark: Some(mark),
        })
    }

    async fn log_finished(&self) -> StoreResult<i64> {
        sqlx::query_scalar(st::LOG_FINISHED.sql)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| store_error(st::LOG_FINISHED.name, error))
    }

    async fn log_entries(
        &self,
        after: LogPlace,
        until: i64,
        limit: usize,
    ) -> StoreResult<Vec<LogEntry>> {
        let query = query::<LogRecord>(st::LOG_ENTRIES)
            .bind(after.0)
            .bind(after.1)
            .bind(until)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.rows(st::LOG_ENTRIES, query).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn log_rows(&self, entries: &[LogEntry]) -> StoreResult<Vec<LogRow>> {
        let (mut rows, wanted) = LogRows::of(entries);
        if !wanted.sessions.is_empty() {
            let query = query::<SessionRecord>(SESSION_ROWS).bind(keys(&wanted.sessions));
            rows.sessions(self.rows(SESSION_ROWS, query).await?, shown);
        }
        if !wanted.turns.is_empty() {
            let query = query::<LogTurnRecord>(st::LOG_TURNS).bind(keys(&wanted.turns));
            rows.turns(self.rows(st::LOG_TURNS, query).await?);
        }
        if !wanted.steps.is_empty() {
            let (turns, places): (Vec<&str>, Vec<i32>) = wanted
                .steps
                .iter()
                .map(|(turn, idx)| (turn.as_str(), *idx))
                .unzip();
            let query = query::<LogStepRecord>(st::LOG_STEPS)
                .bind(turns)
                .bind(places);
            rows.steps(self.rows(st::LOG_STEPS, query).await?);
        }
        if !wanted.purges.is_empty() {
            let query = query::<LogPurgeRecord>(st::LOG_PURGES).bind(wanted.purges);
            rows.purges(self.rows(st::LOG_PURGES, query).await?);
        }
        if !wanted.jobs.is_empty() {
            let query = query::<LogJobRecord>(st::LOG_JOBS).bind(wanted.jobs);
            rows.jobs(self.rows(st::LOG_JOBS, query).await?);
        }
        Ok(rows.finish())
    }

    async fn log_forget(&self, below: i64) -> StoreResult<()> {
        loop {
            let done = sqlx::query(st::LOG_FORGET.sql)
                .bind(below)
                .bind(FORGET_BATCH)
                .execute(&self.pool)
                .await
                .map_err(|error| store_error(st::LOG_FORGET.name, error))?;
            if done.rows_affected() < FORGET_BATCH.cast_unsigned() {
                return Ok(());
            }
        }
    }

    async fn log_delays(&self, until: i64) -> StoreResult<Vec<LogDelay>> {
        let rows: Vec<(Option<i32>, String, Option<f64>)> = sqlx::query_as(st::LOG_DELAYS.sql)
            .bind(until)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| store_error(st::LOG_DELAYS.name, error))?;
        Ok(rows
            .into_iter()
            .map(|(pid, holder, seconds)| LogDelay {
                pid,
                holder,
                age: seconds.map(|s| Duration::from_secs_f64(s.max(0.0))),
            })
            .collect())
    }
}
