//! Listings of sessions and the search in texts on PostgreSQL.

use sqlx::FromRow;
use sqlx::postgres::PgRow;

use super::error::{corrupt, store_error};
use super::read::{bound, sessions, shown, uid_of, waits};
use super::statements::reads as st;
use super::{PgRecordStore, Query, query};
use crate::domain::{SessionRow, Timestamp, Uid};
use crate::stores::listing::{SessionFilter, SessionListing, SessionOrder, TurnHit, TurnSearch};
use crate::stores::record::StoreResult;
use crate::stores::sql::Statement;
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::records::{SessionRecord, TurnHitRecord};
use crate::stores::sql::texts::{folded, searchable};

/// Sorts after every key: keys hold no control character, and this is the last one.
const KEY_END: &str = "\u{10ffff}";

impl PgRecordStore {
    /// One page of sessions. Sessions that another program has just created are completed first;
    /// where that cannot be done, they are listed after the last page.
    pub(super) async fn page(
        &self,
        account: &Uid,
        listing: &SessionListing,
    ) -> StoreResult<Vec<SessionRow>> {
        let mut rows = self.page_rows(account, listing).await?;
        let waiting: Vec<Uid> = rows.iter().filter(|row| waits(row)).map(uid_of).collect();
        if !waiting.is_empty() && self.number_now(&waiting).await? {
            rows = self.page_rows(account, listing).await?;
        }
        let created = |row: &SessionRow| (row.created_at, row.uid.clone());
        let active = |row: &SessionRow| (row.last_activity_at, row.uid.clone());
        let (mut page, mut waiting): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| !waits(row));
        match listing.order {
            SessionOrder::LastActivityDesc => {
                page.sort_by_key(|row| std::cmp::Reverse(active(row)))
            }
            SessionOrder::LastActivityAsc => page.sort_by_key(active),
            SessionOrder::CreatedDesc => page.sort_by_key(|row| std::cmp::Reverse(created(row))),
            SessionOrder::CreatedAsc => page.sort_by_key(created),
        }
        // A session can come by the page and by the list of waiting ones.
        waiting.sort_by_key(created);
        waiting.dedup_by_key(|row| row.uid.clone());
        page.extend(waiting.into_iter().map(shown));
        page.truncate(listing.limit);
        Ok(page)
    }

    async fn page_rows(
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
        let query = filtered::<SessionRecord>(statement, account, &listing.filter)
            .bind(below.0)
            .bind(below.1)
            .bind(above.0)
            .bind(above.1)
            .bind(i64::try_from(listing.limit).unwrap_or(i64::MAX));
        sessions(statement, self.rows(statement, query).await?)
    }

    /// Number of sessions that pass the filter, at most `up_to`.
    pub(super) async fn count(
        &self,
        account: &Uid,
        filter: &SessionFilter,
        up_to: usize,
    ) -> StoreResult<usize> {
        let statement = st::SESSIONS_COUNT;
        let mut connection = self.connections.acquire(statement.name).await?;
        let (count,): (i64,) = filtered(statement, account, filter)
            .bind(i64::try_from(up_to).unwrap_or(i64::MAX))
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| store_error(statement.name, error))?;
        Ok(usize::try_from(count).expect("a count is not negative and fits its limit"))
    }

    /// Candidates of a search, newest first. Texts with escapes of JSON pass the statement whatever
    /// they say and are compared here, so a page may take several reads.
    pub(super) async fn search(
        &self,
        account: &Uid,
        search: &TurnSearch,
    ) -> StoreResult<Vec<TurnHit>> {
        let statement = st::TURNS_SEARCH;
        let patterns: Vec<String> = search.words.iter().map(|word| pattern(word)).collect();
        let words: Vec<String> = search.words.iter().map(|word| folded(word)).collect();
        let limit = i64::try_from(search.limit).unwrap_or(i64::MAX);
        let mut after = search.after.clone();
        let mut hits: Vec<TurnHit> = Vec::new();
        while hits.len() < search.limit {
            let above = bound(after.as_ref(), (DbTime::MAX, KEY_END));
            let query = query::<TurnHitRecord>(statement)
                .bind(account.as_str())
                .bind(search.session_uid.as_ref().map(Uid::as_str))
                .bind(above.0)
                .bind(above.1)
                .bind(&patterns)
                .bind(limit);
            let rows = self.rows(statement, query).await?;
            let is_last = rows.len() < search.limit;
            for row in rows {
                let hit = TurnHit::try_from(row).map_err(|error| corrupt(&statement, error))?;
                after = Some((hit.created_at, hit.uid.clone()));
                let texts: Vec<String> = hit.texts.iter().map(|text| searchable(text)).collect();
                let has = |word: &String| texts.iter().any(|text| text.contains(word));
                if hits.len() < search.limit && words.iter().all(has) {
                    hits.push(hit);
                }
            }
            if is_last {
                break;
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

/// A statement with the parameters of the filter bound, `$1` to `$8`.
fn filtered<'q, R>(statement: Statement, account: &'q Uid, filter: &SessionFilter) -> Query<'q, R>
where
    R: for<'r> FromRow<'r, PgRow>,
{
    let time = |at: Option<Timestamp>| at.map(DbTime);
    query(statement)
        .bind(account.as_str())
        .bind(time(filter.created_from))
        .bind(time(filter.created_to))
        .bind(filter.has_feedback)
        .bind(filter.include_deleted)
        .bind(time(filter.active_after))
        .bind(time(filter.active_until))
        .bind(filter.title_contains.as_deref().map(pattern))
}

/// A pattern of ILIKE for texts that contain `part`.
fn pattern(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for character in part.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_patterns_stand_for_themselves() {
        assert_eq!(pattern(r"100%_\x"), r"%100\%\_\\x%");
    }
}
