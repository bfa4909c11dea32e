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
use super::{Query, SqliteRecordStore, batch, query, sort_turns, statements as st, update};
use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::step::StepHead;
use crate::domain::{Clock, Position, SessionRow, StepRow, Timestamp, TurnRole, TurnRow, Uid};
use crate::stores::record::{
    IdempotencyRecord, NewTurn, RecordTransaction, SessionPatch, SessionTurn, StoreResult,
    TurnPatch, fork_origin_json,
};
use crate::stores::sql::Statement;
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::records::{
    PromptRecord, RevRecord, SessionRecord, StepHeadRecord, StepRecord, TurnRecord,
    TurnSessionRecord, UidRecord,
};
use crate::stores::sql::statements as shared;
use crate::stores::{StoreError, StoreErrorKind};

/// An open transaction; dropping it rolls back.
pub(super) struct SqliteTransaction {
    transaction: Transaction<'static, Sqlite>,
    errors: Errors,
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
    async fn rows<'q, R>(
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
    async fn rev(
        &mut self,
        statement: Statement,
        query: Query<'_, RevRecord>,
    ) -> StoreResult<Option<i64>> {
        let rows = self.rows(statement, query).await?;
        Ok(rows.first().map(|row| row.rev))
    }

    /// Inserts the rows of each batch into session `$1`; `$3` is now as a version for the
    /// statements that have it.
    async fn insert(
        &mut self,
        statement: Statement,
        session_uid: &Uid,
        batches: Vec<String>,
    ) -> StoreResult<()> {
        for rows in batches {
            let query = sqlx::query(statement.sql)
                .bind(session_uid.as_str())
                .bind(rows);
            let done = query.execute(&mut *self.transaction).await;
            done.map_err(|error| self.errors.driver(statement.name, error))?;
        }
        Ok(())
    }

    fn defect(&self, statement: Statement, message: String) -> StoreError {
        self.errors
            .make(StoreErrorKind::Bug, statement.name, message)
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

    async fn session_insert(&mut self, session: &SessionRow) -> StoreResult<Option<i64>> {
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
        self.rev(st::SESSION_INSERT, query).await
    }

    async fn session_update(
        &mut self,
        uid: &Uid,
        patch: &SessionPatch,
        now: Timestamp,
    ) -> StoreResult<i64> {
        let (statement, query) = update::session(uid, patch, now);
        let rev = self.rev(statement, query).await?;
        rev.ok_or_else(|| {
            self.defect(
                statement,
                format!("session {uid} is not there; lock it first"),
            )
        })
    }

    async fn turns(&mut self, session_uid: &Uid) -> StoreResult<Vec<TurnRow>> {
        let query = query::<TurnRecord>(st::SESSION_TURNS).bind(session_uid.as_str());
        let rows = self.rows(st::SESSION_TURNS, query).await?;
        let mut turns: Vec<SessionTurn> = rows.into_iter().map(Into::into).collect();
        sort_turns(&mut turns);
        Ok(turns.into_iter().map(|row| row.turn).collect())
    }

    /// No other transaction writes before this one has ended, so a look is enough.
    async fn turn_uids_claim(&mut self, uids: &[Uid]) -> StoreResult<Vec<Uid>> {
        let query = query::<UidRecord>(st::TURN_UIDS_TAKEN).bind(batch::keys(uids));
        let rows = self.rows(st::TURN_UIDS_TAKEN, query).await?;
        Ok(rows.into_iter().map(|row| row.uid.into()).collect())
    }

    async fn session_by_turn(&mut self, account: &Uid, turn: &Uid) -> StoreResult<Option<Uid>> {
        let query = query::<TurnSessionRecord>(shared::SESSION_BY_TURN)
            .bind(account.as_str())
            .bind(turn.as_str());
        let rows = self.rows(shared::SESSION_BY_TURN, query).await?;
        Ok(rows.into_iter().next().map(|row| row.session_uid.into()))
    }

    async fn turns_insert(&mut self, session_uid: &Uid, turns: &[NewTurn]) -> StoreResult<()> {
        let human = batch::human_turns(turns);
        self.insert(st::HUMAN_TURNS_INSERT, session_uid, human)
            .await?;
        let agent = batch::agent_turns(turns);
        self.insert(st::AGENT_TURNS_INSERT, session_uid, agent)
            .await
    }

    async fn turn_update(
        &mut self,
        (role, uid): (TurnRole, &Uid),
        patch: &TurnPatch,
        now: Timestamp,
    ) -> StoreResult<i64> {
        let (statement, query) = match role {
            TurnRole::Human if patch.liked.is_some() || patch.progress.is_some() => {
                let message = format!("human turn {uid} has neither vote nor progress");
                return Err(self.defect(shared::HUMAN_TURN_UPDATE, message));
            }
            TurnRole::Human => update::human_turn(uid, patch, now),
            TurnRole::Agent => update::agent_turn(uid, patch, now),
        };
        let rev = self.rev(statement, query).await?;
        rev.ok_or_else(|| {
            self.defect(
                statement,
                format!("turn {uid} is not there; lock its session first"),
            )
        })
    }

    async fn steps_insert(
        &mut self,
        session_uid: &Uid,
        steps: &[StepRow],
        turn_seqs: &[i32],
    ) -> StoreResult<()> {
        if steps.len() != turn_seqs.len() {
            let message = format!("{} steps with {} numbers", steps.len(), turn_seqs.len());
            return Err(self.defect(st::STEPS_INSERT, message));
        }
        let rows = batch::steps(steps, turn_seqs);
        self.insert(st::STEPS_INSERT, session_uid, rows).await
    }

    async fn step_update(
        &mut self,
        turn: &Uid,
        idx: i32,
        content: &str,
        now: Timestamp,
    ) -> StoreResult<Option<i64>> {
        let query = query(shared::STEP_UPDATE)
            .bind(turn.as_str())
            .bind(idx)
            .bind(content)
            .bind(now.0);
        self.rev(shared::STEP_UPDATE, query).await
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
        let rows = batch::metadata(rows);
        self.insert(st::METADATA_SET, session_uid, rows).await
    }

    async fn idempotency_insert(
        &mut self,
        account: &Uid,
        key: &str,
        record: &IdempotencyRecord,
        now: Timestamp,
    ) -> StoreResult<()> {
        let statement = shared::IDEMPOTENCY_INSERT;
        let query = sqlx::query(statement.sql)
            .bind(account.as_str())
            .bind(key)
            .bind(&record.input_hash)
            .bind(&record.answer)
            .bind(DbTime(now));
        let done = query.execute(&mut *self.transaction).await;
        done.map_err(|error| self.errors.driver(statement.name, error))?;
        Ok(())
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
