//! Pages of an account's sessions that lose nobody.
//!
//! In the order "most recently active first" a session that becomes active while a client pages
//! jumps to the front, behind the client's back. So a cursor carries the instant of the first
//! page: sessions are listed up to that instant, and the last page is followed by those that have
//! been active since. A client may see such a session twice and drops repeats by id.

use crate::domain::{Clock, SessionRow, Timestamp, Uid};
use crate::stores::listing::{SessionFilter, SessionListing, SessionOrder};
use crate::stores::{RecordStore, StoreError};

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
    /// Instant of the first page; only in the order of activity.
    since: Option<Timestamp>,
    /// Whether the place is among the sessions that were active after `since`.
    moved: bool,
    /// Value of the ordered column.
    at: Timestamp,
    uid: Uid,
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
}

impl ListingCursor {
    /// Reads a cursor; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '~');
        let at = Timestamp(parts.next()?.parse().ok()?);
        let since = match parts.next()? {
            "" => None,
            micros => Some(Timestamp(micros.parse().ok()?)),
        };
        let moved = match parts.next()? {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        Some(Self {
            since,
            moved,
            at,
            uid: Uid::parse(parts.next()?).ok()?,
        })
    }

    fn key(&self) -> (Timestamp, Uid) {
        (self.at, self.uid.clone())
    }
}

impl std::fmt::Display for ListingCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self
            .since
            .map(|since| since.0.to_string())
            .unwrap_or_default();
        write!(
            f,
            "{}~{since}~{}~{}",
            self.at.0,
            u8::from(self.moved),
            self.uid
        )
    }
}

pub(super) async fn page(
    record: &dyn RecordStore,
    clock: &dyn Clock,
    account: &Uid,
    request: &ListingRequest,
) -> Result<ListingPage, StoreError> {
    if request.from_end {
        return backward(record, account, request).await;
    }
    let wanted = request.size;
    let since = (request.order == SessionOrder::LastActivityDesc).then(|| {
        request
            .after
            .as_ref()
            .map_or_else(|| clock.now(), |c| c.since.unwrap_or(c.at))
    });
    let mut rows: Vec<(SessionRow, bool)> = Vec::new();
    let in_moved = request.after.as_ref().is_some_and(|cursor| cursor.moved);
    if !in_moved {
        let mut filter = request.filter.clone();
        filter.active_until = request.after.as_ref().and(since);
        let part = SessionListing {
            order: request.order,
            after: request.after.as_ref().map(ListingCursor::key),
            before: request.before.as_ref().map(ListingCursor::key),
            limit: wanted + 1,
            filter,
        };
        rows.extend(
            record
                .sessions_page(account, &part)
                .await?
                .into_iter()
                .map(|r| (r, false)),
        );
    }
    // A first page has no "since": nothing can have moved yet.
    if let (Some(since), Some(after)) = (since, &request.after)
        && rows.len() <= wanted
    {
        let mut filter = request.filter.clone();
        filter.active_after = Some(since);
        let part = SessionListing {
            order: request.order,
            after: in_moved.then(|| after.key()),
            before: None,
            limit: wanted + 1 - rows.len(),
            filter,
        };
        rows.extend(
            record
                .sessions_page(account, &part)
                .await?
                .into_iter()
                .map(|r| (r, true)),
        );
    }
    let has_next = rows.len() > wanted;
    rows.truncate(wanted);
    // Sessions dated in the future (imports) belong to the first pass as well.
    let since = since.map(|since| {
        rows.first()
            .map_or(since, |(r, _)| since.max(r.last_activity_at))
    });
    let since = if request.after.is_some() {
        request.after.as_ref().and_then(|c| c.since)
    } else {
        since
    };
    let with_cursor = |(row, moved): (SessionRow, bool)| {
        let cursor = cursor_of(&row, request.order, since, moved);
        (row, cursor)
    };
    Ok(ListingPage {
        sessions: rows.into_iter().map(with_cursor).collect(),
        has_next,
        has_previous: request.after.is_some(),
    })
}

async fn backward(
    record: &dyn RecordStore,
    account: &Uid,
    request: &ListingRequest,
) -> Result<ListingPage, StoreError> {
    let since = request.before.as_ref().and_then(|cursor| cursor.since);
    let mut filter = request.filter.clone();
    filter.active_until = since;
    let part = SessionListing {
        order: request.order.reversed(),
        after: request.before.as_ref().map(ListingCursor::key),
        before: request.after.as_ref().map(ListingCursor::key),
        limit: request.size + 1,
        filter,
    };
    let mut rows = record.sessions_page(account, &part).await?;
    let has_previous = rows.len() > request.size;
    rows.truncate(request.size);
    rows.reverse();
    let with_cursor = |row: SessionRow| {
        let cursor = cursor_of(&row, request.order, since, false);
        (row, cursor)
    };
    Ok(ListingPage {
        sessions: rows.into_iter().map(with_cursor).collect(),
        has_next: request.before.is_some(),
        has_previous,
    })
}

fn cursor_of(
    row: &SessionRow,
    order: SessionOrder,
    since: Option<Timestamp>,
    moved: bool,
) -> ListingCursor {
    let at = if order.by_activity() {
        row.last_activity_at
    } else {
        row.created_at
    };
    ListingCursor {
        since,
        moved,
        at,
        uid: row.uid.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_go_there_and_back() {
        for text in ["12~~0~a", "12~34~1~a~b", "-5~0~0~ключ"] {
            assert_eq!(ListingCursor::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "1", "1~~2~a", "1~x~0~a", "1~~0~"] {
            assert_eq!(ListingCursor::parse(text), None, "{text}");
        }
    }
}
