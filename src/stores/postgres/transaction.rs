//! `RecordTransaction` on PostgreSQL: read committed, with the session's row as the lock.
//!
//! The lock is `for no key update`, which lets other programs insert rows that refer to the
//! session by a foreign key of theirs.

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{FromRow, Postgres, Row, Transaction};

use super::connect::Connections;
use super::error::{corrupt, failure, store_error};
use super::read::{in_order, prompts, sessions, shown, sorted_step_heads, sorted_steps, waits};
use super::statements::{reads, writes as st};
use super::{Query, batch, keys, numberer, query};
use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::step::StepHead;
use crate::domain::{Position, SessionRow, StepRow, Timestamp, TurnRole, TurnRow, Uid};
use crate::stores::StoreErrorKind;
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

/// An open transaction; dropping it rolls back.
pub(super) struct PgTransaction {
    transaction: Transaction<'static, Postgres>,
    connections: Connections,
}

impl PgTransaction {
    pub(super) fn new(
        transaction: Transaction<'static, Postgres>,
        connections: Connections,
    ) -> Self {
        Self {
            transaction,
            connections,
        }
    }

    async fn rows<R>(&mut self, statement: Statement, query: Query<'_, R>) -> StoreResult<Vec<R>>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        query
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(|error| store_error(statement.name, error))
    }

    async fn execute(
        &mut self,
        statement: Statement,
        query: sqlx::query::Query<'_, Postgres, PgArguments>,
    ) -> StoreResult<()> {
        query
            .execute(&mut *self.transaction)
            .await
            .map(|_| ())
            .map_err(|error| store_error(statement.name, error))
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

    async fn human_turns_insert(&mut self, session: &Uid, turns: &[NewTurn]) -> StoreResult<()> {
        let rows = batch::human_turns(turns);
        if rows.uid.is_empty() {
            return Ok(());
        }
        let statement = st::HUMAN_TURNS_INSERT;
        let query = sqlx::query(statement.sql)
            .bind(session.as_str())
            .bind(rows.uid)
            .bind(rows.parent_uid)
            .bind(rows.active_child)
            .bind(rows.prompt)
            .bind(rows.created_at)
            .bind(rows.seq)
            .bind(rows.deleted_at)
            .bind(rows.rev);
        self.execute(statement, query).await
    }

    async fn agent_turns_insert(&mut self, session: &Uid, turns: &[NewTurn]) -> StoreResult<()> {
        let rows = batch::agent_turns(turns);
        if rows.uid.is_empty() {
            return Ok(());
        }
        let statement = st::AGENT_TURNS_INSERT;
        let query = sqlx::query(statement.sql)
            .bind(session.as_str())
            .bind(rows.uid)
            .bind(rows.parent_uid)
            .bind(rows.active_child)
            .bind(rows.liked)
            .bind(rows.created_at)
            .bind(rows.seq)
            .bind(rows.deleted_at)
            .bind(rows.model)
            .bind(rows.status)
            .bind(rows.finished_at)
            .bind(rows.usage)
            .bind(rows.rev);
        self.execute(statement, query).await
    }
}

/// An error of turngraph's own making.
fn defect(statement: Statement, message: String) -> crate::stores::StoreError {
    failure(StoreErrorKind::Bug, statement.name, message)
}

#[async_trait]
impl RecordTransaction for PgTransaction {
    async fn session_lock(&mut self, account: &Uid, uid: &Uid) -> StoreResult<Option<SessionRow>> {
        let row = sqlx::query(st::SESSION_LOCK.sql)
            .bind(account.as_str())
            .bind(uid.as_str())
            .fetch_optional(&mut *self.transaction)
            .await
            .map_err(|error| store_error(st::SESSION_LOCK.name, error))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let failed = |error| store_error(st::SESSION_LOCK.name, error);
        let pending: bool = row.try_get(10).map_err(failed)?;
        let record = SessionRecord::from_row(&row).map_err(failed)?;
        let found =
            SessionRow::try_from(record).map_err(|error| corrupt(&st::SESSION_LOCK, error))?;
        if !pending && !waits(&found) {
            return Ok(Some(found));
        }
        let key = [uid.as_str().to_owned()];
        numberer::number(&mut self.transaction, &key, numberer::WAITING)
            .await
            .map_err(|error| store_error("number_pending", error))?
            .tell();
        let query = query::<SessionRecord>(st::SESSION_READ)
            .bind(account.as_str())
            .bind(uid.as_str());
        let rows = self.rows(st::SESSION_READ, query).await?;
        Ok(sessions(st::SESSION_READ, rows)?
            .into_iter()
            .next()
            .map(shown))
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
        let statement = shared::SESSION_UPDATE;
        let query = query(statement)
            .bind(uid.as_str())
            .bind(patch.title.is_some())
            .bind(patch.title.as_ref().and_then(Option::as_deref))
            .bind(patch.deleted_at.is_some())
            .bind(patch.deleted_at.flatten().map(DbTime))
            .bind(patch.active_root.is_some())
            .bind(patch.active_root.iter().flatten().next().map(Uid::as_str))
            .bind(patch.next_seq)
            .bind(patch.last_activity_at.map(DbTime))
            .bind(now.0);
        let rev = self.rev(statement, query).await?;
        rev.ok_or_else(|| {
            let message = format!("session {uid} is not there; lock it first");
            defect(statement, message)
        })
    }

