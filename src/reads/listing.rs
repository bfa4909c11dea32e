//! Pages of an account's sessions that lose nobody.
//!
//! In the order "most recently active first" a session that becomes active while a client pages
//! jumps to the front, behind the client's back. So this order is listed in **passes**: the first
//! pass is the whole list, and each further pass holds the sessions that were written to since
//! the pass before it began, until a pass finds none. A cursor carries its pass. A client may see
//! a session twice and drops repeats by id.
//!
//! `last_activity_at` is exact to a minute only, so a pass asks the store for whole minutes and
//! leaves out the sessions whose `rev` says that they were not written to since.

use crate::domain::{Clock, SessionRow, Timestamp, Uid};
use crate::stores::StoreError;
use crate::stores::listing::{SessionFilter, SessionListing, SessionOrder};

use super::context::Origin;
use super::pages::Pages;

/// Rows asked for at least where some may be left out, so that one statement is enough.
const CANDIDATES_MIN: usize = 200;
/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;

/// What a client asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ListingRequest {
    /// Order of the list.
    pub order: SessionOrder,
    /// Sessions at most.
    pub size: usize,
    /// Counted from the end of the list.
    pub from_end: bool,
    /// Only what comes later.
    pub after: Option<ListingCursor>,
    /// Only what comes earlier.
    pub before: Option<ListingCursor>,
    /// Which sessions.
    pub filter: SessionFilter,
}

/// A place in a list of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingCursor {
    pass: Pass,
    /// Value of the ordered column.
    at: Timestamp,
    uid: Uid,
}

/// One run through the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Pass {
    /// When it began; only where another pass may follow.
    begun: Option<Timestamp>,
    /// When the pass before it began: only sessions written to since. The first pass has none.
    since: Option<Timestamp>,
}

/// One page.
#[derive(Debug, Clone)]
pub struct ListingPage {
    /// The sessions and their cursors.
    pub sessions: Vec<(SessionRow, ListingCursor)>,
    /// Whether sessions follow.
    pub has_next: bool,
    /// Whether sessions come before.
    pub has_previous: bool,
    /// Where the page came from.
    pub origin: Origin,
}

impl ListingCursor {
    /// Reads a cursor; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '~');
        let at = Timestamp(parts.next()?.parse().ok()?);
        let mut instant = || match parts.next()? {
            "" => Some(None),
            micros => Some(Some(Timestamp(micros.parse().ok()?))),
        };
        let pass = Pass {
            begun: instant()?,
            since: instant()?,
        };
        Some(Self {
            pass,
            at,
            uid: Uid::parse(parts.next()?).ok()?,
        })
    }

    fn of(row: &SessionRow, order: SessionOrder, pass: Pass) -> Self {
        let at = if order.by_activity() {
            row.last_activity_at
        } else {
            row.created_at
        };
        Self {
            pass,
            at,
            uid: row.uid.clone(),
        }
    }

    fn key(&self) -> (Timestamp, Uid) {
        (self.at, self.uid.clone())
    }
}

impl std::fmt::Display for ListingCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |at: Option<Timestamp>| at.map(|at| at.0.to_string()).unwrap_or_default();
        let (begun, since) = (micros(self.pass.begun), micros(self.pass.since));
        write!(f, "{}~{begun}~{since}~{}", self.at.0, self.uid)
    }
}

/// The last microsecond before the minute of `at`; cursors come from clients and may say anything.
fn minute_before(at: Timestamp) -> Timestamp {
    Timestamp(at.0.saturating_sub(at.0.rem_euclid(MINUTE) + 1))
}

/// The two ends of a page: keys that the rows of one pass lie between.
#[derive(Default)]
struct Between {
    after: Option<(Timestamp, Uid)>,
    before: Option<(Timestamp, Uid)>,
}

/// What all statements of one page share.
struct Listing<'a> {
    pages: &'a dyn Pages,
    request: &'a ListingRequest,
}

pub(super) async fn page(
    pages: &dyn Pages,
    clock: &dyn Clock,
    request: &ListingRequest,
) -> Result<ListingPage, StoreError> {
    let listing = Listing { pages, request };
    if request.from_end {
        listing.backward().await
    } else {
        listing.forward(clock.now()).await
    }
}

