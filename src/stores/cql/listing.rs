//! An account's sessions by creation time.

mod kept;

use futures_util::future::try_join_all;

use super::Connected;
use super::encode::month;
use super::error::corrupt;
use crate::domain::{Timestamp, Uid};
use crate::stores::projection::ListedSession;
use crate::stores::record::StoreResult;

/// Months that are read at once, at most.
const MONTHS_AT_ONCE: usize = 8;

impl Connected {
    /// A page of an account's sessions. A month holds most pages, so one is read first; an account
    /// whose sessions lie far apart is read two, four and then eight months at a time.
    pub(super) async fn listing(
        &self,
        account: &Uid,
        after: Option<&(Timestamp, Uid)>,
        limit: usize,
    ) -> StoreResult<Vec<ListedSession>> {
        let months = self
            .months(account, after.map(|(at, _)| month(*at)))
            .await?;
        let mut listed = Vec::new();
        let (mut rest, mut width) = (months.as_slice(), 1);
        while !rest.is_empty() && listed.len() < limit {
            let (now, later) = rest.split_at(width.min(rest.len()));
            let wanted = limit - listed.len();
            let reads = now
                .iter()
                .map(|month| self.listing_of_month(account, *month, after, wanted));
            listed.extend(try_join_all(reads).await?.into_iter().flatten());
            (rest, width) = (later, (width * 2).min(MONTHS_AT_ONCE));
        }
        listed.truncate(limit);
        Ok(listed)
    }

    /// Months in which the account may have sessions, newest first.
    async fn months(&self, account: &Uid, newest: Option<i32>) -> StoreResult<Vec<i32>> {
        let statement = &self.statements.months;
        let values = (account.as_str(), newest.unwrap_or(i32::MAX));
        let mut months = Vec::new();
        for page in self.pages(statement, values).await? {
            for row in page
                .rows::<(i32,)>()
                .map_err(|error| corrupt("months", error))?
            {
                months.push(row.map_err(|error| corrupt("months", error))?.0);
            }
        }
        Ok(months)
    }

    async fn listing_of_month(
        &self,
        account: &Uid,
        of: i32,
        after: Option<&(Timestamp, Uid)>,
        limit: usize,
    ) -> StoreResult<Vec<ListedSession>> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let all = &self.statements;
        let account = account.as_str();
        let pages = match after.filter(|(at, _)| month(*at) == of) {
            Some((at, uid)) => {
                let values = (account, of, at.0, uid.as_str(), limit);
                self.pages(&all.listing, values).await?
            }
            None => self.pages(&all.listing_all, (account, of, limit)).await?,
        };
        let mut listed = Vec::new();
        for page in &pages {
            let rows = page.rows::<(i64, &str, Option<bool>)>();
            for row in rows.map_err(|error| corrupt("listing", error))? {
                let (created_us, uid, deleted) = row.map_err(|error| corrupt("listing", error))?;
                listed.push(ListedSession {
                    created_at: Timestamp(created_us),
                    session_uid: Uid::stored(uid),
                    deleted: deleted.unwrap_or(false),
                });
            }
        }
        Ok(listed)
    }
}
