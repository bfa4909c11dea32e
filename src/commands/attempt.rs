//! What a command sees and does in its group: sessions under their locks, in memory.
//!
//! A command first checks all its rules and then settles what it changes, so that one that is
//! refused has changed nothing for those after it.

use std::sync::Arc;

use super::draft::{Condition, Draft, Provided, Row, Stop, Subject};
use super::group::{Desk, Sheet};
use super::outcome::{UserError, UserErrorCode};
use crate::domain::graph::Ix;
use crate::domain::{SessionGraph, SessionRow, StepRow, Timestamp, Uid};
use crate::stores::record::{NewTurn, SessionPatch, TurnPatch};

/// `last_activity_at` is moved only when it is this old: most appends then leave the listing's
/// index alone.
pub(super) const ACTIVITY_STEP_MICROS: i64 = 60_000_000;

/// A command's turn at the desk of its group.
pub(super) struct Attempt<'a> {
    pub(super) desk: &'a mut Desk,
    pub(super) account: &'a Uid,
    pub(super) now: Timestamp,
}

/// A session under its lock: as it is now, and what this command is to change.
pub(super) struct Locked {
    /// The row as it was found.
    pub(super) session: SessionRow,
    /// The turns as they were found.
    pub(super) graph: Arc<SessionGraph>,
    /// Changes of the session's row.
    pub(super) patch: SessionPatch,
    added: Vec<NewTurn>,
    steps: Vec<(Vec<StepRow>, i32)>,
    edited: Vec<(Ix, TurnPatch)>,
    rows: Vec<Row>,
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

    /// Names a row as reached by this command although it needs no change.
    pub(super) fn reached(&mut self, row: Row) {
        self.rows.push(row);
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

    /// Inserts a turn with the next number.
    pub(super) fn insert_turn(&mut self, turn: NewTurn) {
        self.patch.next_seq = Some(turn.turn.seq + 1);
        self.rows.push(Row::Turn(turn.turn.uid.clone()));
        self.added.push(turn);
    }

    /// Inserts steps of one turn of the session.
    pub(super) fn insert_steps(&mut self, seq: i32, steps: Vec<StepRow>) {
        self.steps.push((steps, seq));
    }

    /// Changes a turn that was found under the lock.
    pub(super) fn edit_turn(&mut self, ix: Ix, patch: TurnPatch) {
        let uid = self.graph.turn(ix).uid.clone();
        self.rows.push(Row::Turn(uid));
        self.edited.push((ix, patch));
    }
}

impl Attempt<'_> {
    /// A locked session of the account, deleted or not, with its graph.
    pub(super) fn lock_any(&mut self, uid: &Uid, path: &[&str]) -> Result<Locked, Stop> {
        let sheet = self.desk.sheet(uid);
        let Some(sheet) = sheet.filter(|sheet| sheet.session().account_uid == *self.account) else {
            let message = format_args!("there is no session {uid}");
            return Err(Stop::refuse(UserErrorCode::NotFound, path, message));
        };
        Ok(Locked {
            graph: sheet.graph(),
            session: sheet.session().clone(),
            patch: SessionPatch::default(),
            added: Vec::new(),
            steps: Vec::new(),
            edited: Vec::new(),
            rows: Vec::new(),
        })
    }

    /// A locked living session of the account with its graph.
    pub(super) fn lock(&mut self, uid: &Uid, path: &[&str]) -> Result<Locked, Stop> {
        let locked = self.lock_any(uid, path)?;
        if locked.session.deleted_at.is_some() {
            let message = format_args!("session {uid} is deleted; restore it first");
            return Err(Stop::refuse(UserErrorCode::SessionDeleted, path, message));
        }
        Ok(locked)
    }

    /// The locked living session that a turn of the account is in.
    pub(super) fn lock_of_turn(&mut self, turn: &Uid, path: &[&str]) -> Result<Locked, Stop> {
        let Some(session) = self.desk.session_of(self.account, turn).cloned() else {
            let message = format_args!("there is no turn {turn}");
            return Err(Stop::refuse(UserErrorCode::NotFound, path, message));
        };
        self.lock(&session, path)
    }

    /// Whether a turn has the key that was claimed, or gets it from a command before this one.
    pub(super) fn is_taken(&self, uid: &Uid) -> bool {
        self.desk.is_taken(uid)
    }

    /// Indices of the steps of an agent turn.
    pub(super) fn idxs_of(&self, session: &Uid, turn: &Uid) -> Vec<i32> {
        self.desk.idxs_of(session, turn)
    }

    /// Creates a session; `taken` is refused where its key is.
    pub(super) fn create(
        &mut self,
        mut sheet: Sheet,
        subject: Subject,
        taken: UserError,
    ) -> Result<Draft, Stop> {
        let session = sheet.session().uid.clone();
        if self.desk.sheet(&session).is_some() {
            return Err(Stop(vec![taken]));
        }
        let graph = sheet.graph();
        let turns = graph.turns().iter();
        let turns = turns.map(|turn| Row::Turn(turn.uid.clone()));
        let rows = std::iter::once(Row::Session).chain(turns).collect();
        drop(graph);
        self.desk.put(sheet);
        Ok(Draft {
            session,
            rows,
            subject,
            provided: Some(Provided {
                holds: Condition::SessionIsNew,
                refusal: taken,
            }),
            copies: None,
        })
    }

    /// Replaces the content of a step; `missing` is refused where there is none.
    pub(super) fn change_step(
        &mut self,
        locked: &Locked,
        (turn, idx): (&Uid, i32),
        content: &str,
        missing: UserError,
    ) -> Option<Provided> {
        let sheet = self.desk.sheet(&locked.session.uid);
        let sheet = sheet.expect("the session is locked");
        (!sheet.change_step(turn, idx, content)).then(|| Provided {
            holds: Condition::StepIsThere(turn.clone(), idx),
            refusal: missing,
        })
    }

    /// Hands over what this command changes. Nothing can be refused any more.
    pub(super) fn settle(&mut self, mut locked: Locked, subject: Subject) -> Draft {
        let uid = locked.session.uid.clone();
        // The sheet changes its rows in place once nobody else has the graph.
        drop(locked.graph);
        let sheet = self.desk.sheet(&uid).expect("the session is locked");
        if locked.patch != SessionPatch::default() {
            locked.rows.push(Row::Session);
            sheet.change(locked.patch);
        }
        for (ix, patch) in locked.edited {
            sheet.change_turn(ix, patch);
        }
        for turn in locked.added {
            sheet.insert_turn(turn);
        }
        for (steps, seq) in locked.steps {
            sheet.insert_steps(steps, seq);
        }
        Draft {
            session: uid,
            subject,
            rows: locked.rows,
            provided: None,
            copies: None,
        }
    }
}
