//! `Verify`: compares a projection with the record store, session by session, and mends it.
//!
//! It runs beside writers and raises no false alarm: a difference counts only when it is still
//! there after the projector has passed it and after a second look. What cannot be mended is
//! quarantined, so that readers get it from the record store.

mod compare;
mod image;
mod listing;
mod mend;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::compare::Fault;
use self::compare::{Judgement, Readings, judge};
use self::image::{Image, Key};
use self::listing::Listings;
pub use self::report::{Finding, VerifyOptions, VerifyReport};
use super::quarantine::Quarantine;
use crate::domain::{Clock, Position, Uid, Watermark};
use crate::stores::record::StoreResult;
use crate::stores::{ProjectionSource, ProjectionStore};

/// Findings that a report names; more are only counted.
const NAMED_MAX: usize = 1_000;

/// How often the projector's place is asked for while it is waited for.
const WATCH_EVERY: Duration = Duration::from_millis(20);

/// Compares and mends one projection.
pub struct Verify {
    source: Arc<dyn ProjectionSource>,
    store: Arc<dyn ProjectionStore>,
    quarantine: Quarantine,
    clock: Arc<dyn Clock>,
    options: VerifyOptions,
    projector: Option<watch::Receiver<Option<Watermark>>>,
}

/// Is told how far it is, from time to time.
pub type OnVerify<'a> = &'a mut (dyn FnMut(&VerifyReport) + Send);

impl Verify {
    /// Of the projection `store`. `quarantine` is that of copies with `store` as the active one.
    pub fn new(
        source: Arc<dyn ProjectionSource>,
        store: Arc<dyn ProjectionStore>,
        quarantine: Quarantine,
        clock: Arc<dyn Clock>,
        options: VerifyOptions,
    ) -> Self {
        Self {
            source,
            store,
            quarantine,
            clock,
            options,
            projector: None,
        }
    }

    /// Learns how far the projector is from the projector of this process, not from the store.
    pub fn beside(mut self, projector: watch::Receiver<Option<Watermark>>) -> Self {
        self.projector = Some(projector);
        self
    }

    /// Compares every session and every list of sessions. Only an error of a store that stays
    /// ends it early.
    pub async fn run(
        &self,
        report: OnVerify<'_>,
        stop: &CancellationToken,
    ) -> StoreResult<VerifyReport> {
        let mut found = VerifyReport {
            sessions_estimate: self.source.session_count_estimate().await?,
            ..VerifyReport::default()
        };
        let mut listings = Listings::default();
        let mut after = None;
        while !stop.is_cancelled() {
            let chunk = self
                .source
                .session_uids(after.as_ref(), self.options.chunk)
                .await?;
            let Some(last) = chunk.last() else {
                found.finished = true;
                break;
            };
            after = Some(last.clone());
            self.sessions(&chunk, &mut found, stop).await?;
            self.listings(&mut listings, &chunk, &mut found, stop)
                .await?;
            found.sessions_estimate = found.sessions_estimate.max(found.sessions);
            report(&found);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.options.pause) => {}
            }
        }
        Ok(found)
    }

    /// Compares some sessions, which may be gone from the record store.
    pub async fn sessions(
        &self,
        uids: &[Uid],
        found: &mut VerifyReport,
        stop: &CancellationToken,
    ) -> StoreResult<()> {
        found.sessions += uids.len() as u64;
        let (wrong, behind) = self.confirmed(uids, stop).await?;
        found.behind += behind;
        for (uid, judgement) in wrong {
            self.note(&uid, &judgement, found);
            if self.options.repair {
                match self.mend(&uid, stop).await? {
                    true => found.mended += 1,
                    false => {
                        found.quarantined += 1;
                        self.set_aside(&uid, &judgement, stop).await;
                    }
                }
            }
        }
        Ok(())
    }

    fn note(&self, uid: &Uid, judgement: &Judgement, found: &mut VerifyReport) {
        found.wrong += 1;
        for (key, fault) in &judgement.faults {
            if found.findings.len() < NAMED_MAX {
                found.findings.push(Finding {
                    session_uid: uid.clone(),
                    row: key.to_string(),
                    fault: *fault,
                });
            }
        }
    }

    /// Sessions that are wrong in two looks in the same rows, and the number of rows behind.
    async fn confirmed(
        &self,
        uids: &[Uid],
        stop: &CancellationToken,
    ) -> StoreResult<(BTreeMap<Uid, Judgement>, u64)> {
        let first = self.look(uids).await?;
        let behind = first.values().map(|judgement| judgement.behind).sum();
        let suspects: Vec<Uid> = first
            .iter()
            .filter(|(_, judgement)| !judgement.faults.is_empty())
            .map(|(uid, _)| uid.clone())
            .collect();
        if suspects.is_empty() {
            return Ok((BTreeMap::new(), behind));
        }
        tokio::select! {
            () = stop.cancelled() => return Ok((BTreeMap::new(), behind)),
            () = tokio::time::sleep(self.options.recheck_after) => {}
        }
        let mut second = self.look(&suspects).await?;
        second.retain(|uid, judgement| {
            let before = &first[uid];
            judgement
                .faults
                .retain(|fault| before.faults.contains(fault));
            !judgement.faults.is_empty()
        });
        Ok((second, behind))
    }

    /// One look at some sessions.
    async fn look(&self, uids: &[Uid]) -> StoreResult<BTreeMap<Uid, Judgement>> {
        let mut before = Vec::with_capacity(uids.len());
        for uid in uids {
            before.push(Image::of_record(&*self.source, uid, self.options.contents).await?);
        }
        let position = self.source.position().await?;
        let settled = self.settled(&position).await;
        let mut looked = BTreeMap::new();
        for (uid, before) in uids.iter().zip(before) {
            looked.insert(uid.clone(), self.judged(uid, &before, settled).await?);
        }
        Ok(looked)
    }

    async fn judged(&self, uid: &Uid, before: &Image, settled: bool) -> StoreResult<Judgement> {
        let next_seq = before.session.as_ref().map_or(0, |row| row.next_seq);
        let contents = self.options.contents;
        let projection = Image::of_projection(&*self.store, uid, next_seq, contents).await?;
        let same = before.digest() == projection.digest();
        let mut judgement = if same {
            Judgement::default()
        } else {
            let after = Image::of_record(&*self.source, uid, contents).await?;
            judge(&Readings {
                before,
                projection: &projection,
                after: &after,
                settled,
            })
        };
        // The list has no version, so it is judged only while the session's row stands still.
        let still = before.session.as_ref().filter(|_| same && settled);
        if let Some(session) = still
            && !listing::is_listed(&*self.store, session).await?
        {
            let rows = self.source.session_rows(std::slice::from_ref(uid)).await?;
            if rows.first() == Some(session) {
                judgement.faults.insert((Key::Header, Fault::Unlisted));
            }
        }
        Ok(judgement)
    }

    /// Waits until the projector says that it has come so far; false when it takes too long.
    async fn settled(&self, position: &Position) -> bool {
        let passed = async {
            loop {
                let mark = match &self.projector {
                    Some(projector) => projector.borrow().clone(),
                    None => self.store.watermark().await.ok().flatten(),
                };
                if let Some(mark) = mark
                    && mark.position.store == position.store
                    && mark.position.value >= position.value
                {
                    return;
                }
                tokio::time::sleep(WATCH_EVERY).await;
            }
        };
        tokio::time::timeout(self.options.settle, passed)
            .await
            .is_ok()
    }
}