impl Listing<'_> {
    /// The pass that the client is in, and what of the next one still fits on the page.
    async fn forward(&self, now: Timestamp) -> Result<ListingPage, StoreError> {
        let request = self.request;
        let passes = request.order == SessionOrder::LastActivityDesc;
        let first_pass = Pass {
            begun: passes.then_some(now),
            since: None,
        };
        let wanted = request.size + 1;
        let pass = request.after.as_ref().map_or(first_pass, |c| c.pass);
        let end = request.before.as_ref();
        let between = Between {
            after: request.after.as_ref().map(ListingCursor::key),
            before: end.filter(|c| c.pass == pass).map(ListingCursor::key),
        };
        let mut rows = self.rows(pass, request.order, between, wanted).await?;
        // A first page cannot have missed anything, and an end in this pass is the end.
        let next = pass.begun.filter(|_| request.after.is_some());
        let ends_here = end.is_some_and(|c| c.pass == pass);
        if let Some(begun) = next.filter(|_| rows.len() < wanted && !ends_here) {
            let following = Pass {
                begun: Some(now),
                since: Some(begun),
            };
            let left = wanted - rows.len();
            let moved = self.rows(following, request.order, Between::default(), left);
            rows.extend(moved.await?);
        }
        let has_next = rows.len() > request.size;
        rows.truncate(request.size);
        Ok(ListingPage {
            sessions: self.with_cursors(rows),
            has_next,
            has_previous: request.after.is_some(),
            origin: self.pages.origin(),
        })
    }

    /// The end of the list, or what comes before a cursor: of its pass, then of the first pass.
    async fn backward(&self) -> Result<ListingPage, StoreError> {
        let request = self.request;
        let order = request.order.reversed();
        let wanted = request.size + 1;
        let first_pass = Pass::default();
        let pass = request.before.as_ref().map_or(first_pass, |c| c.pass);
        let between = Between {
            after: request.before.as_ref().map(ListingCursor::key),
            before: request
                .after
                .as_ref()
                .filter(|c| c.pass == pass)
                .map(ListingCursor::key),
        };
        let ends_here = between.before.is_some();
        let mut rows = self.rows(pass, order, between, wanted).await?;
        if pass.since.is_some() && rows.len() < wanted && !ends_here {
            let left = wanted - rows.len();
            let between = Between {
                after: None,
                before: request.after.as_ref().map(ListingCursor::key),
            };
            rows.extend(self.rows(first_pass, order, between, left).await?);
        }
        let has_previous = rows.len() > request.size;
        rows.truncate(request.size);
        rows.reverse();
        Ok(ListingPage {
            sessions: self.with_cursors(rows),
            has_next: request.before.is_some(),
            has_previous,
            origin: self.pages.origin(),
        })
    }

    /// Rows of one pass with the pass, `wanted` at most.
    async fn rows(
        &self,
        pass: Pass,
        order: SessionOrder,
        mut between: Between,
        wanted: usize,
    ) -> Result<Vec<(SessionRow, Pass)>, StoreError> {
        let mut filter = self.request.filter.clone();
        let mut limit = wanted;
        if let Some(since) = pass.since {
            filter.active_after = Some(minute_before(since));
            limit = wanted.max(CANDIDATES_MIN);
        }
        let mut rows = Vec::new();
        loop {
            let part = SessionListing {
                order,
                after: between.after.take(),
                before: between.before.clone(),
                limit,
                filter: filter.clone(),
            };
            let found = self.pages.page(&part).await?;
            let exhausted = found.len() < limit;
            between.after = found
                .last()
                .map(|row| ListingCursor::of(row, order, pass).key());
            let written_since = |row: &SessionRow| pass.since.is_none_or(|at| row.rev > at.0);
            let left = wanted - rows.len();
            let found = found.into_iter().filter(written_since).take(left);
            rows.extend(found.map(|row| (row, pass)));
            if exhausted || rows.len() == wanted {
                return Ok(rows);
            }
        }
    }

    fn with_cursors(&self, rows: Vec<(SessionRow, Pass)>) -> Vec<(SessionRow, ListingCursor)> {
        let with_cursor = |(row, pass): (SessionRow, Pass)| {
            let cursor = ListingCursor::of(&row, self.request.order, pass);
            (row, cursor)
        };
        rows.into_iter().map(with_cursor).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_go_there_and_back() {
        for text in ["12~~~a", "12~34~5~a~b", "-5~0~~ключ"] {
            assert_eq!(ListingCursor::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "1", "1~~x~a", "1~x~~a", "1~~~", "1~~"] {
            assert_eq!(ListingCursor::parse(text), None, "{text}");
        }
    }
}
