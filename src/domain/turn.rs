//! A turn without its content: one node of a session's graph.

use serde::{Deserialize, Serialize};

use super::{Timestamp, Uid};

/// Longest prompt in bytes (16 MiB), as for a step's content.
pub const PROMPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Who speaks. The parent of a human turn is null or an agent turn, that of an agent turn is a
/// human turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TurnRole {
    /// A person wrote a prompt.
    Human,
    /// A model or agent answered in steps.
    Agent,
}

/// How far an agent turn has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TurnStatus {
    /// Steps are still being written.
    Streaming,
    /// The answer is whole.
    Complete,
    /// The agent stopped with an error.
    Failed,
    /// The person stopped the agent.
    Cancelled,
}

impl TurnStatus {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 4] = [
        Self::Streaming,
        Self::Complete,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The text that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the stored text; unknown text is `None`.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// A turn as the record store holds it, without prompt and steps.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnRow {
    /// Key, unique over both kinds of turn.
    pub uid: Uid,
    /// Human or agent.
    pub role: TurnRole,
    /// The turn that this one answers; null for a root.
    pub parent_uid: Option<Uid>,
    /// The child that is shown below this turn, as stored (it may be deleted or gone).
    pub active_child: Option<Uid>,
    /// Dense number within the session; the order of siblings and the cursor of pages.
    pub seq: i32,
    /// When the turn was written, as its writer says. Not an order: real exports hold children
    /// older than their parents.
    pub created_at: Timestamp,
    /// Soft deletion of this very turn (what lies below is deleted by derivation).
    pub deleted_at: Option<Timestamp>,
    /// The user's vote on an agent turn: true liked, false disliked, null not rated.
    pub liked: Option<bool>,
    /// Model that wrote an agent turn.
    pub model: Option<Box<str>>,
    /// Progress of an agent turn; null where unknown (rows of other programs).
    pub status: Option<TurnStatus>,
    /// When the agent was done.
    pub finished_at: Option<Timestamp>,
    /// Token usage and cost of an agent turn, as JSON text.
    pub usage: Option<Box<str>>,
    /// Version of this row in microseconds (hybrid logical clock).
    pub rev: i64,
}
