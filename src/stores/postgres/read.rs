//! The reads of `RecordStore` on PostgreSQL: each is one statement, whatever it is asked for.
//!
//! When the rows just read hold some that wait for a number, they are numbered and read again.
//! Answers of several sessions or turns are put in order here, by the bytes of their keys.

use async_trait::async_trait;

use super::error::corrupt;
use super::statements::reads as st;
use super::{BEGIN, BEGIN_GROUP, PgRecordStore, keys, query};
use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::step::StepHead;
use crate::domain::{SessionRow, StepRow, Timestamp, Uid};
use crate::stores::StoreKind;
use crate::stores::erasure::ErasureStore;
use crate::stores::listing::{SessionFilter, SessionListing, TurnHit, TurnSearch};
use crate::stores::record::{
    IdempotencyRecord, RecordStore, RecordTransaction, SessionTurn, StoreHealth, StoreResult,
};
use crate::stores::sql::Statement;
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::records::{
    IdempotencyKeyRecord, PromptRecord, SessionRecord, StepHeadRecord, StepRecord, TurnRecord,
    TurnSessionRecord,
};
use crate::stores::sql::score::{MetadataRecord, ScoreRecord};
use crate::stores::sql::statements::IDEMPOTENCY;

#[async_trait]
impl RecordStore for PgRecordStore {
    fn kind(&self) -> StoreKind {
        StoreKind::Postgres
    }

    async fn sessions_by_uid(&self, account: &Uid, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        let read = async || {
            let query = query::<SessionRecord>(st::SESSIONS_BY_UID)
                .bind(account.as_str())
                .bind(keys(uids));
            sessions(
                st::SESSIONS_BY_UID,
                self.rows(st::SESSIONS_BY_UID, query).await?,
            )
        };
        let found = read().await?;
        let waiting: Vec<Uid> = found.iter().filter(|row| waits(row)).map(uid_of).collect();
        if waiting.is_empty() {
            return Ok(found);
        }
        self.number_now(&waiting).await?;
        Ok(read().await?.into_iter().map(shown).collect())
    }

    async fn turns_by_session(
        &self,
        account: &Uid,
        session_uids: &[Uid],
    ) -> StoreResult<Vec<SessionTurn>> {
        let read = async || {
            let query = query::<TurnRecord>(st::TURNS_BY_SESSION)
                .bind(account.as_str())
                .bind(keys(session_uids));
            let rows = self.rows(st::TURNS_BY_SESSION, query).await?;
            Ok(rows.into_iter().map(SessionTurn::from).collect::<Vec<_>>())
        };
        let mut turns = read().await?;
        let mut waiting: Vec<Uid> = turns
            .iter()
            .filter(|row| row.turn.seq < 0)
            .map(|row| row.session_uid.clone())
            .collect();
        if !waiting.is_empty() {
            waiting.sort();
            waiting.dedup();
            self.number_now(&waiting).await?;
            turns = read().await?;
        }
        in_order(&mut turns);
        Ok(turns)
    }

    async fn sessions_by_turn(
        &self,
        account: &Uid,
        turn_uids: &[Uid],
    ) -> StoreResult<Vec<(Uid, Uid)>> {
        let query = query::<TurnSessionRecord>(st::SESSIONS_BY_TURN)
            .bind(account.as_str())
            .bind(keys(turn_uids));
        let rows = self.rows(st::SESSIONS_BY_TURN, query).await?;
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
        let query = query::<PromptRecord>(st::PROMPTS).bind(keys(turn_uids));
        let rows = self.rows(st::PROMPTS, query).await?;
        Ok(prompts(rows))
    }

    async fn steps(&self, turn_uids: &[Uid]) -> StoreResult<Vec<StepRow>> {
        let query = query::<StepRecord>(st::STEPS).bind(keys(turn_uids));
        Ok(sorted_steps(self.rows(st::STEPS, query).await?))
    }

    async fn step_heads(&self, turn_uids: &[Uid]) -> StoreResult<Vec<StepHead>> {
        let query = query::<StepHeadRecord>(st::STEP_HEADS).bind(keys(turn_uids));
        Ok(sorted_step_heads(self.rows(st::STEP_HEADS, query).await?))
    }

