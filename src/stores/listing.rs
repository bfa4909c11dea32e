//! Questions for many sessions or turns: order, place to go on from, filter.

use crate::domain::{Timestamp, TurnRole, Uid};

/// Column and direction of a list of sessions; ties are broken by key in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionOrder {
    /// Most recently active first.
    LastActivityDesc,
    /// Least recently active first.
    LastActivityAsc,
    /// Newest first.
    CreatedDesc,
    /// Oldest first.
    CreatedAsc,
}

impl SessionOrder {
    /// The opposite direction, for pages from the end.
    pub fn reversed(self) -> Self {
        match self {
            Self::LastActivityDesc => Self::LastActivityAsc,
            Self::LastActivityAsc => Self::LastActivityDesc,
            Self::CreatedDesc => Self::CreatedAsc,
            Self::CreatedAsc => Self::CreatedDesc,
        }
    }

    /// Whether the order is by `last_activity_at`.
    pub fn by_activity(self) -> bool {
        matches!(self, Self::LastActivityDesc | Self::LastActivityAsc)
    }

    /// Whether later instants come first.
    pub fn descending(self) -> bool {
        matches!(self, Self::LastActivityDesc | Self::CreatedDesc)
    }
}

/// Which sessions of an account are listed. Every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionFilter {
    /// Case-insensitive part of the title.
    pub title_contains: Option<String>,
    /// Created at or after.
    pub created_from: Option<Timestamp>,
    /// Created before.
    pub created_to: Option<Timestamp>,
    /// With (true) or without (false) a vote on any agent turn.
    pub has_feedback: Option<bool>,
    /// Deleted sessions too.
    pub include_deleted: bool,
    /// Last active after (exclusive); for pages that pick up what moved while paging.
    pub active_after: Option<Timestamp>,
    /// Last active at or before (inclusive).
    pub active_until: Option<Timestamp>,
}

/// One page of an account's sessions, by keyset.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionListing {
    /// Order of the answer.
    pub order: SessionOrder,
    /// Only sessions that come later in `order` than this instant and key.
    pub after: Option<(Timestamp, Uid)>,
    /// Only sessions that come earlier in `order` than this instant and key.
    pub before: Option<(Timestamp, Uid)>,
    /// Rows at most.
    pub limit: usize,
    /// Which sessions.
    pub filter: SessionFilter,
}

/// One page of candidates for a search in prompts and text steps, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnSearch {
    /// Words that must all occur; compared without case by the store.
    pub words: Vec<String>,
    /// Only this session.
    pub session_uid: Option<Uid>,
    /// Only turns older than this instant, or of the same instant and with a lower key.
    pub after: Option<(Timestamp, Uid)>,
    /// Rows at most.
    pub limit: usize,
}

/// A candidate of a search: the whole words are checked by the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnHit {
    /// The turn.
    pub uid: Uid,
    /// Its session.
    pub session_uid: Uid,
    /// Human or agent.
    pub role: TurnRole,
    /// When it was written.
    pub created_at: Timestamp,
    /// The prompt, or the content of each text step as JSON.
    pub texts: Vec<String>,
}
