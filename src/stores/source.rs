//! `ProjectionSource`: what the projector asks of the record store, beside the change feed.
//!
//! None of it checks accounts: the projector copies everything. Rows have the same normal form as
//! in `RecordStore` (what is null in an adopted database reads the same in both), so that an
//! answer from a projection equals one from the record.

use async_trait::async_trait;

use super::ErasureStore;
use super::record::StoreResult;
use crate::domain::change::Purge;
use crate::domain::{Position, SessionRow, StepRow, Timestamp, TurnRow, Uid};

/// Address of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnAddress {
    /// The turn.
    pub turn_uid: Uid,
    /// Its session.
    pub session_uid: Uid,
    /// Its number.
    pub seq: i32,
}

/// A turn with its content, as it is to be projected.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceTurn {
    /// The row.
    pub turn: TurnRow,
    /// The prompt of a human turn.
    pub prompt: Option<String>,
    /// The steps of an agent turn by `idx`.
    pub steps: Vec<StepRow>,
}

/// A change that could not be applied, kept until its session is repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Number, given by the store.
    pub id: i64,
    /// The session, where known.
    pub session_uid: Option<Uid>,
    /// Table and key of the row; never its content.
    pub row: String,
    /// Version of the row, where known.
    pub rev: Option<i64>,
    /// What is wrong, in words without content.
    pub error: String,
    /// Place in the feed.
    pub position: u64,
    /// When it was put aside.
    pub at: Timestamp,
    /// Repairs tried.
    pub attempts: i32,
}

/// A turn's number that cannot stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contested {
    /// The session.
    pub session_uid: Uid,
    /// The number.
    pub seq: i32,
    /// Two turns have it; else the session would give it once more.
    pub twice: bool,
}

/// Where a long job (rebuild, verify) has come to; opaque JSON text of the job.
pub type Progress = String;

/// Holds a role (projector, rebuild) until it is dropped or the store loses it.
#[async_trait]
pub trait Lease: Send {
    /// Whether it is still held; asks the store.
    async fn held(&mut self) -> bool;
}

/// What the projector asks of the record store.
#[async_trait]
pub trait ProjectionSource: Send + Sync + 'static {
    /// A position that is not lower than that of any commit that has returned.
    async fn position(&self) -> StoreResult<Position>;

    /// Addresses of turns, those that have one.
    async fn addresses(&self, turn_uids: &[Uid]) -> StoreResult<Vec<TurnAddress>>;

    /// Rows of sessions, those that exist.
    async fn session_rows(&self, uids: &[Uid]) -> StoreResult<Vec<SessionRow>>;

    /// Turns of a session with numbers in `from_seq..=to_seq`, by `seq`, with all content. The
    /// statement reads one snapshot.
    async fn turns(
        &self,
        session_uid: &Uid,
        from_seq: i32,
        to_seq: i32,
    ) -> StoreResult<Vec<SourceTurn>>;

    /// Keys of sessions in the order of their bytes, after one (exclusive), for going through all.
    async fn session_uids(&self, after: Option<&Uid>, limit: usize) -> StoreResult<Vec<Uid>>;

    /// An estimate of the number of sessions, for progress.
    async fn session_count_estimate(&self) -> StoreResult<u64>;

    /// Gives every row of a session, its turns and their steps a new version, and changes nothing
    /// else: a copy that holds a later timestamp than theirs, by somebody else's hand, can then be
    /// written again.
    async fn touch(&self, session_uid: &Uid) -> StoreResult<()>;

    /// Purges logged for a session, oldest first.
    async fn purges(&self, session_uid: &Uid) -> StoreResult<Vec<Purge>>;

    /// Keeps a change that could not be applied.
    async fn dead_letter_insert(&self, letter: &DeadLetter) -> StoreResult<()>;

    /// Dead letters, oldest first.
    async fn dead_letters(&self, limit: usize) -> StoreResult<Vec<DeadLetter>>;

    /// Removes the dead letters of a session up to an id, after it was repaired.
    async fn dead_letters_resolve(&self, session_uid: &Uid, up_to_id: i64) -> StoreResult<()>;

    /// Counts one more try of a dead letter that could not be repaired.
    async fn dead_letter_tried(&self, id: i64) -> StoreResult<()>;

    /// Where a job has come to.
    async fn progress(&self, job: &str) -> StoreResult<Option<Progress>>;

    /// Notes where a job has come to; `None` forgets it.
    async fn set_progress(&self, job: &str, progress: Option<&str>) -> StoreResult<()>;

    /// Takes a role for this process, or `None` while another process has it.
    async fn lease(&self, role: &str) -> StoreResult<Option<Box<dyn Lease>>>;

    /// Removes notes of numbers given to other programs' turns that were written before a time and
    /// that every copy has heard of; how many. A store that keeps none has nothing to do.
    async fn forget_jobs(&self, _before: Timestamp) -> StoreResult<u64> {
        Ok(0)
    }

    /// Numbers of turns that cannot stand, `limit` at most: the same number in both tables of
    /// turns, which no index forbids, or one that the session has not given yet.
    async fn contested(&self, _limit: usize) -> StoreResult<Vec<Contested>> {
        Ok(Vec::new())
    }

    /// The receipts of erasures, where the store can erase.
    fn receipts(&self) -> Option<&dyn ErasureStore> {
        None
    }
}
