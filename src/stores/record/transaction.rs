//! `RecordTransaction`, the only way to change the record store.
//!
//! What an engine must bring takes many sessions at once; what is about a single one is written
//! here in its terms, once for all engines.

use async_trait::async_trait;

use super::{
    IdempotencyRecord, NewStep, NewTurn, SessionPatch, SessionTurn, StepEdit, StoreResult,
    TurnEdit, TurnPatch, Versions, WriteSet,
};
use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::step::StepHead;
use crate::domain::{Position, SessionRow, StepRow, Timestamp, TurnRole, TurnRow, Uid};
use crate::stores::StoreError;

/// Sessions that were to be locked without waiting.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LockedSessions {
    /// Locked now, as they are.
    pub found: Vec<SessionRow>,
    /// Held by another transaction. Those that are neither here nor found do not exist.
    pub busy: Vec<Uid>,
}

/// Keys of turns that were to be claimed without waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Turns have them already.
    pub taken: Vec<Uid>,
    /// Another transaction claims them.
    pub busy: Vec<Uid>,
}

/// Where a turn of an account is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TurnPlace {
    /// Whose it is.
    pub account_uid: Uid,
    /// The turn.
    pub turn_uid: Uid,
    /// Its session.
    pub session_uid: Uid,
}

/// A transaction on the record store. Dropping it rolls back.
///
/// `rev` of an inserted row is the caller's; that of an updated row becomes
/// `greatest(rev + 1, now)` and is returned.
#[async_trait]
pub trait RecordTransaction: Send {
    /// Locks a session of `account` until the end of the transaction, after numbering the turns
    /// that other programs have added to it.
    async fn session_lock(&mut self, account: &Uid, uid: &Uid) -> StoreResult<Option<SessionRow>>;

    /// Locks those of the sessions, given as (account, session), that nobody holds, as
    /// [`Self::session_lock`] does. It waits for none of them, so that whoever holds one may ask
    /// for another.
    async fn sessions_lock_free(&mut self, wanted: &[(Uid, Uid)]) -> StoreResult<LockedSessions>;

    /// Inserts sessions and locks them, in the order of their keys. Returns for each its `rev`:
    /// that of the row, or one more than that of the purge where the key was purged before. None
    /// when the key is taken, by whatever account, or the account was erased and is blocked.
    async fn sessions_insert(&mut self, sessions: &[&SessionRow]) -> StoreResult<Vec<Option<i64>>>;

    /// All turns of locked sessions by session and `seq`, deleted ones included.
    async fn turns_of(&mut self, session_uids: &[Uid]) -> StoreResult<Vec<SessionTurn>>;

    /// Claims keys for new turns, and returns those that turns have already, of whatever account
    /// and kind. The others stay free until the end of this transaction, except for programs that
    /// write without turngraph: another transaction that claims one of them waits for this one.
    ///
    /// Whoever inserts a turn under a key that was given claims it first, all keys by one call
    /// after the session is locked: this order is what keeps writers from waiting for each other.
    /// Keys that turngraph makes need no claim.
    async fn turn_uids_claim(&mut self, uids: &[Uid]) -> StoreResult<Vec<Uid>>;

    /// Claims those of the keys that no other transaction claims, and waits for none.
    async fn turn_uids_claim_free(&mut self, uids: &[Uid]) -> StoreResult<Claims>;

    /// Sessions of turns, given as (account, turn); those of other accounts are left out.
    async fn sessions_by_turn(&mut self, turns: &[(Uid, Uid)]) -> StoreResult<Vec<TurnPlace>>;

