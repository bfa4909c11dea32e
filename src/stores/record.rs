//! `RecordStore`, the system of record, and `RecordTransaction`, the only way to change it.
//!
//! Contract, held by `tests/it/stores/contract` on every engine:
//! - Every read by account returns nothing of another account: a foreign key and a missing key
//!   cannot be told apart.
//! - Look-ups of many keys return what exists, in any order, and leave the rest out.
//! - Reads of bodies (`prompts`, `steps`) take keys that the caller found in a graph that passed
//!   the account check; they do not check again.
//! - A transaction that is dropped is rolled back. After `commit` returned, a read by any
//!   connection sees the writes.
//! - Statements are named constants; no SQL is built at run time.

mod transaction;
mod write;

use async_trait::async_trait;

pub use self::transaction::{Claims, LockedSessions, RecordTransaction, TurnPlace};
pub use self::write::{NewStep, StepEdit, StepVersion, TurnEdit, Versions, WriteSet};
use super::StoreKind;
use super::error::StoreError;
use super::listing::{SessionFilter, SessionListing, TurnHit, TurnSearch};
use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::step::StepHead;
use crate::domain::{ForkOrigin, SessionRow, StepRow, Timestamp, TurnRow, Uid};

/// Result of a store.
pub type StoreResult<T> = Result<T, StoreError>;

/// A turn of a session, as `turns_by_session` returns it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionTurn {
    /// The session.
    pub session_uid: Uid,
    /// The turn, without content.
    pub turn: TurnRow,
}

/// A turn to insert. `turn.seq` was given under the session's lock.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTurn {
    /// The row.
    pub turn: TurnRow,
    /// The prompt of a human turn; none for agent turns.
    pub prompt: Option<String>,
}

/// Columns of a session to change; those that are `None` stay as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionPatch {
    /// New title, or none.
    pub title: Option<Option<String>>,
    /// Deletion or restoration.
    pub deleted_at: Option<Option<Timestamp>>,
    /// Root that is shown.
    pub active_root: Option<Option<Uid>>,
    /// Next number; must not fall.
    pub next_seq: Option<i32>,
    /// Time of the last activity.
    pub last_activity_at: Option<Timestamp>,
}

/// Columns of a turn to change; those that are `None` stay as they are, so that another program's
/// change of another column is not undone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TurnPatch {
    /// Child that is shown.
    pub active_child: Option<Option<Uid>>,
    /// Vote on an agent turn.
    pub liked: Option<Option<bool>>,
    /// Deletion or restoration.
    pub deleted_at: Option<Option<Timestamp>>,
    /// Progress, end and usage of an agent turn, set together.
    pub progress: Option<TurnProgress>,
}

impl TurnPatch {
    /// Whether it changes what only agent turns have.
    pub fn is_of_agents(&self) -> bool {
        self.liked.is_some() || self.progress.is_some()
    }
}

/// Progress of an agent turn.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnProgress {
    /// How far.
    pub status: crate::domain::TurnStatus,
    /// When it was done; none keeps what is stored, except that a turn that is streaming (again)
    /// has no end.
    pub finished_at: Option<Timestamp>,
    /// Token usage as JSON text; none keeps what is stored.
    pub usage: Option<String>,
}

/// What an idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// SHA-256 of the mutation's name and input, in hex.
    pub input_hash: String,
    /// What the mutation answered, as JSON text of the command layer.
    pub answer: String,
}

/// What `health` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHealth {
    /// Name and version of the engine, e.g. `PostgreSQL 15.18`.
    pub engine: String,
    /// Number of the newest migration that is applied.
    pub schema_version: i64,
    /// Number of the newest migration that this program knows.
    pub schema_expected: i64,
    /// Turns of other programs that wait for their session and so have no number.
    pub pending_turns: u64,
}

