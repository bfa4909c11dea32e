//! `WriteSet`: rows of several locked sessions, written together in few statements.
//!
//! Borrows the rows, so that whoever has them need not copy them. What a row may hold is told in
//! `record`; this knows no engine.

use std::collections::HashMap;

use super::{NewTurn, SessionPatch, TurnPatch};
use crate::domain::{StepRow, Timestamp, TurnRole, Uid};

/// A step to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewStep<'a> {
    /// The session of its turn.
    pub session_uid: &'a Uid,
    /// `seq` of its turn.
    pub turn_seq: i32,
    /// The row.
    pub row: &'a StepRow,
}

/// Columns of a turn to change.
#[derive(Debug, Clone, Copy)]
pub struct TurnEdit<'a> {
    /// Kind of the turn.
    pub role: TurnRole,
    /// The turn.
    pub uid: &'a Uid,
    /// Its new values.
    pub patch: &'a TurnPatch,
}

/// The content of a step to replace.
#[derive(Debug, Clone, Copy)]
pub struct StepEdit<'a> {
    /// Turn of the step.
    pub turn_uid: &'a Uid,
    /// Place of the step.
    pub idx: i32,
    /// New content.
    pub content: &'a str,
}

/// Rows to insert and to change, all of locked sessions. No row is named twice.
#[derive(Debug, Clone, Default)]
pub struct WriteSet<'a> {
    /// Turns to insert, with their sessions. Keys that were given were claimed before.
    pub turns: Vec<(&'a Uid, &'a NewTurn)>,
    /// Steps to insert.
    pub steps: Vec<NewStep<'a>>,
    /// Turns to change, as they were before this write.
    pub turn_edits: Vec<TurnEdit<'a>>,
    /// Steps to change, as they were before this write. One that is not there is left out.
    pub step_edits: Vec<StepEdit<'a>>,
    /// Sessions to change.
    pub session_edits: Vec<(&'a Uid, &'a SessionPatch)>,
}

impl WriteSet<'_> {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
            && self.steps.is_empty()
            && self.turn_edits.is_empty()
            && self.step_edits.is_empty()
            && self.session_edits.is_empty()
    }
}

/// What a step has beside its new content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepVersion {
    /// Number of its type as stored.
    pub tpe: i32,
    /// When it was written first.
    pub created_at: Timestamp,
    /// Its new version.
    pub rev: i64,
}

/// New versions of the rows that a [`WriteSet`] changed; inserted rows have those that they were
/// given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// Of sessions.
    pub sessions: HashMap<Uid, i64>,
    /// Of turns.
    pub turns: HashMap<Uid, i64>,
    /// Of steps by turn and place; one that is not there has none.
    pub steps: HashMap<(Uid, i32), StepVersion>,
}
