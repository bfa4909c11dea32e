//! One attempt of a command: its transaction, the locked session in it, and what was written.
//!
//! Every write goes through here, so that the rows in memory, their versions and the store stay
//! the same thing.

use std::sync::Arc;

use super::commit::WrittenRows;
use super::outcome::{UserError, UserErrorCode};
use crate::domain::graph::Ix;
use crate::domain::{SessionGraph, SessionRow, StepRow, Timestamp, TurnRow, TurnStatus, Uid};
use crate::stores::record::{NewTurn, SessionPatch, TurnPatch};
use crate::stores::{RecordTransaction, StoreError};

/// `last_activity_at` is moved only when it is this old: most appends then leave the listing's
/// index alone.
pub(super) const ACTIVITY_STEP_MICROS: i64 = 60_000_000;

/// Why a command stops without having written anything.
pub(super) enum Stop {
    /// The caller must put something right.
    Refused(Vec<UserError>),
    /// The store failed.
    Failed(StoreError),
}

impl Stop {
    /// Refuses with one error.
    pub(super) fn refuse(
        code: UserErrorCode,
        path: &[&str],
        message: impl std::fmt::Display,
    ) -> Self {
        Self::Refused(vec![UserError::new(code, path, message)])
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// What a command wrote, before the commit.
pub(super) struct Draft {
    pub(super) session: SessionRow,
    pub(super) graph: Arc<SessionGraph>,
    pub(super) subject: Subject,
    pub(super) rows: Vec<(Uid, i64)>,
    pub(super) written: WrittenRows,
}

/// Turns and step indices that a command is about, by key: what a replay finds again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) turns: Vec<Uid>,
    pub(super) idxs: Vec<i32>,
}

impl Subject {
    /// One turn.
    pub(super) fn turn(uid: &Uid) -> Self {
        Self {
            turns: vec![uid.clone()],
            idxs: Vec::new(),
        }
    }
}

/// A transaction of an account.
pub(super) struct Attempt<'a> {
    pub(super) tx: Box<dyn RecordTransaction>,
    pub(super) account: &'a Uid,
    pub(super) now: Timestamp,
}

/// A session under its lock: as it was found, and what this attempt has changed since.
pub(super) struct Locked {
    /// The row as it was found.
    pub(super) session: SessionRow,
    /// The turns as they were found.
    pub(super) graph: SessionGraph,
    /// Changes of the session's row, written by [`Attempt::settle`].
    pub(super) patch: SessionPatch,
    added: Vec<TurnRow>,
    edited: Vec<(Ix, TurnPatch, i64)>,
    rows: Vec<(Uid, i64)>,
    /// What was inserted; what was edited is added when it is settled.
    pub(super) written: WrittenRows,
}

impl Locked {
    /// Version of rows that are inserted now: never older than the session's, so that a clock
    /// that went back does not hide them.
    pub(super) fn insert_rev(&self, now: Timestamp) -> i64 {
        now.0.max(self.session.rev)
    }

    /// Moves the time of the last activity where it is old enough.
    pub(super) fn touch(&mut self, now: Timestamp) {
        if now.0.saturating_sub(self.session.last_activity_at.0) >= ACTIVITY_STEP_MICROS {
            self.patch.last_activity_at = Some(now);
        }
    }

    /// Names a row as reached by this command although it needed no change.
    pub(super) fn reached(&mut self, uid: &Uid, rev: i64) {
        self.rows.push((uid.clone(), rev));
    }

    /// Finds a living turn.
    pub(super) fn living_turn(&self, uid: &Uid, path: &[&str]) -> Result<Ix, Stop> {
        let ix = self.turn(uid, path)?;
        if self.graph.is_deleted(ix) {
            let message = format_args!("turn {uid} is deleted; restore it first");
            return Err(Stop::refuse(UserErrorCode::TurnDeleted, path, message));
        }
        Ok(ix)
    }

    /// Finds a turn, deleted or not.
    pub(super) fn turn(&self, uid: &Uid, path: &[&str]) -> Result<Ix, Stop> {
        let missing = || format!("session {} has no turn {uid}", self.session.uid);
        self.graph
            .find(uid)
            .ok_or_else(|| Stop::refuse(UserErrorCode::NotFound, path, missing()))
    }
}

