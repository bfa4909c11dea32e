//! Listings of sessions and the search in texts on SQLite.
//!
//! SQLite folds the case of ASCII letters only, and a function of our own would need unsafe code.
//! So texts are compared here: rows are streamed in their order and compared until the page is
//! full, which reads no more than SQLite would, since no index serves a part of a text.

use futures_util::TryStreamExt;

use super::{Query, SqliteRecordStore, query, statements as st};
use crate::domain::{SessionRow, Timestamp, Uid};
use crate::stores::listing::{SessionFilter, SessionListing, SessionOrder, TurnHit, TurnSearch};
use crate::stores::record::StoreResult;
use crate::stores::sql::Statement;
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::records::{SessionRecord, TurnHitRecord};
use crate::stores::sql::texts::{folded, searchable};

/// Sorts after every key: keys hold no control character, and this is the last one.
const KEY_END: &str = "\u{10ffff}";

impl SqliteRecordStore {
    /// One page of sessions.
    pub(super) async fn page(
        &self,
        account: &Uid,
        listing: &SessionListing,
    ) -> StoreResult<Vec<SessionRow>> {
        let statement = page_statement(listing.order);
        let (below, above) = if listing.order.descending() {
            (&listing.before, &listing.after)
        } else {
            (&listing.after, &listing.before)
        };
        let below = bound(below.as_ref(), (DbTime::MIN, ""));
        let above = bound(above.as_ref(), (DbTime::MAX, KEY_END));
        let words = listing.filter.title_contains.as_deref().map(folded);
        // With a title to compare, the page ends here and not in the statement.
        let sql_limit = match words {
            Some(_) => -1,
            None => i64::try_from(listing.limit).unwrap_or(i64::MAX),
        };
        let query = filtered(statement, account, &listing.filter)
            .bind(below.0)
            .bind(below.1)
            .bind(above.0)
            .bind(above.1)
            .bind(sql_limit);
        self.matching(statement, query, words.as_deref(), listing.limit)
            .await
    }

    /// Number of sessions that pass the filter, at most `up_to`.
    pub(super) async fn count(
        &self,
        account: &Uid,
        filter: &SessionFilter,
        up_to: usize,
    ) -> StoreResult<usize> {
        if filter.title_contains.is_some() {
            let listing = SessionListing {
                order: SessionOrder::CreatedAsc,
                after: None,
                before: None,
                limit: up_to,
                filter: filter.clone(),
            };
            return Ok(self.page(account, &listing).await?.len());
        }
        let statement = st::SESSIONS_COUNT;
        let (count,): (i64,) = filtered(statement, account, filter)
            .bind(i64::try_from(up_to).unwrap_or(i64::MAX))
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.errors.driver(statement.name, error))?;
        Ok(usize::try_from(count).expect("a count is not negative and fits its limit"))
    }

    async fn matching(
        &self,
        statement: Statement,
        query: Query<'_, SessionRecord>,
        title_part: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<SessionRow>> {
        let mut found = Vec::new();
        let mut rows = query.fetch(&self.readers);
        while found.len() < limit {
            let next = rows.try_next().await;
            let Some(row) = next.map_err(|error| self.errors.driver(statement.name, error))? else {
                break;
            };
            let title = row.title.as_deref();
            if title_part.is_none_or(|part| title.is_some_and(|t| folded(t).contains(part))) {
                let row = SessionRow::try_from(row);
                found.push(row.map_err(|error| self.errors.row(statement.name, error))?);
            }
        }
        Ok(found)
    }

    /// Candidates of a search, newest first.
    pub(super) async fn search(
        &self,
        account: &Uid,
        search: &TurnSearch,
    ) -> StoreResult<Vec<TurnHit>> {
        let statement = st::TURNS_SEARCH;
        let words: Vec<String> = search.words.iter().map(|word| folded(word)).collect();
        let above = bound(search.after.as_ref(), (DbTime::MAX, KEY_END));
        let mut rows = query::<TurnHitRecord>(statement)
            .bind(account.as_str())
            .bind(search.session_uid.as_ref().map(Uid::as_str))
            .bind(above.0)
            .bind(above.1)
            .fetch(&self.readers);
        let mut hits = Vec::new();
        while hits.len() < search.limit {
            let next = rows.try_next().await;
            let Some(row) = next.map_err(|error| self.errors.driver(statement.name, error))? else {
                break;
            };
            let hit =
                TurnHit::try_from(row).map_err(|error| self.errors.row(statement.name, error))?;
            let texts: Vec<String> = hit.texts.iter().map(|text| searchable(text)).collect();
            if words
                .iter()
                .all(|word| texts.iter().any(|text| text.contains(word)))
            {
                hits.push(hit);
            }
        }
        Ok(hits)
    }
}

fn page_statement(order: SessionOrder) -> Statement {
    match order {
        SessionOrder::LastActivityDesc => st::SESSIONS_BY_ACTIVITY_DESC,
        SessionOrder::LastActivityAsc => st::SESSIONS_BY_ACTIVITY_ASC,
        SessionOrder::CreatedDesc => st::SESSIONS_BY_CREATION_DESC,
        SessionOrder::CreatedAsc => st::SESSIONS_BY_CREATION_ASC,
    }
}

/// A keyset bound, or the open end.
fn bound<'a>(place: Option<&'a (Timestamp, Uid)>, open: (DbTime, &'a str)) -> (DbTime, &'a str) {
    place.map_or(open, |(at, uid)| (DbTime(*at), uid.as_str()))
}

/// A statement with the parameters of the filter bound, `$1` to `$7`.
fn filtered<'q, R>(statement: Statement, account: &'q Uid, filter: &SessionFilter) -> Query<'q, R>
where
    R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>,
{
    query(statement)
        .bind(account.as_str())
        .bind(filter.created_from.map(DbTime))
        .bind(filter.created_to.map(DbTime))
        .bind(filter.has_feedback)
        .bind(filter.include_deleted)
        .bind(filter.active_after.map(DbTime))
        .bind(filter.active_until.map(DbTime))
}