/// The system of record: reads, and transactions for writes.
#[async_trait]
pub trait RecordStore: Send + Sync + 'static {
    /// Which engine this is.
    fn kind(&self) -> StoreKind;

    /// Sessions of `account` with these keys, deleted ones included.
    async fn sessions_by_uid(&self, account: &Uid, uids: &[Uid]) -> StoreResult<Vec<SessionRow>>;

    /// All turns of these sessions of `account`, by session and `seq`, deleted ones included.
    /// Rows that other programs have just written are numbered first.
    async fn turns_by_session(
        &self,
        account: &Uid,
        session_uids: &[Uid],
    ) -> StoreResult<Vec<SessionTurn>>;

    /// Turn and session keys of those of `turn_uids` that are turns of `account`.
    async fn sessions_by_turn(
        &self,
        account: &Uid,
        turn_uids: &[Uid],
    ) -> StoreResult<Vec<(Uid, Uid)>>;

    /// One page of an account's sessions.
    async fn sessions_page(
        &self,
        account: &Uid,
        listing: &SessionListing,
    ) -> StoreResult<Vec<SessionRow>>;

    /// Number of an account's sessions that pass the filter, counted to `up_to` at most.
    async fn sessions_count(
        &self,
        account: &Uid,
        filter: &SessionFilter,
        up_to: usize,
    ) -> StoreResult<usize>;

    /// Candidates for a search in an account's living sessions. Texts match by a part of the
    /// stored JSON, so the caller checks the words again.
    async fn turns_search(&self, account: &Uid, search: &TurnSearch) -> StoreResult<Vec<TurnHit>>;

    /// Prompts of human turns, as (turn, prompt).
    async fn prompts(&self, turn_uids: &[Uid]) -> StoreResult<Vec<(Uid, String)>>;

    /// Steps of agent turns, by turn and `idx`.
    async fn steps(&self, turn_uids: &[Uid]) -> StoreResult<Vec<StepRow>>;

    /// Index and type of the steps of agent turns, by turn and `idx`.
    async fn step_heads(&self, turn_uids: &[Uid]) -> StoreResult<Vec<StepHead>>;

    /// Scores on these sessions, their turns and steps, by time and key.
    async fn scores_by_session(&self, session_uids: &[Uid]) -> StoreResult<Vec<(Uid, ScoreRow)>>;

    /// Metadata of these sessions, their turns and steps, by target and key.
    async fn metadata_by_session(
        &self,
        session_uids: &[Uid],
    ) -> StoreResult<Vec<(Uid, MetadataRow)>>;

    /// What an idempotency key of `account` stands for.
    async fn idempotency(&self, account: &Uid, key: &str)
    -> StoreResult<Option<IdempotencyRecord>>;

    /// Gives numbers to the turns that other programs have written, for at most `sessions_max`
    /// sessions; returns how many turns were numbered. Sessions that another process is just
    /// numbering are skipped.
    async fn number_pending(&self, sessions_max: usize) -> StoreResult<u64>;

    /// Engine, schema version and what waits.
    async fn health(&self) -> StoreResult<StoreHealth>;

    /// Starts a transaction that may write.
    async fn begin(&self) -> StoreResult<Box<dyn RecordTransaction>>;

    /// Starts a transaction for the commands of several callers: whatever it has to wait for, it
    /// waits for an instant only, and fails with [`super::StoreErrorKind::Conflict`] then.
    async fn begin_group(&self) -> StoreResult<Box<dyn RecordTransaction>> {
        self.begin().await
    }

    /// What removes for good, where this store can; both engines can.
    fn erasures(&self) -> Option<&dyn super::erasure::ErasureStore> {
        None
    }

    /// Closes all connections after the statements under way have ended.
    async fn close(&self);
}

/// The origin of a fork as stored, `{"session_uid", "turn_uid", "at"}`.
pub fn fork_origin_json(origin: &ForkOrigin) -> String {
    serde_json::to_string(origin).expect("two keys and a number are always JSON")
}