impl Attempt<'_> {
    /// Locks a session of the account, deleted or not, and loads its graph.
    pub(super) async fn lock_any(&mut self, uid: &Uid, path: &[&str]) -> Result<Locked, Stop> {
        let Some(session) = self.tx.session_lock(self.account, uid).await? else {
            let message = format_args!("there is no session {uid}");
            return Err(Stop::refuse(UserErrorCode::NotFound, path, message));
        };
        let turns = self.tx.turns(uid).await?;
        Ok(Locked {
            graph: SessionGraph::build(turns, session.active_root.clone()),
            session,
            patch: SessionPatch::default(),
            added: Vec::new(),
            edited: Vec::new(),
            rows: Vec::new(),
            written: WrittenRows::default(),
        })
    }

    /// Locks a living session of the account and loads its graph.
    pub(super) async fn lock(&mut self, uid: &Uid, path: &[&str]) -> Result<Locked, Stop> {
        let locked = self.lock_any(uid, path).await?;
        if locked.session.deleted_at.is_some() {
            let message = format_args!("session {uid} is deleted; restore it first");
            return Err(Stop::refuse(UserErrorCode::SessionDeleted, path, message));
        }
        Ok(locked)
    }

    /// Locks the living session that a turn of the account is in.
    pub(super) async fn lock_of_turn(&mut self, turn: &Uid, path: &[&str]) -> Result<Locked, Stop> {
        let Some(session) = self.tx.session_by_turn(self.account, turn).await? else {
            let message = format_args!("there is no turn {turn}");
            return Err(Stop::refuse(UserErrorCode::NotFound, path, message));
        };
        self.lock(&session, path).await
    }

    /// Inserts a turn with the next number.
    pub(super) async fn insert_turn(
        &mut self,
        locked: &mut Locked,
        turn: NewTurn,
    ) -> Result<(), Stop> {
        let session = &locked.session.uid;
        let turns = std::slice::from_ref(&turn);
        self.tx.turns_insert(session, turns).await?;
        let prompt = turn.prompt.as_deref();
        locked.written.turn(session, &turn.turn, prompt);
        let row = turn.turn;
        locked.patch.next_seq = Some(row.seq + 1);
        locked.rows.push((row.uid.clone(), row.rev));
        locked.added.push(row);
        Ok(())
    }

    /// Inserts steps of one turn of the session.
    pub(super) async fn insert_steps(
        &mut self,
        locked: &mut Locked,
        seq: i32,
        steps: &[StepRow],
    ) -> Result<(), Stop> {
        if !steps.is_empty() {
            let seqs = vec![seq; steps.len()];
            self.tx
                .steps_insert(&locked.session.uid, steps, &seqs)
                .await?;
        }
        for step in steps {
            locked.written.step(&locked.session.uid, seq, step);
        }
        Ok(())
    }

    /// Changes a turn that was found under the lock.
    pub(super) async fn edit_turn(
        &mut self,
        locked: &mut Locked,
        ix: Ix,
        patch: TurnPatch,
    ) -> Result<(), Stop> {
        let turn = locked.graph.turn(ix);
        let rev = self
            .tx
            .turn_update((turn.role, &turn.uid), &patch, self.now)
            .await?;
        locked.rows.push((turn.uid.clone(), rev));
        locked.edited.push((ix, patch, rev));
        Ok(())
    }

    /// Writes what is to change in the session's row and builds the session as it is now.
    pub(super) async fn settle(
        &mut self,
        mut locked: Locked,
        subject: Subject,
    ) -> Result<Draft, Stop> {
        let mut written = locked.written;
        if locked.patch != SessionPatch::default() {
            let uid = locked.session.uid.clone();
            let rev = self
                .tx
                .session_update(&uid, &locked.patch, self.now)
                .await?;
            apply_to_session(&mut locked.session, locked.patch, rev);
            locked.rows.push((uid, rev));
            written.session(&locked.session);
        }
        let mut turns = locked.graph.into_turns();
        for (ix, patch, rev) in locked.edited {
            let usage_written = patch.progress.as_ref().is_some_and(|p| p.usage.is_some());
            apply_to_turn(&mut turns[ix], patch, rev);
            written.turn_edited(&locked.session.uid, &turns[ix], usage_written);
        }
        turns.extend(locked.added);
        let graph = SessionGraph::build(turns, locked.session.active_root.clone());
        Ok(Draft {
            graph: Arc::new(graph),
            session: locked.session,
            subject,
            rows: locked.rows,
            written,
        })
    }
}

fn apply_to_session(session: &mut SessionRow, patch: SessionPatch, rev: i64) {
    if let Some(title) = patch.title {
        session.title = title.map(String::into_boxed_str);
    }
    if let Some(deleted_at) = patch.deleted_at {
        session.deleted_at = deleted_at;
    }
    if let Some(active_root) = patch.active_root {
        session.active_root = active_root;
    }
    if let Some(next_seq) = patch.next_seq {
        session.next_seq = next_seq;
    }
    if let Some(at) = patch.last_activity_at {
        session.last_activity_at = at;
    }
    session.rev = rev;
}

fn apply_to_turn(turn: &mut TurnRow, patch: TurnPatch, rev: i64) {
    if let Some(active_child) = patch.active_child {
        turn.active_child = active_child;
    }
    if let Some(liked) = patch.liked {
        turn.liked = liked;
    }
    if let Some(deleted_at) = patch.deleted_at {
        turn.deleted_at = deleted_at;
    }
    if let Some(progress) = patch.progress {
        turn.status = Some(progress.status);
        turn.finished_at = match progress.status {
            TurnStatus::Streaming => None,
            _ => progress.finished_at.or(turn.finished_at),
        };
        turn.usage = progress
            .usage
            .map(String::into_boxed_str)
            .or(turn.usage.take());
    }
    turn.rev = rev;
}
