//! `Change`: what happened to one row of the record, as any change feed tells it.
//!
//! A change carries the row's address and its `rev`, so that it can be applied anywhere, any
//! number of times and in any order. Values that a feed did not repeat, because the update left
//! them as they were, are `None` where the field says so: they are left alone, never read again.

use super::{SessionRow, StepRow, Timestamp, TurnRow, Uid};

/// A session's row was inserted or updated.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionChange {
    /// The row; a value that `absent` names is not to be looked at.
    pub row: SessionRow,
    /// Values that the feed did not repeat.
    pub absent: SessionAbsent,
}

/// Values of a session that a feed may leave out (large ones that an update did not touch).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionAbsent {
    /// `title` is unknown.
    pub title: bool,
    /// `forked_from` is unknown.
    pub forked_from: bool,
}

/// A turn that has an address was inserted or updated.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnChange {
    /// The session; with `turn.seq` the address.
    pub session_uid: Uid,
    /// The row; a value that `absent` names is not to be looked at.
    pub turn: TurnRow,
    /// The prompt of a human turn; none for an agent turn, or where it is unknown.
    pub prompt: Option<String>,
    /// Values that the feed did not repeat.
    pub absent: TurnAbsent,
}

/// Values of a turn that a feed may leave out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TurnAbsent {
    /// `model` is unknown.
    pub model: bool,
    /// `usage` is unknown.
    pub usage: bool,
}

/// A step was inserted or updated.
#[derive(Debug, Clone, PartialEq)]
pub struct StepChange {
    /// The turn's session and `seq`; none on rows that other programs wrote, whose turn must be
    /// looked up.
    pub address: Option<(Uid, i32)>,
    /// The row; `content` is empty where it is unknown.
    pub step: StepRow,
    /// `step.content` was not repeated by the feed.
    pub content_absent: bool,
}

/// What a row of `purge_log` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PurgeKind {
    /// A turn is gone with its steps; its address stays taken.
    Turn,
    /// Every step of a turn is gone.
    TurnSteps,
    /// One step is gone.
    Step,
    /// A session is gone with all that was in it.
    Session,
    /// Account and creation time under which a session was listed before.
    Listing,
    /// An address (of a turn or, with `idx`, a step) that a row had before its key changed.
    Address,
    /// An account was erased: nothing of it is listed under its key any more.
    Account,
}

impl PurgeKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Turn,
        Self::TurnSteps,
        Self::Step,
        Self::Session,
        Self::Listing,
        Self::Address,
        Self::Account,
    ];

    /// The text that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::TurnSteps => "turn_steps",
            Self::Step => "step",
            Self::Session => "session",
            Self::Listing => "listing",
            Self::Address => "address",
            Self::Account => "account",
        }
    }

    /// Reads the stored text; unknown text is `None`.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A row of `purge_log`: something was deleted for good, by whomever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// What is gone.
    pub kind: PurgeKind,
    /// The session it was in; none where it never had an address. Of an account its own key.
    pub session_uid: Option<Uid>,
    /// The turn's number; for a session its `next_seq`, so that every part of it can be found.
    pub seq: Option<i32>,
    /// Key of the account, session or turn (for steps: of their turn).
    pub uid: Uid,
    /// Index of a step.
    pub idx: Option<i32>,
    /// Account of the session, where known.
    pub account_uid: Option<Uid>,
    /// Creation time of the row that is gone, where known.
    pub created_at: Option<Timestamp>,
    /// Above every version of what is gone.
    pub rev: i64,
}

/// What happened to one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A session was written.
    Session(Box<SessionChange>),
    /// A turn was written.
    Turn(Box<TurnChange>),
    /// A step was written.
    Step(Box<StepChange>),
    /// Something is gone for good.
    Purge(Box<Purge>),
    /// Turns of other programs got numbers: these must be read from the record store, whose
    /// changes came without an address.
    Numbered {
        /// The session.
        session_uid: Uid,
        /// First number given.
        from_seq: i32,
        /// Last number given (inclusive).
        to_seq: i32,
    },
    /// Something was seen that the rules do not allow (a row deleted without a trace): the
    /// session, or where it is not known the row, must be compared with the record store.
    Suspect {
        /// The session, where the feed knows it.
        session_uid: Option<Uid>,
        /// Table and key of the row, for people.
        row: String,
    },
}

impl Change {
    /// The session that is changed, where the change itself tells. Changes of one session go
    /// through one lane.
    pub fn session_uid(&self) -> Option<&Uid> {
        match self {
            Self::Session(change) => Some(&change.row.uid),
            Self::Turn(change) => Some(&change.session_uid),
            Self::Step(change) => change.address.as_ref().map(|(session, _)| session),
            Self::Purge(purge) => purge.session_uid.as_ref(),
            Self::Numbered { session_uid, .. } => Some(session_uid),
            Self::Suspect { session_uid, .. } => session_uid.as_ref(),
        }
    }
}
