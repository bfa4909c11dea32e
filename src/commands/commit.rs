//! What a command tells after its commit: the rows it wrote, so that copies of them can be brought
//! up to date before a reader asks. Knows no copy: whoever keeps one listens.

use async_trait::async_trait;

use crate::domain::change::{
    Change, SessionAbsent, SessionChange, StepChange, TurnAbsent, TurnChange,
};
use crate::domain::{Revision, SessionRow, StepRow, TurnRow, Uid};

/// Text in bytes that a command keeps of what it wrote; of a larger write (the fork of a long
/// session) only the session is told.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Rows that a command keeps at most.
const KEPT_ROWS_MAX: usize = 1_000;

/// Listens to commits.
#[async_trait]
pub trait CommitListener: Send + Sync + 'static {
    /// Called once COMMIT has returned, before the command answers; never for what was rolled
    /// back, and not for a replayed answer. True when every copy holds the rows by now. Must
    /// return soon whatever happens to the copies: the command waits for it.
    async fn committed(&self, commit: &Commit) -> bool;
}

/// What a transaction that was committed changed in one session, be it by one command or several.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The session that was written.
    pub session_uid: Uid,
    /// What was written.
    pub rows: WrittenRows,
    /// What a reader must reach to see it.
    pub revision: Revision,
}

/// Rows that were written, in the terms of the change feed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WrittenRows {
    changes: Vec<Change>,
    bytes: usize,
    left_out: bool,
    /// Nothing more is kept.
    full: bool,
}

impl WrittenRows {
    /// The rows; none when they were too many or too large to be kept.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether `changes` has every row that was written, with all its values.
    pub fn is_whole(&self) -> bool {
        !self.left_out
    }

    /// The session's row was inserted or updated.
    pub(super) fn session(&mut self, row: &SessionRow) {
        self.push(
            Change::Session(Box::new(SessionChange {
                row: row.clone(),
                absent: SessionAbsent::default(),
            })),
            0,
        );
    }

    /// A turn was inserted, with the prompt of a human one.
    pub(super) fn turn(&mut self, session: &Uid, turn: TurnRow, prompt: Option<String>) {
        let usage_known = turn.usage.is_none();
        self.turn_change(session, turn, prompt, usage_known);
    }

    /// A turn was updated; `usage_written` when its usage came from the command.
    pub(super) fn turn_edited(&mut self, session: &Uid, turn: &TurnRow, usage_written: bool) {
        self.turn_change(session, turn.clone(), None, !usage_written);
    }

    /// A store may keep JSON in a form of its own, and rows of one version must not differ: so
    /// usage that was just written is left to the change feed.
    fn turn_change(
        &mut self,
        session: &Uid,
        mut turn: TurnRow,
        prompt: Option<String>,
        usage_known: bool,
    ) {
        if !usage_known {
            turn.usage = None;
            self.left_out = true;
        }
        let bytes = prompt.as_ref().map_or(0, String::len);
        let change = TurnChange {
            session_uid: session.clone(),
            turn,
            prompt,
            absent: TurnAbsent {
                usage: !usage_known,
                ..TurnAbsent::default()
            },
        };
        self.push(Change::Turn(Box::new(change)), bytes);
    }

    /// A step of turn number `seq` was inserted or updated.
    pub(super) fn step(&mut self, session: &Uid, seq: i32, step: StepRow) {
        let bytes = step.content.len();
        let change = StepChange {
            address: Some((session.clone(), seq)),
            step,
            content_absent: false,
        };
        self.push(Change::Step(Box::new(change)), bytes);
    }

    fn push(&mut self, change: Change, bytes: usize) {
        self.bytes += bytes;
        self.full |= self.bytes > KEPT_BYTES_MAX || self.changes.len() == KEPT_ROWS_MAX;
        if self.full {
            self.changes = Vec::new();
            self.left_out = true;
        } else {
            self.changes.push(change);
        }
    }
}
