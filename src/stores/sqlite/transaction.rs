//! `RecordTransaction` on SQLite: `begin immediate` on the one connection that writes.
//!
//! The transaction holds the database's write lock from its begin, so a session needs no lock of
//! its own: what is read here stays as it is until the commit.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Sqlite, Transaction};
use std::sync::Arc;

use super::error::Errors;
use super::read::{sorted_step_heads, sorted_steps};
use super::{Query, SqliteRecordStore, batch, query, sort_turns, statements as st};
use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::step::StepHead;
use crate::domain::{Clock, Position, SessionRow, StepRow, Timestamp, Uid};
use crate::stores::record::{
    Claims, IdempotencyRecord, LockedSessions, RecordTransaction, SessionTurn, StoreResult,
    TurnPlace, Versions, WriteSet, fork_origin_json,
};
use crate::stores::sql::Statement;
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::records::{
    IdempotencyKeyRecord, PromptRecord, RevRecord, SessionRecord, StepHeadRecord, StepRecord,
    TurnRecord, TurnSessionRecord, UidRecord,
};
use crate::stores::sql::statements::IDEMPOTENCY;
use crate::stores::{StoreError, StoreErrorKind};

/// An open transaction; dropping it rolls back.
pub(super) struct SqliteTransaction {
    pub(super) transaction: Transaction<'static, Sqlite>,
    pub(super) errors: Errors,
    clock: Arc<dyn Clock>,
    store: String,
}

impl SqliteRecordStore {
    /// Starts a transaction once no other writer has one.
    pub(super) async fn begin_write(&self) -> StoreResult<Box<dyn RecordTransaction>> {
        self.require_file("begin")?;
        let transaction = self.writer.begin_with("begin immediate").await;
        Ok(Box::new(SqliteTransaction {
            transaction: transaction.map_err(|error| self.errors.driver("begin", error))?,
            errors: self.errors.clone(),
            clock: Arc::clone(&self.clock),
            store: self.id.clone(),
        }))
    }
}

impl SqliteTransaction {
    pub(super) async fn rows<'q, R>(
        &mut self,
        statement: Statement,
        query: Query<'q, R>,
    ) -> StoreResult<Vec<R>>
    where
        R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        query
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(|error| self.errors.driver(statement.name, error))
    }

    /// The version that a statement wrote, if it wrote a row.
    pub(super) async fn rev(
        &mut self,
        statement: Statement,
        query: Query<'_, RevRecord>,
    ) -> StoreResult<Option<i64>> {
        let rows = self.rows(statement, query).await?;
        Ok(rows.first().map(|row| row.rev))
    }
}

#[async_trait]
impl RecordTransaction for SqliteTransaction {
    async fn session_lock(&mut self, account: &Uid, uid: &Uid) -> StoreResult<Option<SessionRow>> {
        let query = query::<SessionRecord>(st::SESSION_LOCK)
            .bind(account.as_str())
            .bind(uid.as_str());
        let rows = self.rows(st::SESSION_LOCK, query).await?;
        let row = rows.into_iter().next().map(SessionRow::try_from);
        row.transpose()
            .map_err(|error| self.errors.row(st::SESSION_LOCK.name, error))
    }

    /// No other transaction writes, so all of them are free.
    async fn sessions_lock_free(&mut self, wanted: &[(Uid, Uid)]) -> StoreResult<LockedSessions> {
        let mut found = Vec::with_capacity(wanted.len());
        for (account, uid) in wanted {
            found.extend(self.session_lock(account, uid).await?);
        }
        Ok(LockedSessions {
            found,
            busy: Vec::new(),
        })
    }

    async fn sessions_insert(&mut self, sessions: &[&SessionRow]) -> StoreResult<Vec<Option<i64>>> {
        let mut revs = Vec::with_capacity(sessions.len());
        for session in sessions {
            let query = query(st::SESSION_INSERT)
                .bind(session.uid.as_str())
                .bind(session.account_uid.as_str())
                .bind(session.title.as_deref())
                .bind(DbTime(session.created_at))
                .bind(session.deleted_at.map(DbTime))
                .bind(session.active_root.as_ref().map(Uid::as_str))
                .bind(session.next_seq)
                .bind(DbTime(session.last_activity_at))
                .bind(session.forked_from.as_ref().map(fork_origin_json))
                .bind(session.rev);
            revs.push(self.rev(st::SESSION_INSERT, query).await?);
        }
        Ok(revs)
    }

    async fn turns_of(&mut self, session_uids: &[Uid]) -> StoreResult<Vec<SessionTurn>> {
        let query = query::<TurnRecord>(st::SESSION_TURNS).bind(batch::keys(session_uids));
        let rows = self.rows(st::SESSION_TURNS, query).await?;
        let mut turns: Vec<SessionTurn> = rows.into_iter().map(Into::into).collect();
        sort_turns(&mut turns);
        Ok(turns)
    }

    /// No other transaction writes before this one has ended, so a look is enough.
    async fn turn_uids_claim(&mut self, uids: &[Uid]) -> StoreResult<Vec<Uid>> {
        let query = query::<UidRecord>(st::TURN_UIDS_TAKEN).bind(batch::keys(uids));
        let rows = self.rows(st::TURN_UIDS_TAKEN, query).await?;
        Ok(rows.into_iter().map(|row| row.uid.into()).collect())
    }

