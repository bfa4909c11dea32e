//! What a command asks for before it is carried out, and what it leaves behind for the commit.

use super::outcome::{UserError, UserErrorCode};
use super::session::ForkCopies;
use crate::domain::Uid;

/// Why a command stops without having written anything: the caller must put these right.
pub(super) struct Stop(pub(super) Vec<UserError>);

impl Stop {
    /// Refuses with one error.
    pub(super) fn refuse(
        code: UserErrorCode,
        path: &[&str],
        message: impl std::fmt::Display,
    ) -> Self {
        Self(vec![UserError::new(code, path, message)])
    }
}

/// What a command must have before its rules can be checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs<'a> {
    /// The session it is about.
    pub(super) about: About<'a>,
    /// Key that a new turn is to have.
    pub(super) claim: Option<&'a Uid>,
    /// Agent turn whose steps' places must be known.
    pub(super) steps_of: Option<&'a Uid>,
}

/// The session that a command is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// This one.
    Session(&'a Uid),
    /// The one that this turn is in.
    Turn(&'a Uid),
    /// None that is there yet.
    New,
}

impl<'a> Needs<'a> {
    /// A session, and nothing else.
    pub(super) fn of(about: About<'a>) -> Self {
        Self {
            about,
            claim: None,
            steps_of: None,
        }
    }
}

/// What a command has settled, before the commit.
pub(super) struct Draft {
    /// The session that it is about.
    pub(super) session: Uid,
    pub(super) subject: Subject,
    /// What a reader must have at its new version.
    pub(super) rows: Vec<Row>,
    /// What must turn out when it is written.
    pub(super) provided: Option<Provided>,
    /// What else is to be written, too much to be kept in memory.
    pub(super) copies: Option<ForkCopies>,
}

/// A row that a command wrote or reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// That of the session.
    Session,
    /// A turn of it.
    Turn(Uid),
}

/// A rule that only the write itself can check; nothing else of the command is written when it
/// does not hold.
pub(super) struct Provided {
    pub(super) holds: Condition,
    /// What is refused otherwise.
    pub(super) refusal: UserError,
}

/// What must turn out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// The key of the new session was free.
    SessionIsNew,
    /// The step is there.
    StepIsThere(Uid, i32),
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
