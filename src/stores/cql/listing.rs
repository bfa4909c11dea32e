//! An account's sessions by creation time, and the few facts that are kept about a generation: how
//! far its projector has come, and which sessions must not be served from it.

use futures_util::future::try_join_all;

use super::Connected;
use super::encode::month;
use super::error::{corrupt, failure, store_error};
use crate::domain::{Position, Timestamp, Uid, Watermark};
use crate::stores::StoreErrorKind;
use crate::stores::projection::ListedSession;
use crate::stores::record::StoreResult;

/// Months that are read at once, at most.
const MONTHS_AT_ONCE: usize = 8;

/// Separates the parts of a watermark; no identity of a store holds it.
const SEPARATOR: char = '\u{1f}';

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

    fn watermark_kind(&self) -> String {
        format!("watermark:{}", self.generation)
    }

    fn quarantine_kind(&self) -> String {
        format!("quarantine:{}", self.generation)
    }

    /// Keys, values and times of a kind.
    async fn state(&self, kind: &str) -> StoreResult<Vec<(String, String, i64)>> {
        let mut found = Vec::new();
        for page in self.pages(&self.statements.state, (kind,)).await? {
            let rows = page.rows::<(String, Option<String>, Option<i64>)>();
            for row in rows.map_err(|error| corrupt("state", error))? {
                let (key, value, at) = row.map_err(|error| corrupt("state", error))?;
                found.push((key, value.unwrap_or_default(), at.unwrap_or_default()));
            }
        }
        Ok(found)
    }

    pub(super) async fn watermark(&self) -> StoreResult<Option<Watermark>> {
        let state = self.state(&self.watermark_kind()).await?;
        let Some((_, value, as_of)) = state.into_iter().next() else {
            return Ok(None);
        };
        let position = value.split_once(SEPARATOR).and_then(|(store, value)| {
            let value = value.parse().ok()?;
            let store = store.to_owned();
            Some(Position { store, value })
        });
        let Some(position) = position else {
            let message = "the watermark is not one that this turngraph writes";
            return Err(failure(StoreErrorKind::Corrupt, "watermark", message));
        };
        let as_of = Timestamp(as_of);
        Ok(Some(Watermark { position, as_of }))
    }

    /// `timestamp` ascends from call to call.
    pub(super) async fn set_watermark(
        &self,
        watermark: &Watermark,
        timestamp: i64,
    ) -> StoreResult<()> {
        let Position { store, value } = &watermark.position;
        let text = format!("{store}{SEPARATOR}{value}");
        let key = ("projector", text.as_str(), watermark.as_of.0);
        self.put_state(&self.watermark_kind(), key, timestamp).await
    }

    async fn put_state(
        &self,
        kind: &str,
        (key, value, at): (&str, &str, i64),
        timestamp: i64,
    ) -> StoreResult<()> {
        let prepared = &self.statements.state_put;
        let values = (kind, key, value, at, timestamp);
        let sent = self.session.execute_unpaged(&prepared.statement, values);
        sent.await
            .map(drop)
            .map_err(|error| store_error(prepared.name, error))
    }

    pub(super) async fn quarantined(&self) -> StoreResult<Vec<Uid>> {
        let state = self.state(&self.quarantine_kind()).await?;
        Ok(state
            .into_iter()
            .map(|(key, ..)| Uid::stored(key))
            .collect())
    }

    /// `timestamp` ascends from call to call.
    pub(super) async fn set_quarantined(
        &self,
        session_uid: &Uid,
        marked: bool,
        timestamp: i64,
    ) -> StoreResult<()> {
        let (kind, key) = (self.quarantine_kind(), session_uid.as_str());
        if marked {
            return self.put_state(&kind, (key, "", timestamp), timestamp).await;
        }
        let prepared = &self.statements.state_gone;
        let values = (timestamp, kind.as_str(), key);
        let sent = self.session.execute_unpaged(&prepared.statement, values);
        sent.await
            .map(drop)
            .map_err(|error| store_error(prepared.name, error))
    }
}