    /// Turns that still wait for a number, because another transaction holds them, come last with
    /// numbers that nobody must store.
    async fn turns(&mut self, session_uid: &Uid) -> StoreResult<Vec<TurnRow>> {
        let query = query::<TurnRecord>(st::SESSION_TURNS).bind(session_uid.as_str());
        let rows = self.rows(st::SESSION_TURNS, query).await?;
        let mut turns: Vec<SessionTurn> = rows.into_iter().map(Into::into).collect();
        in_order(&mut turns);
        Ok(turns.into_iter().map(|row| row.turn).collect())
    }

    /// Two statements, since one sees nothing of what was committed while it waited for a lock.
    async fn turn_uids_claim(&mut self, uids: &[Uid]) -> StoreResult<Vec<Uid>> {
        let claim = sqlx::query(st::TURN_UIDS_CLAIM.sql).bind(keys(uids));
        self.execute(st::TURN_UIDS_CLAIM, claim).await?;
        let query = query::<UidRecord>(st::TURN_UIDS_TAKEN).bind(keys(uids));
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
        for run in batch::runs(turns, batch::turn_bytes) {
            self.human_turns_insert(session_uid, run).await?;
            self.agent_turns_insert(session_uid, run).await?;
        }
        Ok(())
    }

    async fn turn_update(
        &mut self,
        (role, uid): (TurnRole, &Uid),
        patch: &TurnPatch,
        now: Timestamp,
    ) -> StoreResult<i64> {
        let active_child = patch.active_child.iter().flatten().next().map(Uid::as_str);
        let deleted_at = patch.deleted_at.flatten().map(DbTime);
        let (statement, query) = match role {
            TurnRole::Human => {
                let statement = shared::HUMAN_TURN_UPDATE;
                if patch.liked.is_some() || patch.progress.is_some() {
                    let message = format!("human turn {uid} has neither vote nor progress");
                    return Err(defect(statement, message));
                }
                let query = query(statement)
                    .bind(uid.as_str())
                    .bind(patch.active_child.is_some())
                    .bind(active_child)
                    .bind(patch.deleted_at.is_some())
                    .bind(deleted_at)
                    .bind(now.0);
                (statement, query)
            }
            TurnRole::Agent => {
                let progress = patch.progress.as_ref();
                let query = query(st::AGENT_TURN_UPDATE)
                    .bind(uid.as_str())
                    .bind(patch.active_child.is_some())
                    .bind(active_child)
                    .bind(patch.liked.is_some())
                    .bind(patch.liked.flatten())
                    .bind(patch.deleted_at.is_some())
                    .bind(deleted_at)
                    .bind(progress.map(|p| p.status.as_str()))
                    .bind(progress.and_then(|p| p.finished_at).map(DbTime))
                    .bind(progress.and_then(|p| p.usage.as_deref()))
                    .bind(now.0);
                (st::AGENT_TURN_UPDATE, query)
            }
        };
        let rev = self.rev(statement, query).await?;
        rev.ok_or_else(|| {
            let message = format!("turn {uid} is not there; lock its session first");
            defect(statement, message)
        })
    }

