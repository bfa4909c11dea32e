//! `ProjectionStore`: denormalised copies of conversations, kept by the projector.
//!
//! Contract, held by one suite on every engine:
//! - Every write carries the `rev` of the row it comes from as its timestamp; of two writes to one
//!   cell the higher `rev` stays, whatever the order and however often they come. An equal `rev`
//!   always carries equal values.
//! - A row that is missing is never an error: the reader finds the gap and asks the record store.
//! - Nothing is read in order to write.
//! - Reads do not check accounts. Whoever shows an answer compares `SessionRow::account_uid` with
//!   the caller's first.

use async_trait::async_trait;

use super::record::StoreResult;
use crate::domain::{SessionRow, StepRow, Timestamp, TurnRow, Uid, Watermark};

/// Turns in one partition of bodies.
pub const BUCKET_TURNS: i32 = 256;

/// Longest prompt or content in bytes that is projected; a longer one stays in the record store
/// and its row says so.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// One idempotent write. Values that are `None` inside an `Option<Option<_>>`-like field are
/// unknown and left alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// The header of a session (static cells of its partition) at `row.rev`.
    Header(crate::domain::change::SessionChange),
    /// The session's place in its account's list, at `row.rev`.
    Listing(crate::domain::change::SessionChange),
    /// A session is no longer listed under this account and time.
    ListingGone {
        /// Account it was listed under.
        account_uid: Uid,
        /// Creation time it was listed under.
        created_at: Timestamp,
        /// The session.
        session_uid: Uid,
        /// Version of the deletion.
        rev: i64,
    },
    /// A turn's row at `turn.rev`, and its prompt as a body where it is known.
    Turn(crate::domain::change::TurnChange),
    /// A turn is gone: its row becomes a grave that keeps the number, its bodies go.
    Grave {
        /// The session.
        session_uid: Uid,
        /// The turn's number.
        seq: i32,
        /// Version of the deletion.
        rev: i64,
    },
    /// A step's row at `step.rev`. Its content is left alone where it is unknown.
    Step {
        /// The session.
        session_uid: Uid,
        /// The turn's number.
        seq: i32,
        /// The row.
        step: StepRow,
        /// `step.content` is unknown.
        content_absent: bool,
    },
    /// One step is gone, or with `idx: None` every step of a turn.
    StepsGone {
        /// The session.
        session_uid: Uid,
        /// The turn's number.
        seq: i32,
        /// The step.
        idx: Option<i32>,
        /// Version of the deletion.
        rev: i64,
    },
    /// A session is gone: its partitions go, `next_seq` says how many.
    SessionGone {
        /// The session.
        session_uid: Uid,
        /// One above the highest number it gave.
        next_seq: i32,
        /// Version of the deletion.
        rev: i64,
    },
    /// An account was erased: where it was listed goes, its key with it. Its sessions go by
    /// writes of their own; what is listed under it with a higher version stays.
    AccountGone {
        /// The account.
        account_uid: Uid,
        /// Version of the deletion.
        rev: i64,
    },
}

/// A session as a projection holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectedSession {
    /// The header.
    pub row: SessionRow,
    /// Living turns' rows by `seq`, graves left out.
    pub turns: Vec<TurnRow>,
    /// Every number below `row.next_seq` has a whole row or a grave, so nothing is missing.
    pub complete: bool,
}

/// Bodies of one turn as a projection holds them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectedBodies {
    /// The prompt of a human turn.
    pub prompt: Option<String>,
    /// Steps of an agent turn by `idx`.
    pub steps: Vec<StepRow>,
    /// The store has a body whose text is not here (too long): ask the record store for this turn.
    pub partial: bool,
}

/// Part of the bodies that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyPart {
    /// Prompts and steps with their content.
    Whole,
    /// Index and type of steps only; `content` is empty.
    Heads,
}

/// One place in an account's list of sessions by creation time, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedSession {
    /// Creation time, the order.
    pub created_at: Timestamp,
    /// The session.
    pub session_uid: Uid,
    /// Soft deletion.
    pub deleted: bool,
}

/// Denormalised copies of conversations.
#[async_trait]
pub trait ProjectionStore: Send + Sync + 'static {
    /// Applies writes; all are durable when it returns. A failure may have applied a part of
    /// them: repeat the whole.
    async fn apply(&self, writes: &[Write]) -> StoreResult<()>;

    /// Headers of sessions, those that exist, in any order.
    async fn sessions(&self, uids: &[Uid]) -> StoreResult<Vec<SessionRow>>;

    /// Sessions with their turns, those whose header exists, in any order.
    async fn graphs(&self, uids: &[Uid]) -> StoreResult<Vec<ProjectedSession>>;

    /// Bodies of turns of one session, by `seq`. Turns without any body row are left out.
    async fn bodies(
        &self,
        session_uid: &Uid,
        seqs: &[i32],
        part: BodyPart,
    ) -> StoreResult<Vec<(i32, ProjectedBodies)>>;

    /// An account's sessions by creation time, newest first, after a place (exclusive). Deleted
    /// ones included; fewer than `limit` means that there are no more.
    async fn listing(
        &self,
        account: &Uid,
        after: Option<&(Timestamp, Uid)>,
        limit: usize,
    ) -> StoreResult<Vec<ListedSession>>;

    /// How far the projector of this store has come, as it last said here.
    async fn watermark(&self) -> StoreResult<Option<Watermark>>;

    /// Says how far the projector has come.
    async fn set_watermark(&self, watermark: &Watermark) -> StoreResult<()>;

    /// Sessions that must be served from the record store until they are repaired.
    async fn quarantined(&self) -> StoreResult<Vec<Uid>>;

    /// Marks (or, with false, frees) a session. The mark is kept beside the projections.
    async fn set_quarantined(&self, session_uid: &Uid, marked: bool) -> StoreResult<()>;

    /// Engine and version, or what is wrong with the store and what to do.
    async fn health(&self) -> StoreResult<String>;

    /// Closes all connections.
    async fn close(&self);
}
