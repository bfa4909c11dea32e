//! `ChangeLog` on SQLite: entries in the order of commits, since there is one writer at a time.

use async_trait::async_trait;

use super::super::{SqliteRecordStore, batch, query, statements as st};
use crate::domain::{Position, Uid};
use crate::stores::change_log::{
    ChangeLog, LogDelay, LogEntry, LogLook, LogMark, LogPlace, LogRow,
};
use crate::stores::record::StoreResult;
use crate::stores::source::ProjectionSource;
use crate::stores::sql::log::{LogPurgeRecord, LogRecord, LogRows, LogStepRecord, LogTurnRecord};
use crate::stores::sql::records::SessionRecord;

/// Entries that are removed by one statement, so that writers need not wait long.
const FORGET_BATCH: i64 = 5_000;

impl SqliteRecordStore {
    /// The number of the last change, and of the first one that is still in the log.
    async fn log_ends(&self) -> StoreResult<(i64, Option<i64>)> {
        sqlx::query_as(st::LOG_ENDS.sql)
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.errors.driver(st::LOG_ENDS.name, error))
    }
}

#[async_trait]
impl ChangeLog for SqliteRecordStore {
    /// Changes are always recorded; numbers follow each other without gaps, so it can be seen
    /// whether some are gone.
    async fn log_on(&self, from: Option<i64>) -> StoreResult<bool> {
        let (last, first) = self.log_ends().await?;
        let from = from.unwrap_or(1);
        Ok(first.unwrap_or(last + 1) <= from && from <= last + 1)
    }

    async fn log_off(&self) -> StoreResult<()> {
        self.log_forget(i64::MAX).await
    }

    async fn log_look(&self, known: Option<&Position>) -> StoreResult<LogLook> {
        // Before the position: what is committed at this time is in it.
        let at = self.clock.now();
        let position = self.position().await?;
        if known == Some(&position) {
            return Ok(LogLook { at, mark: None });
        }
        let last = i64::try_from(position.value).unwrap_or(i64::MAX - 1);
        let mark = LogMark {
            position,
            until: last + 1,
            finished: i64::MAX,
            at,
        };
        Ok(LogLook {
            at,
            mark: Some(mark),
        })
    }

    async fn log_finished(&self) -> StoreResult<i64> {
        Ok(i64::MAX)
    }

    async fn log_entries(
        &self,
        after: LogPlace,
        until: i64,
        limit: usize,
    ) -> StoreResult<Vec<LogEntry>> {
        // Place and number are the same here; a place that was only begun with has number 0.
        let after = if after.1 == 0 { after.0 - 1 } else { after.1 };
        let query = query::<LogRecord>(st::LOG_ENTRIES)
            .bind(after)
            .bind(until)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.rows(st::LOG_ENTRIES, query).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn log_rows(&self, entries: &[LogEntry]) -> StoreResult<Vec<LogRow>> {
        let (mut rows, wanted) = LogRows::of(entries);
        if !wanted.sessions.is_empty() {
            let keys = batch::keys(&wanted.sessions);
            let query = query::<SessionRecord>(st::SESSION_ROWS).bind(keys);
            rows.sessions(self.rows(st::SESSION_ROWS, query).await?, |row| row);
        }
        if !wanted.turns.is_empty() {
            let keys = batch::keys(&wanted.turns);
            let query = query::<LogTurnRecord>(st::LOG_TURNS).bind(keys);
            rows.turns(self.rows(st::LOG_TURNS, query).await?);
        }
        if !wanted.steps.is_empty() {
            let keys: Vec<(&str, i32)> = wanted
                .steps
                .iter()
                .map(|(turn, idx): &(Uid, i32)| (turn.as_str(), *idx))
                .collect();
            let keys = serde_json::to_string(&keys).expect("texts and numbers are always JSON");
            let query = query::<LogStepRecord>(st::LOG_STEPS).bind(keys);
            rows.steps(self.rows(st::LOG_STEPS, query).await?);
        }
        if !wanted.purges.is_empty() {
            let keys = serde_json::to_string(&wanted.purges).expect("numbers are always JSON");
            let query = query::<LogPurgeRecord>(st::LOG_PURGES).bind(keys);
            rows.purges(self.rows(st::LOG_PURGES, query).await?);
        }
        Ok(rows.finish())
    }

    async fn log_forget(&self, below: i64) -> StoreResult<()> {
        loop {
            let done = sqlx::query(st::LOG_FORGET.sql)
                .bind(below)
                .bind(FORGET_BATCH)
                .execute(&self.writer)
                .await
                .map_err(|error| self.errors.driver(st::LOG_FORGET.name, error))?;
            if done.rows_affected() < FORGET_BATCH.cast_unsigned() {
                return Ok(());
            }
        }
    }

    /// Nobody can: what is not committed has no number.
    async fn log_delays(&self, _until: i64) -> StoreResult<Vec<LogDelay>> {
        Ok(vec![])
    }
}
