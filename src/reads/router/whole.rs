//! Lists in any order while the record store cannot be read: a short list is read whole from the
//! projections, which have it by creation only, and put in order here.
//!
//! While the record store answers it is the better place for these: it has the page in one read of
//! an index, and the projections need a look at each session's header.

use async_trait::async_trait;

use super::listed::confirms;
use super::missed;
use crate::domain::{SessionRow, Timestamp, Uid};
use crate::reads::context::{Origin, ReadContext};
use crate::reads::listing::{ListingPage, ListingRequest, page};
use crate::reads::pages::{Pages, RecordPages};
use crate::reads::{ReadError, ReadErrorKind, ReadResult, Reads, Source};
use crate::stores::StoreError;
use crate::stores::listing::{SessionListing, SessionOrder};

/// Sessions of an account, deleted ones included, that are read whole at most: each costs a read
/// of its header, at a time when every reader comes to the projections.
const WHOLE_MAX: usize = 200;

impl Reads {
    /// One page of the record store's; when that cannot be read, of the whole list where the
    /// projections may give it.
    pub(in crate::reads) async fn recorded_listing(
        &self,
        ctx: &ReadContext,
        request: &ListingRequest,
    ) -> ReadResult<ListingPage> {
        let spare = self.projects_lists(ctx, request);
        // A record store that hangs must leave time for the others.
        let within = if spare { ctx.hurried() } else { ctx.clone() };
        let pages = RecordPages {
            record: self.record_of(&within),
            account: within.account(),
            origin: self.record_origin(&within),
        };
        let read = page(&pages, &*self.clock, request);
        match self.guarded(&within, read).await {
            Err(error) if spare && is_away(&error) => {
                match self.whole_listing(ctx, request).await {
                    Some(page) => {
                        ctx.degraded(missed(&error));
                        Ok(page)
                    }
                    None => Err(error),
                }
            }
            read => read,
        }
    }

    async fn whole_listing(
        &self,
        ctx: &ReadContext,
        request: &ListingRequest,
    ) -> Option<ListingPage> {
        if !self.lists_reach(ctx).await {
            return None;
        }
        // Asked before the rows are. A list whose age nobody knows is not offered: the reader did
        // not ask for it, and cannot tell it from the record store's.
        let told = self.progress.current(&self.stores).await?;
        let (projection, hop) = self.stores.projection.as_ref()?;
        let account = ctx.account();
        let read = projection.listing(account, None, WHOLE_MAX + 1);
        let listed = hop.ask(ctx.deadline(), read).await.ok()?;
        if listed.len() > WHOLE_MAX {
            return None;
        }
        let of = (&**projection, hop);
        let mut headers = self.listed_headers(ctx, of, &listed).await.ok()?;
        let rows = listed.into_iter().filter_map(|place| {
            let row = headers.remove(&place.session_uid)?;
            confirms(&row, account, place.created_at).then_some(row)
        });
        let pages = WholeList {
            rows: rows.collect(),
            origin: Origin::new(Source::Cql, Some(told.as_of), self.clock.now()),
        };
        page(&pages, &*self.clock, request).await.ok()
    }
}

/// Whether waiting is all that could be done about it.
fn is_away(error: &ReadError) -> bool {
    matches!(
        error.kind,
        ReadErrorKind::Unavailable | ReadErrorKind::Timeout
    )
}

/// All sessions of an account.
struct WholeList {
    rows: Vec<SessionRow>,
    origin: Origin,
}

/// The key by which an order compares.
fn key(row: &SessionRow, order: SessionOrder) -> (Timestamp, Uid) {
    let at = if order.by_activity() {
        row.last_activity_at
    } else {
        row.created_at
    };
    (at, row.uid.clone())
}

#[async_trait]
impl Pages for WholeList {
    fn origin(&self) -> Origin {
        self.origin
    }

    async fn page(&self, listing: &SessionListing) -> Result<Vec<SessionRow>, StoreError> {
        let order = listing.order;
        // Whether a key comes later than another in this order.
        let later = |a: &(Timestamp, Uid), b: &(Timestamp, Uid)| match order.descending() {
            true => a < b,
            false => a > b,
        };
        let filter = &listing.filter;
        let listed = |row: &&SessionRow| {
            let key = key(row, order);
            (filter.include_deleted || row.deleted_at.is_none())
                && filter
                    .active_after
                    .is_none_or(|at| row.last_activity_at > at)
                && listing.after.as_ref().is_none_or(|end| later(&key, end))
                && listing.before.as_ref().is_none_or(|end| later(end, &key))
        };
        let mut rows: Vec<SessionRow> = self.rows.iter().filter(listed).cloned().collect();
        rows.sort_by_cached_key(|row| key(row, order));
        if order.descending() {
            rows.reverse();
        }
        rows.truncate(listing.limit);
        Ok(rows)
    }
}
