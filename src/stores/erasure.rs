//! `ErasureStore`: sessions and accounts removed for good from the record, and the receipts of it.
//!
//! A receipt is written in the record store with the erasure itself. The record is done at once;
//! projections and caches are done when the projector has come past the receipt's position.

use async_trait::async_trait;

use super::StoreKind;
use super::record::StoreResult;
use crate::domain::{Position, Timestamp, Uid};

/// The receipt of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Key of the receipt.
    pub uid: Uid,
    /// Whose sessions.
    pub account_uid: Uid,
    /// The one session; none where the whole account was erased.
    pub session_uid: Option<Uid>,
    /// Sessions that were removed.
    pub sessions: u64,
    /// When it was asked for; the record was done before this receipt was answered.
    pub at: Timestamp,
    /// Where everything is gone; none for a receipt whose writer was stopped on its way.
    pub position: Option<Position>,
    /// The stores with copies, by name.
    pub stores: Vec<ErasedIn>,
}

/// How far an erasure is in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedIn {
    /// Name of the kind of store, see [`StoreKind::name`].
    pub store: String,
    /// When it was gone there; none while it may be there still.
    pub done_at: Option<Timestamp>,
}

/// Removes for good, and remembers that it did.
#[async_trait]
pub trait ErasureStore: Send + Sync {
    /// Removes a session of `account`, deleted or not, with everything that hangs on it, in one
    /// transaction; the version of the purge is taken last. `None` when there is no such session.
    async fn erase_session(
        &self,
        account: &Uid,
        session: &Uid,
        receipt: &Uid,
        now: Timestamp,
    ) -> StoreResult<Option<Erasure>>;

    /// Removes all sessions of an account and what else it has, session after session; may be
    /// called again with the same receipt after it was interrupted. With `block`, no session of
    /// the account can be created by turngraph any more.
    async fn erase_account(
        &self,
        account: &Uid,
        receipt: &Uid,
        now: Timestamp,
        block: bool,
    ) -> StoreResult<Erasure>;

    /// A receipt of `account`.
    async fn erasure(&self, account: &Uid, receipt: &Uid) -> StoreResult<Option<Erasure>>;

    /// The last receipt of `account` for a session, or (`None`) for the whole account.
    async fn last_erasure(
        &self,
        account: &Uid,
        session: Option<&Uid>,
    ) -> StoreResult<Option<Erasure>>;

    /// Whether the account was erased with `block`.
    async fn account_blocked(&self, account: &Uid) -> StoreResult<bool>;

    /// Names the stores that hold copies, which every receipt from now on lists.
    async fn set_projection_stores(&self, stores: &[StoreKind]) -> StoreResult<()>;

    /// Whether a receipt is open; cheap, so that it can be asked often.
    async fn erasures_open(&self) -> StoreResult<bool>;

    /// These stores with copies have come to `position`: receipts up to there are done in them.
    /// Returns how many entries of receipts were.
    async fn erasures_applied(
        &self,
        stores: &[StoreKind],
        position: &Position,
        at: Timestamp,
    ) -> StoreResult<u64>;
}
