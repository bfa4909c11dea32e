//! `RecordTransaction` on PostgreSQL: read committed, with the session's row as the lock.
//!
//! The lock is `for no key update`, which lets other programs insert rows that refer to the
//! session by a foreign key of theirs.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{FromRow, Postgres, Transaction};

use super::connect::Connections;
use super::error::{failure, store_error};
use super::read::{in_order, prompts, sorted_step_heads, sorted_steps};
use super::statements::{reads, writes as st};
use super::write::{KnownRecord, PlaceRecord, VersionRecord};
use super::{PgRecordStore, Query, batch, keys, query};
use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::step::StepHead;
use crate::domain::{Position, SessionRow, StepRow, Timestamp, Uid};
use crate::stores::record::{
    Claims, IdempotencyRecord, LockedSessions, RecordTransaction, SessionTurn, StoreResult,
    TurnPlace, Versions, WriteSet,
};
use crate::stores::sql::Statement;
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::records::{
    PromptRecord, StepHeadRecord, StepRecord, TurnRecord, UidRecord,
};
use crate::stores::{StoreError, StoreErrorKind};

/// An open transaction; dropping it rolls back.
pub(super) struct PgTransaction {
    pub(super) transaction: Transaction<'static, Postgres>,
    connections: Connections,
}

impl PgRecordStore {
    /// Starts a transaction by this text.
    pub(super) async fn begin_write(
        &self,
        begin: &'static str,
    ) -> StoreResult<Box<dyn RecordTransaction>> {
        let begun = self.pool.begin_with(begin);
        let transaction = self.connections.soon("begin", begun).await?;
        Ok(Box::new(PgTransaction {
            transaction,
            connections: self.connections.clone(),
        }))
    }
}

impl PgTransaction {
    pub(super) async fn rows<R>(
        &mut self,
        statement: Statement,
        query: Query<'_, R>,
    ) -> StoreResult<Vec<R>>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        query
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(|error| store_error(statement.name, error))
    }

    pub(super) async fn execute(
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
}

/// Pairs as two columns.
fn pairs(pairs: &[(Uid, Uid)]) -> (Vec<&str>, Vec<&str>) {
    pairs
        .iter()
        .map(|(first, second)| (first.as_str(), second.as_str()))
        .unzip()
}

#[async_trait]
impl RecordTransaction for PgTransaction {
    async fn session_lock(&mut self, account: &Uid, uid: &Uid) -> StoreResult<Option<SessionRow>> {
        let query = sqlx::query(st::SESSION_LOCK.sql)
            .bind(account.as_str())
            .bind(uid.as_str());
        let locked = self.lock(st::SESSION_LOCK, query).await?;
        let numbered = self.number(locked).await?;
        Ok(numbered.into_iter().next())
    }

    async fn sessions_lock_free(&mut self, wanted: &[(Uid, Uid)]) -> StoreResult<LockedSessions> {
        let (accounts, uids) = pairs(wanted);
        let query = sqlx::query(st::SESSIONS_LOCK_FREE.sql)
            .bind(&accounts)
            .bind(&uids);
        let locked = self.lock(st::SESSIONS_LOCK_FREE, query).await?;
        let mut busy = Vec::new();
        if locked.len() < wanted.len() {
            let query = super::query::<UidRecord>(st::SESSIONS_THERE)
                .bind(&accounts)
                .bind(&uids);
            let there = self.rows(st::SESSIONS_THERE, query).await?;
            let held: HashSet<&Uid> = locked.iter().map(|(row, _)| &row.uid).collect();
            let there = there.into_iter().map(|row| Uid::from(row.uid));
            busy = there.filter(|uid| !held.contains(uid)).collect();
        }
        let found = self.number(locked).await?;
        Ok(LockedSessions { found, busy })
    }

    /// In the order of the keys, so that no two transactions wait for each other.
    async fn sessions_insert(&mut self, sessions: &[&SessionRow]) -> StoreResult<Vec<Option<i64>>> {
        let mut ordered = sessions.to_vec();
        ordered.sort_by(|a, b| a.uid.cmp(&b.uid));
        let columns = batch::sessions(&ordered);
        let query = query::<VersionRecord>(st::SESSIONS_INSERT)
            .bind(columns.uid)
            .bind(columns.account_uid)
            .bind(columns.title)
            .bind(columns.created_at)
            .bind(columns.deleted_at)
            .bind(columns.active_root)
            .bind(columns.next_seq)
            .bind(columns.last_activity_at)
            .bind(columns.forked_from)
            .bind(columns.rev);
        let rows = self.rows(st::SESSIONS_INSERT, query).await?;
        let revs: HashMap<Uid, i64> = rows
            .into_iter()
            .map(|row| (row.uid.into(), row.rev))
            .collect();
        Ok(sessions
            .iter()
            .map(|row| revs.get(&row.uid).copied())
            .collect())
    }