    async fn turn_uids_claim_free(&mut self, uids: &[Uid]) -> StoreResult<Claims> {
        Ok(Claims {
            taken: self.turn_uids_claim(uids).await?,
            busy: Vec::new(),
        })
    }

    async fn sessions_by_turn(&mut self, turns: &[(Uid, Uid)]) -> StoreResult<Vec<TurnPlace>> {
        let mut places = Vec::with_capacity(turns.len());
        for (account, turn) in turns {
            let query = query::<TurnSessionRecord>(st::SESSION_BY_TURN)
                .bind(account.as_str())
                .bind(turn.as_str());
            let rows = self.rows(st::SESSION_BY_TURN, query).await?;
            places.extend(rows.into_iter().next().map(|row| TurnPlace {
                account_uid: account.clone(),
                turn_uid: turn.clone(),
                session_uid: row.session_uid.into(),
            }));
        }
        Ok(places)
    }

    async fn write(&mut self, rows: &WriteSet<'_>, now: Timestamp) -> StoreResult<Versions> {
        self.write_rows(rows, now).await
    }

    async fn prompts(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<(Uid, String)>> {
        let query = query::<PromptRecord>(st::PROMPTS).bind(batch::keys(turn_uids));
        let rows = self.rows(st::PROMPTS, query).await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.uid.into(), row.prompt))
            .collect())
    }

    async fn steps(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<StepRow>> {
        let query = query::<StepRecord>(st::STEPS).bind(batch::keys(turn_uids));
        Ok(sorted_steps(self.rows(st::STEPS, query).await?))
    }

    async fn step_heads(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<StepHead>> {
        let query = query::<StepHeadRecord>(st::STEP_HEADS).bind(batch::keys(turn_uids));
        Ok(sorted_step_heads(self.rows(st::STEP_HEADS, query).await?))
    }

    async fn scores_insert(&mut self, session_uid: &Uid, scores: &[ScoreRow]) -> StoreResult<()> {
        let statement = st::SCORE_INSERT;
        let now = self.clock.now();
        for score in scores {
            // The number is bound, since SQLite's reader of JSON may be off in its last digit.
            let (texts, number) = batch::score(score);
            let query = sqlx::query(statement.sql)
                .bind(session_uid.as_str())
                .bind(texts)
                .bind(now.0)
                .bind(number);
            let done = query.execute(&mut *self.transaction).await;
            done.map_err(|error| self.errors.driver(statement.name, error))?;
        }
        Ok(())
    }

    async fn metadata_set(&mut self, session_uid: &Uid, rows: &[MetadataRow]) -> StoreResult<()> {
        let statement = st::METADATA_SET;
        for rows in batch::metadata(rows) {
            let query = sqlx::query(statement.sql)
                .bind(session_uid.as_str())
                .bind(rows);
            let done = query.execute(&mut *self.transaction).await;
            done.map_err(|error| self.errors.driver(statement.name, error))?;
        }
        Ok(())
    }

    async fn idempotency(
        &mut self,
        keys: &[(&Uid, &str)],
    ) -> StoreResult<Vec<Option<IdempotencyRecord>>> {
        let mut known = Vec::with_capacity(keys.len());
        for (account, key) in keys {
            let query = query::<IdempotencyKeyRecord>(IDEMPOTENCY)
                .bind(account.as_str())
                .bind(*key);
            let row = self.rows(IDEMPOTENCY, query).await?.into_iter().next();
            known.push(row.map(Into::into));
        }
        Ok(known)
    }

    async fn idempotency_insert_all(
        &mut self,
        keys: &[(&Uid, &str, &IdempotencyRecord)],
        now: Timestamp,
    ) -> StoreResult<()> {
        let statement = st::IDEMPOTENCY_INSERT;
        for (account, key, record) in keys {
            let query = sqlx::query(statement.sql)
                .bind(account.as_str())
                .bind(*key)
                .bind(&record.input_hash)
                .bind(&record.answer)
                .bind(DbTime(now));
            let done = query.execute(&mut *self.transaction).await;
            done.map_err(|error| self.errors.driver(statement.name, error))?;
        }
        Ok(())
    }

    async fn rollback(self: Box<Self>) -> StoreResult<()> {
        let done = self.transaction.rollback().await;
        done.map_err(|error| self.errors.driver("rollback", error))
    }

    fn defect(&self, action: &'static str, message: String) -> StoreError {
        self.errors.make(StoreErrorKind::Bug, action, message)
    }

    /// The position is read before the commit: no other writer can change anything between.
    async fn commit(mut self: Box<Self>) -> StoreResult<Position> {
        let last: i64 = sqlx::query_scalar(st::LAST_CHANGE.sql)
            .fetch_one(&mut *self.transaction)
            .await
            .map_err(|error| self.errors.driver(st::LAST_CHANGE.name, error))?;
        let Self {
            transaction,
            errors,
            store,
            ..
        } = *self;
        let done = transaction.commit().await;
        done.map_err(|error| errors.driver("commit", error))?;
        errors.wrote();
        Ok(Position {
            store,
            value: u64::try_from(last).expect("change numbers begin at 1"),
        })
    }
}