    async fn scores_by_session(&self, session_uids: &[Uid]) -> StoreResult<Vec<(Uid, ScoreRow)>> {
        let statement = st::SCORES_BY_SESSION;
        let query = query::<ScoreRecord>(statement).bind(keys(session_uids));
        let rows = self.rows(statement, query).await?;
        let mut scores: Vec<(Uid, ScoreRow)> = rows
            .into_iter()
            .map(|row| row.try_into())
            .collect::<Result<_, _>>()
            .map_err(|error| corrupt(&statement, error))?;
        scores.sort_by(|(_, a), (_, b)| (a.created_at, &a.uid).cmp(&(b.created_at, &b.uid)));
        Ok(scores)
    }

    async fn metadata_by_session(
        &self,
        session_uids: &[Uid],
    ) -> StoreResult<Vec<(Uid, MetadataRow)>> {
        let statement = st::METADATA_BY_SESSION;
        let query = query::<MetadataRecord>(statement).bind(keys(session_uids));
        let rows = self.rows(statement, query).await?;
        let mut entries: Vec<(Uid, MetadataRow)> = rows
            .into_iter()
            .map(|row| row.try_into())
            .collect::<Result<_, _>>()
            .map_err(|error| corrupt(&statement, error))?;
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

    async fn number_pending(&self, sessions_max: usize) -> StoreResult<u64> {
        self.number_waiting(sessions_max).await
    }

    async fn health(&self) -> StoreResult<StoreHealth> {
        self.schema().await
    }

    async fn begin(&self) -> StoreResult<Box<dyn RecordTransaction>> {
        self.begin_write(BEGIN).await
    }

    async fn begin_group(&self) -> StoreResult<Box<dyn RecordTransaction>> {
        self.begin_write(BEGIN_GROUP).await
    }

    fn erasures(&self) -> Option<&dyn ErasureStore> {
        Some(self)
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

/// Whether a session of another program waits for its first look.
pub(super) fn waits(session: &SessionRow) -> bool {
    session.last_activity_at == DbTime::MAX.0
}

/// A session that could not be completed is shown as last active when it was created.
pub(super) fn shown(mut session: SessionRow) -> SessionRow {
    if waits(&session) {
        session.last_activity_at = session.created_at;
    }
    session
}

pub(super) fn uid_of(session: &SessionRow) -> Uid {
    session.uid.clone()
}

/// Session rows out of a statement's.
pub(super) fn sessions(
    statement: Statement,
    rows: Vec<SessionRecord>,
) -> StoreResult<Vec<SessionRow>> {
    rows.into_iter()
        .map(SessionRow::try_from)
        .collect::<Result<_, _>>()
        .map_err(|error| corrupt(&statement, error))
}

/// Turns by session and number. Those that still wait for one (their session is held by another
/// transaction, or this connection may not write) come last, with numbers for this answer only.
pub(super) fn in_order(turns: &mut [SessionTurn]) {
    let place = |row: &SessionTurn| match row.turn.seq {
        seq if seq >= 0 => (0, i64::from(seq)),
        _ => (1, row.turn.rev),
    };
    turns.sort_by(|a, b| {
        (&a.session_uid, place(a), &a.turn.uid).cmp(&(&b.session_uid, place(b), &b.turn.uid))
    });
    let mut last: Option<(Uid, i32)> = None;
    for row in turns {
        if row.turn.seq < 0 {
            row.turn.seq = match &last {
                Some((session, seq)) if *session == row.session_uid => seq + 1,
                _ => 0,
            };
        }
        last = Some((row.session_uid.clone(), row.turn.seq));
    }
}

/// Prompts as (turn, prompt).
pub(super) fn prompts(rows: Vec<PromptRecord>) -> Vec<(Uid, String)> {
    rows.into_iter()
        .map(|row| (row.uid.into(), row.prompt))
        .collect()
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

/// Keyset bound of a page, or its open end.
pub(super) fn bound<'a>(
    place: Option<&'a (Timestamp, Uid)>,
    open: (DbTime, &'a str),
) -> (DbTime, &'a str) {
    place.map_or(open, |(at, uid)| (DbTime(*at), uid.as_str()))
}
