//! Lists of sessions from the projections: newest first by creation, without a filter. A row of
//! the list is only a hint; the session's own header says whose it is and whether it lives.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{logged, missed};
use crate::domain::{Consistency, SessionRow, Timestamp, Uid};
use crate::reads::context::{Origin, ReadContext};
use crate::reads::guard::Hop;
use crate::reads::listing::{ListingPage, ListingRequest, page};
use crate::reads::pages::Pages;
use crate::reads::{Reads, SessionFilter, SessionOrder, Source};
use crate::stores::listing::SessionListing;
use crate::stores::projection::ListedSession;
use crate::stores::record::StoreResult;
use crate::stores::{ProjectionStore, StoreError};

impl Reads {
    /// Whether the projections may answer this list page by page.
    pub(in crate::reads) async fn lists_from_projection(
        &self,
        ctx: &ReadContext,
        request: &ListingRequest,
    ) -> bool {
        request.order == SessionOrder::CreatedDesc
            && !request.from_end
            && self.projects_lists(ctx, request)
            && self.lists_reach(ctx).await
    }

    /// Whether the projections know enough of the account's sessions for this list.
    pub(super) fn projects_lists(&self, ctx: &ReadContext, request: &ListingRequest) -> bool {
        let plain = SessionFilter {
            include_deleted: request.filter.include_deleted,
            ..SessionFilter::default()
        };
        ctx.consistency() == Consistency::Eventual
            && self.stores.projection.is_some()
            && request.filter == plain
            && self.route.projects(ctx.account())
    }

    /// Whether the projections' lists show what must be seen. What a revision asks for may be
    /// missing in a list without a trace, so only their watermark can vouch for it.
    pub(super) async fn lists_reach(&self, ctx: &ReadContext) -> bool {
        let unreached = self.unreached(ctx);
        unreached.is_empty() || self.await_reached(ctx, &unreached).await
    }

    /// One page from the projections; none when they cannot be read.
    pub(in crate::reads) async fn projected_listing(
        &self,
        ctx: &ReadContext,
        request: &ListingRequest,
    ) -> Option<ListingPage> {
        let (projection, hop) = self.stores.projection.as_ref()?;
        let told = self.progress.current(&self.stores).await;
        let as_of = told.map(|watermark| watermark.as_of);
        let pages = ProjectedPages {
            reads: self,
            ctx,
            projection: (&**projection, hop),
            origin: Origin::new(Source::Cql, as_of, self.clock.now()),
        };
        match page(&pages, &*self.clock, request).await {
            Ok(page) => {
                if as_of.is_none() {
                    ctx.degraded("how far the projections have come is not known");
                }
                Some(page)
            }
            Err(error) => {
                ctx.degraded(missed(&error));
                None
            }
        }
    }
}

impl Reads {
    /// Headers of listed sessions; those that have none yet are asked of the record store.
    pub(super) async fn listed_headers(
        &self,
        ctx: &ReadContext,
        (projection, hop): (&dyn ProjectionStore, &Hop),
        listed: &[ListedSession],
    ) -> StoreResult<HashMap<Uid, SessionRow>> {
        let uids: Vec<Uid> = listed.iter().map(|l| l.session_uid.clone()).collect();
        let read = projection.sessions(&uids);
        let rows = hop.ask(ctx.deadline(), read).await?;
        let mut headers: HashMap<Uid, SessionRow> =
            rows.into_iter().map(|row| (row.uid.clone(), row)).collect();
        let bare: Vec<Uid> = uids
            .into_iter()
            .filter(|uid| !headers.contains_key(uid))
            .collect();
        if !bare.is_empty() {
            let record = self.record_of(ctx);
            let read = record.sessions_by_uid(ctx.account(), &bare);
            let rows = self.guarded(ctx, read).await;
            let rows = rows.inspect_err(|error| {
                logged(error);
            })?;
            headers.extend(rows.into_iter().map(|row| (row.uid.clone(), row)));
        }
        Ok(headers)
    }
}

/// Whether a session's own header confirms its place in the account's list: one that moved is
/// listed in its old place until that is removed.
pub(super) fn confirms(row: &SessionRow, account: &Uid, created_at: Timestamp) -> bool {
    row.account_uid == *account && row.created_at == created_at
}

struct ProjectedPages<'a> {
    reads: &'a Reads,
    ctx: &'a ReadContext,
    projection: (&'a dyn ProjectionStore, &'a Hop),
    origin: Origin,
}

#[async_trait]
impl Pages for ProjectedPages<'_> {
    fn origin(&self) -> Origin {
        self.origin
    }

    async fn page(&self, listing: &SessionListing) -> Result<Vec<SessionRow>, StoreError> {
        let mut rows: Vec<SessionRow> = Vec::with_capacity(listing.limit);
        let mut after = listing.after.clone();
        let limit = listing.limit;
        let before = |row: &(Timestamp, Uid)| listing.before.as_ref().is_none_or(|end| row > end);
        loop {
            let account = self.ctx.account();
            let (projection, hop) = self.projection;
            let read = projection.listing(account, after.as_ref(), limit);
            let listed = hop.ask(self.ctx.deadline(), read).await?;
            let exhausted = listed.len() < limit;
            let of = self.projection;
            let mut headers = self.reads.listed_headers(self.ctx, of, &listed).await?;
            for place in listed {
                let key = (place.created_at, place.session_uid);
                if !before(&key) {
                    return Ok(rows);
                }
                let row = headers.remove(&key.1).filter(|row| {
                    confirms(row, account, key.0)
                        && (listing.filter.include_deleted || row.deleted_at.is_none())
                });
                rows.extend(row);
                after = Some(key);
                if rows.len() == limit {
                    return Ok(rows);
                }
            }
            if exhausted {
                return Ok(rows);
            }
        }
    }
}
