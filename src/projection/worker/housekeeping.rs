//! What a worker keeps in order beside its work: the receipts of erasures, and notes in the record
//! store that nobody needs any more.

use tokio_util::sync::CancellationToken;

use std::sync::atomic::Ordering::Relaxed;

use super::{Worker, rest};
use crate::domain::{Timestamp, Uid};
use crate::stores::StoreKind;
use crate::stores::record::StoreResult;

/// Dead letters that are looked at.
const LETTERS_MAX: usize = 1_000;

impl Worker {
    /// Names the stores with copies, and completes the receipts of erasures that have reached them.
    pub(super) async fn keep_receipts(&self, lost: &CancellationToken) {
        let mut named = self.name_stores().await;
        let mut was_well = true;
        while rest(self.options.receipts_every, lost).await {
            if !named {
                named = self.name_stores().await;
            }
            let done = self.complete_receipts().await;
            if let Err(error) = &done
                && was_well
            {
                tracing::warn!(%error, "receipts of erasures cannot be completed; tried again");
            }
            was_well = done.is_ok();
        }
    }

    async fn name_stores(&self) -> bool {
        let Some(receipts) = self.parts.source.receipts() else {
            return true;
        };
        match receipts.set_projection_stores(&self.parts.stores).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the stores with copies cannot be named for receipts");
                false
            }
        }
    }

    /// What is applied everywhere is erased everywhere, with three exceptions: a copy that lacks
    /// changes (it is being filled), a purge that was put aside, and a generation of projections
    /// that is kept but not written any more. The last goes now; the others are waited for.
    async fn complete_receipts(&self) -> StoreResult<()> {
        let Some(receipts) = self.parts.source.receipts() else {
            return Ok(());
        };
        if !receipts.erasures_open().await? || !self.projector().is_trusted() {
            return Ok(());
        }
        let Some(mark) = self.projector().watermark().borrow().clone() else {
            return Ok(());
        };
        if self.waits_for_a_purge().await? {
            return Ok(());
        }
        if let Some(generations) = &self.parts.generations {
            for old in generations.retired().await? {
                tracing::info!(
                    generation = old,
                    "dropped, since an erasure must reach it too"
                );
                generations.drop_generation(old).await?;
            }
        }
        let owes = !self.projector().targets().cache_owes_nothing();
        let cached = |store: &StoreKind| matches!(store, StoreKind::Redis | StoreKind::Memory);
        let stores = self.parts.stores.iter().copied();
        let stores: Vec<StoreKind> = stores.filter(|store| !(owes && cached(store))).collect();
        let now = self.parts.clock.now();
        let done = receipts
            .erasures_applied(&stores, &mark.position, now)
            .await?;
        if done > 0 {
            let counters = self.projector().targets().counters();
            counters.erasures.fetch_add(done, Relaxed);
        }
        Ok(())
    }

    /// Whether a change was put aside of a session that the record store does not have any more.
    async fn waits_for_a_purge(&self) -> StoreResult<bool> {
        let source = &self.parts.source;
        let letters = source.dead_letters(LETTERS_MAX).await?;
        let mut uids: Vec<Uid> = letters.into_iter().filter_map(|l| l.session_uid).collect();
        uids.sort();
        uids.dedup();
        if uids.is_empty() {
            return Ok(false);
        }
        Ok(source.session_rows(&uids).await?.len() < uids.len())
    }

    /// Removes notes of numbers that every copy has heard of.
    pub(super) async fn forget_notes(&self, lost: &CancellationToken) {
        let kept = i64::try_from(self.options.forget_after.as_micros()).unwrap_or(i64::MAX);
        while rest(self.options.forget_every, lost).await {
            let mark = self.projector().watermark().borrow().clone();
            let Some(mark) = mark else { continue };
            let before = Timestamp(mark.as_of.0.saturating_sub(kept));
            if let Err(error) = self.parts.source.forget_jobs(before).await {
                tracing::warn!(%error, "notes of given numbers cannot be removed; tried again");
            }
        }
    }
}
