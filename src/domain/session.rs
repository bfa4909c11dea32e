//! A session's own row.

use serde::{Deserialize, Serialize};

use super::{Timestamp, Uid};

/// Longest title in characters.
pub const TITLE_CHARS_MAX: usize = 1_000;

/// A session as the record store holds it, without its turns.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// Key.
    pub uid: Uid,
    /// Key of the account that owns the session.
    pub account_uid: Uid,
    /// Title, if one was given.
    pub title: Option<Box<str>>,
    /// When the session began.
    pub created_at: Timestamp,
    /// Soft deletion.
    pub deleted_at: Option<Timestamp>,
    /// The root that is shown, as stored (it may be deleted or gone).
    pub active_root: Option<Uid>,
    /// Number that the next turn gets; never falls.
    pub next_seq: i32,
    /// When something was last added, to the minute (see the record store's index notes).
    pub last_activity_at: Timestamp,
    /// Where this session was forked from.
    pub forked_from: Option<ForkOrigin>,
    /// Version of this row in microseconds (hybrid logical clock).
    pub rev: i64,
}

/// The session and turn that a fork was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkOrigin {
    /// Session that was copied from.
    pub session_uid: Uid,
    /// Turn that was forked at.
    pub turn_uid: Uid,
    /// When.
    pub at: Timestamp,
}