    async fn steps_insert(
        &mut self,
        session_uid: &Uid,
        steps: &[StepRow],
        turn_seqs: &[i32],
    ) -> StoreResult<()> {
        let statement = st::STEPS_INSERT;
        if steps.len() != turn_seqs.len() {
            let message = format!("{} steps with {} numbers", steps.len(), turn_seqs.len());
            return Err(defect(statement, message));
        }
        let rows: Vec<(&StepRow, i32)> = steps.iter().zip(turn_seqs.iter().copied()).collect();
        for run in batch::runs(&rows, |(step, _)| step.content.len()) {
            let rows = batch::steps(run);
            let query = sqlx::query(statement.sql)
                .bind(session_uid.as_str())
                .bind(rows.turn_uid)
                .bind(rows.idx)
                .bind(rows.tpe)
                .bind(rows.content)
                .bind(rows.created_at)
                .bind(rows.turn_seq)
                .bind(rows.rev);
            self.execute(statement, query).await?;
        }
        Ok(())
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
        let query = query::<PromptRecord>(reads::PROMPTS).bind(keys(turn_uids));
        Ok(prompts(self.rows(reads::PROMPTS, query).await?))
    }

    async fn steps(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<StepRow>> {
        let query = query::<StepRecord>(reads::STEPS).bind(keys(turn_uids));
        Ok(sorted_steps(self.rows(reads::STEPS, query).await?))
    }

    async fn step_heads(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<StepHead>> {
        let query = query::<StepHeadRecord>(reads::STEP_HEADS).bind(keys(turn_uids));
        Ok(sorted_step_heads(
            self.rows(reads::STEP_HEADS, query).await?,
        ))
    }

    async fn scores_insert(&mut self, session_uid: &Uid, scores: &[ScoreRow]) -> StoreResult<()> {
        let rows = batch::scores(scores);
        let statement = st::SCORES_INSERT;
        let query = sqlx::query(statement.sql)
            .bind(session_uid.as_str())
            .bind(rows.uid)
            .bind(rows.target_kind)
            .bind(rows.target_uid)
            .bind(rows.target_idx)
            .bind(rows.name)
            .bind(rows.source)
            .bind(rows.value_type)
            .bind(rows.number)
            .bind(rows.label)
            .bind(rows.text)
            .bind(rows.comment)
            .bind(rows.evaluator)
            .bind(rows.created_at);
        self.execute(statement, query).await
    }

    async fn metadata_set(&mut self, session_uid: &Uid, rows: &[MetadataRow]) -> StoreResult<()> {
        let rows = batch::metadata(rows);
        let statement = st::METADATA_SET;
        let query = sqlx::query(statement.sql)
            .bind(session_uid.as_str())
            .bind(rows.target_kind)
            .bind(rows.target_uid)
            .bind(rows.target_idx)
            .bind(rows.key)
            .bind(rows.value);
        self.execute(statement, query).await
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
        self.execute(statement, query).await
    }

    /// The position is read after the commit: within the transaction, or by the place up to which
    /// the log is on disk, it would be too low.
    async fn commit(self: Box<Self>) -> StoreResult<Position> {
        let Self {
            transaction,
            connections,
        } = *self;
        transaction
            .commit()
            .await
            .map_err(|error| store_error("commit", error))?;
        super::source::position(&connections).await
    }
}
