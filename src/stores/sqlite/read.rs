//! The reads of `RecordStore` on SQLite: each is one statement on a reading connection.
//!
//! Answers of several sessions or turns are put in order here and not by SQL: the index gives the
//! order almost always, which costs a sort nothing, but a statement would sort again.

use async_trait::async_trait;

use super::{SqliteRecordStore, batch, query, sort_turns, statements as st};
use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::step::StepHead;
use crate::domain::{SessionRow, StepRow, Uid};
use crate::stores::StoreKind;
use crate::stores::erasure::ErasureStore;
use crate::stores::listing::{SessionFilter, SessionListing, TurnHit, TurnSearch};
use crate::stores::record::{
    IdempotencyRecord, RecordStore, RecordTransaction, SessionTurn, StoreHealth, StoreResult,
};
use crate::stores::sql::records::{
    IdempotencyKeyRecord, PromptRecord, SessionRecord, StepHeadRecord, StepRecord, TurnRecord,
    TurnSessionRecord,
};
use crate::stores::sql::score::{MetadataRecord, ScoreRecord};
use crate::stores::sql::statements::IDEMPOTENCY;

#[async_trait]
impl RecordStore for SqliteRecordStore {
    fn kind(&self) -> StoreKind {
        StoreKind::Sqlite
    }

    async fn sessions_by_uid(&self, account: &Uid, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        let statement = st::SESSIONS_BY_UID;
        let query = query::<SessionRecord>(statement)
            .bind(account.as_str())
            .bind(batch::keys(uids));
        let rows = self.rows(statement, query).await?;
        rows.into_iter()
            .map(|row| row.try_into())
            .collect::<Result<_, _>>()
            .map_err(|error| self.errors.row(statement.name, error))
    }

    async fn turns_by_session(
        &self,
        account: &Uid,
        session_uids: &[Uid],
    ) -> StoreResult<Vec<SessionTurn>> {
        let statement = st::TURNS_BY_SESSION;
        let query = query::<TurnRecord>(statement)
            .bind(account.as_str())
            .bind(batch::keys(session_uids));
        let rows = self.rows(statement, query).await?;
        let mut turns: Vec<SessionTurn> = rows.into_iter().map(Into::into).collect();
        sort_turns(&mut turns);
        Ok(turns)
    }

    async fn sessions_by_turn(
        &self,
        account: &Uid,
        turn_uids: &[Uid],
    ) -> StoreResult<Vec<(Uid, Uid)>> {
        let statement = st::SESSIONS_BY_TURN;
        let query = query::<TurnSessionRecord>(statement)
            .bind(account.as_str())
            .bind(batch::keys(turn_uids));
        let rows = self.rows(statement, query).await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.uid.into(), row.session_uid.into()))
            .collect())
    }

    async fn sessions_page(
        &self,
        account: &Uid,
        listing: &SessionListing,
    ) -> StoreResult<Vec<SessionRow>> {
        self.page(account, listing).await
    }

    async fn sessions_count(
        &self,
        account: &Uid,
        filter: &SessionFilter,
        up_to: usize,
    ) -> StoreResult<usize> {
        self.count(account, filter, up_to).await
    }

    async fn turns_search(&self, account: &Uid, search: &TurnSearch) -> StoreResult<Vec<TurnHit>> {
        self.search(account, search).await
    }

    async fn prompts(&self, turn_uids: &[Uid]) -> StoreResult<Vec<(Uid, String)>> {
        let query = query::<PromptRecord>(st::PROMPTS).bind(batch::keys(turn_uids));
        let rows = self.rows(st::PROMPTS, query).await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.uid.into(), row.prompt))
            .collect())
    }

    async fn steps(&self, turn_uids: &[Uid]) -> StoreResult<Vec<StepRow>> {
        let query = query::<StepRecord>(st::STEPS).bind(batch::keys(turn_uids));
        let rows = self.rows(st::STEPS, query).await?;
        Ok(sorted_steps(rows))
    }

    async fn step_heads(&self, turn_uids: &[Uid]) -> StoreResult<Vec<StepHead>> {
        let query = query::<StepHeadRecord>(st::STEP_HEADS).bind(batch::keys(turn_uids));
        let rows = self.rows(st::STEP_HEADS, query).await?;
        Ok(sorted_step_heads(rows))
    }

    async fn scores_by_session(&self, session_uids: &[Uid]) -> StoreResult<Vec<(Uid, ScoreRow)>> {
        let statement = st::SCORES_BY_SESSION;
        let query = query::<ScoreRecord>(statement).bind(batch::keys(session_uids));
        let rows = self.rows(statement, query).await?;
        let mut scores: Vec<(Uid, ScoreRow)> = rows
            .into_iter()
            .map(|row| row.try_into())
            .collect::<Result<_, _>>()
            .map_err(|error| self.errors.row(statement.name, error))?;
        scores.sort_by(|(_, a), (_, b)| (a.created_at, &a.uid).cmp(&(b.created_at, &b.uid)));
        Ok(scores)
    }

    async fn metadata_by_session(
        &self,
        session_uids: &[Uid],
    ) -> StoreResult<Vec<(Uid, MetadataRow)>> {
        let statement = st::METADATA_BY_SESSION;
        let query = query::<MetadataRecord>(statement).bind(batch::keys(session_uids));
        let rows = self.rows(statement, query).await?;
        let mut entries: Vec<(Uid, MetadataRow)> = rows
            .into_iter()
            .map(|row| row.try_into())
            .collect::<Result<_, _>>()
            .map_err(|error| self.errors.row(statement.name, error))?;
        entries.sort_by(|(_, a), (_, b)| (&a.target, &a.key).cmp(&(&b.target, &b.key)));
        Ok(entries)
    }

    async fn idempotency(
        &self,
        account: &Uid,
        key: &str,
    ) -> StoreResult<Option<IdempotencyRecord>> {
        let query = query::<IdempotencyKeyRecord>(IDEMPOTENCY)
            .bind(account.as_str())
            .bind(key);
        let rows = self.rows(IDEMPOTENCY, query).await?;
        Ok(rows.into_iter().next().map(Into::into))
    }

    /// Nothing waits on SQLite: `seq` is not null, so every writer has to give it.
    async fn number_pending(&self, _sessions_max: usize) -> StoreResult<u64> {
        Ok(0)
    }

    async fn health(&self) -> StoreResult<StoreHealth> {
        self.look().await
    }

    async fn begin(&self) -> StoreResult<Box<dyn RecordTransaction>> {
        self.begin_write().await
    }

    fn erasures(&self) -> Option<&dyn ErasureStore> {
        Some(self)
    }

    async fn close(&self) {
        self.readers.close().await;
        // The last connection to close moves the log into the file, so the writer goes last.
        self.writer.close().await;
    }
}

/// Steps by turn and index.
pub(super) fn sorted_steps(rows: Vec<StepRecord>) -> Vec<StepRow> {
    let mut steps: Vec<StepRow> = rows.into_iter().map(Into::into).collect();
    steps.sort_by(|a, b| (&a.turn_uid, a.idx).cmp(&(&b.turn_uid, b.idx)));
    steps
}

/// Heads of steps by turn and index.
pub(super) fn sorted_step_heads(rows: Vec<StepHeadRecord>) -> Vec<StepHead> {
    let mut heads: Vec<StepHead> = rows.into_iter().map(Into::into).collect();
    heads.sort_by(|a, b| (&a.turn_uid, a.idx).cmp(&(&b.turn_uid, b.idx)));
    heads
}