    /// Turns that still wait for a number, because another transaction holds them, come last with
    /// numbers that nobody must store.
    async fn turns_of(&mut self, session_uids: &[Uid]) -> StoreResult<Vec<SessionTurn>> {
        let query = query::<TurnRecord>(st::SESSION_TURNS).bind(keys(session_uids));
        let rows = self.rows(st::SESSION_TURNS, query).await?;
        let mut turns: Vec<SessionTurn> = rows.into_iter().map(Into::into).collect();
        in_order(&mut turns);
        Ok(turns)
    }

    /// Two statements, since one sees nothing of what was committed while it waited for a lock.
    async fn turn_uids_claim(&mut self, uids: &[Uid]) -> StoreResult<Vec<Uid>> {
        let claim = sqlx::query(st::TURN_UIDS_CLAIM.sql).bind(keys(uids));
        self.execute(st::TURN_UIDS_CLAIM, claim).await?;
        let query = query::<UidRecord>(st::TURN_UIDS_TAKEN).bind(keys(uids));
        let rows = self.rows(st::TURN_UIDS_TAKEN, query).await?;
        Ok(rows.into_iter().map(|row| row.uid.into()).collect())
    }

    async fn turn_uids_claim_free(&mut self, uids: &[Uid]) -> StoreResult<Claims> {
        let query = query::<UidRecord>(st::TURN_UIDS_CLAIM_FREE).bind(keys(uids));
        let busy = self.rows(st::TURN_UIDS_CLAIM_FREE, query).await?;
        let query = super::query::<UidRecord>(st::TURN_UIDS_TAKEN).bind(keys(uids));
        let taken = self.rows(st::TURN_UIDS_TAKEN, query).await?;
        let uids = |rows: Vec<UidRecord>| rows.into_iter().map(|row| row.uid.into()).collect();
        Ok(Claims {
            taken: uids(taken),
            busy: uids(busy),
        })
    }

    async fn sessions_by_turn(&mut self, turns: &[(Uid, Uid)]) -> StoreResult<Vec<TurnPlace>> {
        let (accounts, uids) = pairs(turns);
        let query = query::<PlaceRecord>(st::SESSIONS_OF_TURNS)
            .bind(accounts)
            .bind(uids);
        let rows = self.rows(st::SESSIONS_OF_TURNS, query).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn write(&mut self, rows: &WriteSet<'_>, now: Timestamp) -> StoreResult<Versions> {
        self.write_rows(rows, now).await
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

    async fn idempotency(
        &mut self,
        keys: &[(&Uid, &str)],
    ) -> StoreResult<Vec<Option<IdempotencyRecord>>> {
        let accounts: Vec<&str> = keys.iter().map(|(account, _)| account.as_str()).collect();
        let texts: Vec<&str> = keys.iter().map(|(_, key)| *key).collect();
        let query = query::<KnownRecord>(st::IDEMPOTENCY_KEYS)
            .bind(accounts)
            .bind(texts);
        let mut known = vec![None; keys.len()];
        for row in self.rows(st::IDEMPOTENCY_KEYS, query).await? {
            let place = usize::try_from(row.place - 1).expect("places count from one");
            known[place] = Some(IdempotencyRecord {
                input_hash: row.input_hash,
                answer: row.answer,
            });
        }
        Ok(known)
    }

    async fn idempotency_insert_all(
        &mut self,
        keys: &[(&Uid, &str, &IdempotencyRecord)],
        now: Timestamp,
    ) -> StoreResult<()> {
        // In their order, so that no two transactions wait for each other.
        let mut keys = keys.to_vec();
        keys.sort_by_key(|(account, key, _)| (account.as_str(), *key));
        let column = |of: fn(&(&Uid, &str, &IdempotencyRecord)) -> String| -> Vec<String> {
            keys.iter().map(of).collect()
        };
        let query = sqlx::query(st::IDEMPOTENCY_INSERT.sql)
            .bind(column(|(account, ..)| account.as_str().to_owned()))
            .bind(column(|(_, key, _)| (*key).to_owned()))
            .bind(column(|(.., record)| record.input_hash.clone()))
            .bind(column(|(.., record)| record.answer.clone()))
            .bind(DbTime(now));
        self.execute(st::IDEMPOTENCY_INSERT, query).await
    }

    async fn rollback(self: Box<Self>) -> StoreResult<()> {
        let done = self.transaction.rollback().await;
        done.map_err(|error| store_error("rollback", error))
    }

    fn defect(&self, action: &'static str, message: String) -> StoreError {
        failure(StoreErrorKind::Bug, action, message)
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
