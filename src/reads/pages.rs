//! `Pages`: an account's sessions in order, whichever store has them.

use async_trait::async_trait;

use super::context::Origin;
use crate::domain::{SessionRow, Uid};
use crate::stores::listing::SessionListing;
use crate::stores::{RecordStore, StoreError};

/// A store that has an account's sessions in order.
#[async_trait]
pub(super) trait Pages: Sync {
    /// Where its pages come from.
    fn origin(&self) -> Origin;

    /// One run of rows; fewer than asked for means that there are no more.
    async fn page(&self, listing: &SessionListing) -> Result<Vec<SessionRow>, StoreError>;
}

/// Pages of the record store.
pub(super) struct RecordPages<'a> {
    pub(super) record: &'a dyn RecordStore,
    pub(super) account: &'a Uid,
    pub(super) origin: Origin,
}

#[async_trait]
impl Pages for RecordPages<'_> {
    fn origin(&self) -> Origin {
        self.origin
    }

    async fn page(&self, listing: &SessionListing) -> Result<Vec<SessionRow>, StoreError> {
        self.record.sessions_page(self.account, listing).await
    }
}
