//! Comparison of accounts' lists of sessions: each session is listed where it belongs, and nothing
//! is listed that does not belong there.

use std::collections::HashSet;

use tokio_util::sync::CancellationToken;

use super::{Fault, Finding, Verify, VerifyReport};
use crate::domain::{SessionRow, Timestamp, Uid};
use crate::stores::ProjectionStore;
use crate::stores::projection::{ListedSession, Write};
use crate::stores::record::StoreResult;

/// Places of a list that are read at once.
const PAGE: usize = 200;

/// Accounts that are remembered as compared; beyond it they are compared once more.
const ACCOUNTS_MAX: usize = 100_000;

/// Accounts whose lists were compared already.
#[derive(Default)]
pub(super) struct Listings(HashSet<Uid>);

/// Whether a session is in its account's list, as it is.
pub(super) async fn is_listed(
    store: &dyn ProjectionStore,
    session: &SessionRow,
) -> StoreResult<bool> {
    // One microsecond later no session of this time has been told yet, whatever the order of keys.
    let mut after = (
        Timestamp(session.created_at.0.saturating_add(1)),
        Uid::stored(""),
    );
    loop {
        let page = store
            .listing(&session.account_uid, Some(&after), PAGE)
            .await?;
        for place in &page {
            if place.created_at < session.created_at {
                return Ok(false);
            }
            if place.session_uid == session.uid {
                let same_time = place.created_at == session.created_at;
                return Ok(same_time && place.deleted == session.deleted_at.is_some());
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => {
                after = (last.created_at, last.session_uid.clone());
            }
            _ => return Ok(false),
        }
    }
}

impl Verify {
    /// Compares the lists of the accounts that own these sessions.
    pub(super) async fn listings(
        &self,
        compared: &mut Listings,
        sessions: &[Uid],
        found: &mut VerifyReport,
        stop: &CancellationToken,
    ) -> StoreResult<()> {
        if compared.0.len() > ACCOUNTS_MAX {
            compared.0.clear();
        }
        let rows = self.source.session_rows(sessions).await?;
        for row in rows {
            if !stop.is_cancelled() && compared.0.insert(row.account_uid.clone()) {
                self.list_of(&row.account_uid, found, stop).await?;
            }
        }
        Ok(())
    }

    async fn list_of(
        &self,
        account: &Uid,
        found: &mut VerifyReport,
        stop: &CancellationToken,
    ) -> StoreResult<()> {
        let mut after: Option<(Timestamp, Uid)> = None;
        loop {
            let page = self.store.listing(account, after.as_ref(), PAGE).await?;
            for place in self.strays(account, &page).await? {
                // It may just be on its way out of the list.
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(self.options.recheck_after) => {}
                }
                let position = self.source.position().await?;
                if self.settled(&position).await {
                    self.stray(account, &place, found, stop).await?;
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => {
                    after = Some((last.created_at, last.session_uid.clone()));
                }
                _ => return Ok(()),
            }
        }
    }

    /// Places whose session is not of this account and time.
    async fn strays(
        &self,
        account: &Uid,
        page: &[ListedSession],
    ) -> StoreResult<Vec<ListedSession>> {
        let uids: Vec<Uid> = page.iter().map(|place| place.session_uid.clone()).collect();
        let rows = self.source.session_rows(&uids).await?;
        let belongs = |place: &&ListedSession| {
            rows.iter().any(|row| {
                row.uid == place.session_uid
                    && row.account_uid == *account
                    && row.created_at == place.created_at
            })
        };
        Ok(page
            .iter()
            .filter(|place| !belongs(place))
            .cloned()
            .collect())
    }

    /// Looks at a stray place again, and takes it out.
    async fn stray(
        &self,
        account: &Uid,
        place: &ListedSession,
        found: &mut VerifyReport,
        stop: &CancellationToken,
    ) -> StoreResult<()> {
        let stays = |page: &[ListedSession]| page.contains(place);
        let still = self.place_again(account, place).await?;
        if !stays(&still) || self.strays(account, &still).await?.is_empty() {
            return Ok(());
        }
        found.wrong += 1;
        found.findings.push(Finding {
            session_uid: place.session_uid.clone(),
            row: format!("list of account {account}"),
            fault: Fault::Extra,
        });
        if !self.options.repair {
            return Ok(());
        }
        // At the version of what is known of the session now; where that is too old, at present.
        let of = std::slice::from_ref(&place.session_uid);
        let known = self
            .source
            .session_rows(of)
            .await?
            .first()
            .map(|row| row.rev);
        // A session that is gone is only found here: it goes with its place.
        if known.is_none() && self.mend(&place.session_uid, stop).await? {
            tracing::info!(session = %place.session_uid, "a session that is gone was removed");
        }
        for rev in known.into_iter().chain([self.clock.now().0]) {
            let gone = Write::ListingGone {
                account_uid: account.clone(),
                created_at: place.created_at,
                session_uid: place.session_uid.clone(),
                rev,
            };
            self.store.apply(&[gone]).await?;
            if !stays(&self.place_again(account, place).await?) {
                found.mended += 1;
                return Ok(());
            }
        }
        found.quarantined += 1;
        Ok(())
    }

    /// The part of the list around a place.
    async fn place_again(
        &self,
        account: &Uid,
        place: &ListedSession,
    ) -> StoreResult<Vec<ListedSession>> {
        let after = (
            Timestamp(place.created_at.0.saturating_add(1)),
            Uid::stored(""),
        );
        let mut page = self.store.listing(account, Some(&after), PAGE).await?;
        page.retain(|other| other == place);
        Ok(page)
    }
}