    /// Writes rows of locked sessions: changes those that are there, then inserts. `now` is the
    /// least version of what is changed. A session or turn that is not there is a defect.
    async fn write(&mut self, rows: &WriteSet<'_>, now: Timestamp) -> StoreResult<Versions>;

    /// Prompts of human turns, as (turn, prompt).
    async fn prompts(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<(Uid, String)>>;

    /// Steps of agent turns, by turn and `idx`.
    async fn steps(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<StepRow>>;

    /// Index and type of the steps of agent turns, by turn and `idx`.
    async fn step_heads(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<StepHead>>;

    /// Inserts scores of a locked session; those whose key exists are left as they are.
    async fn scores_insert(&mut self, session_uid: &Uid, scores: &[ScoreRow]) -> StoreResult<()>;

    /// Sets metadata of a locked session, its turns and steps; an existing key is replaced.
    async fn metadata_set(&mut self, session_uid: &Uid, rows: &[MetadataRow]) -> StoreResult<()>;

    /// What idempotency keys, given as (account, key), stand for; none for those that are new.
    async fn idempotency(
        &mut self,
        keys: &[(&Uid, &str)],
    ) -> StoreResult<Vec<Option<IdempotencyRecord>>>;

    /// Stores what idempotency keys, given as (account, key), stand for. A concurrent holder of
    /// one of them makes this wait and then fail with [`crate::stores::StoreErrorKind::Conflict`].
    async fn idempotency_insert_all(
        &mut self,
        keys: &[(&Uid, &str, &IdempotencyRecord)],
        now: Timestamp,
    ) -> StoreResult<()>;

    /// Commits and returns a position that is not lower than that of this commit.
    async fn commit(self: Box<Self>) -> StoreResult<Position>;

    /// Takes everything back, and returns when others can have what was locked; after a drop that
    /// takes a moment longer.
    async fn rollback(self: Box<Self>) -> StoreResult<()>;

    /// An error of the caller's making, in this store's name.
    fn defect(&self, action: &'static str, message: String) -> StoreError;

    /// Inserts a session and locks it, see [`Self::sessions_insert`].
    async fn session_insert(&mut self, session: &SessionRow) -> StoreResult<Option<i64>> {
        Ok(self.sessions_insert(&[session]).await?.pop().flatten())
    }

    /// Changes a locked session; returns its new `rev`.
    async fn session_update(
        &mut self,
        uid: &Uid,
        patch: &SessionPatch,
        now: Timestamp,
    ) -> StoreResult<i64> {
        let rows = WriteSet {
            session_edits: vec![(uid, patch)],
            ..WriteSet::default()
        };
        Ok(self.write(&rows, now).await?.sessions[uid])
    }

    /// All turns of a locked session by `seq`, deleted ones included.
    async fn turns(&mut self, session_uid: &Uid) -> StoreResult<Vec<TurnRow>> {
        let turns = self.turns_of(std::slice::from_ref(session_uid)).await?;
        Ok(turns.into_iter().map(|row| row.turn).collect())
    }

    /// Session of a turn of `account`.
    async fn session_by_turn(&mut self, account: &Uid, turn: &Uid) -> StoreResult<Option<Uid>> {
        let wanted = [(account.clone(), turn.clone())];
        let place = self.sessions_by_turn(&wanted).await?.pop();
        Ok(place.map(|place| place.session_uid))
    }

    /// Inserts turns of a locked session, in few statements however many there are. Keys that
    /// were given were claimed before.
    async fn turns_insert(&mut self, session_uid: &Uid, turns: &[NewTurn]) -> StoreResult<()> {
        let rows = WriteSet {
            turns: turns.iter().map(|turn| (session_uid, turn)).collect(),
            ..WriteSet::default()
        };
        self.write(&rows, Timestamp(0)).await.map(drop)
    }

    /// Changes a turn of a locked session; returns its new `rev`.
    async fn turn_update(
        &mut self,
        (role, uid): (TurnRole, &Uid),
        patch: &TurnPatch,
        now: Timestamp,
    ) -> StoreResult<i64> {
        let rows = WriteSet {
            turn_edits: vec![TurnEdit { role, uid, patch }],
            ..WriteSet::default()
        };
        Ok(self.write(&rows, now).await?.turns[uid])
    }

    /// Inserts steps of turns of a locked session; `turn_seqs` has the `seq` of each step's turn.
    async fn steps_insert(
        &mut self,
        session_uid: &Uid,
        steps: &[StepRow],
        turn_seqs: &[i32],
    ) -> StoreResult<()> {
        if steps.len() != turn_seqs.len() {
            let message = format!("{} steps with {} numbers", steps.len(), turn_seqs.len());
            return Err(self.defect("steps_insert", message));
        }
        let new = |(row, &turn_seq)| NewStep {
            session_uid,
            turn_seq,
            row,
        };
        let rows = WriteSet {
            steps: steps.iter().zip(turn_seqs).map(new).collect(),
            ..WriteSet::default()
        };
        self.write(&rows, Timestamp(0)).await.map(drop)
    }

    /// Replaces the content of a step; its new `rev`, or none when there is no such step.
    async fn step_update(
        &mut self,
        turn: &Uid,
        idx: i32,
        content: &str,
        now: Timestamp,
    ) -> StoreResult<Option<i64>> {
        let edit = StepEdit {
            turn_uid: turn,
            idx,
            content,
        };
        let rows = WriteSet {
            step_edits: vec![edit],
            ..WriteSet::default()
        };
        let changed = self.write(&rows, now).await?.steps.into_values().next();
        Ok(changed.map(|step| step.rev))
    }

    /// Stores what an idempotency key stands for, see [`Self::idempotency_insert_all`].
    async fn idempotency_insert(
        &mut self,
        account: &Uid,
        key: &str,
        record: &IdempotencyRecord,
        now: Timestamp,
    ) -> StoreResult<()> {
        self.idempotency_insert_all(&[(account, key, record)], now)
            .await
    }
}
