//! When a worker compares the whole projection with the record store: by a schedule, and after
//! something that may have put into copies what the record does not have.
//!
//! That a comparison is due is noted in the record store, so that a restart does not forget it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Worker, rest};
use crate::cdc::{FeedError, FeedErrorKind};
use crate::domain::Timestamp;
use crate::projection::verify::{Verify, VerifyReport};
use crate::stores::record::StoreResult;

/// Name of the note.
const VERIFY: &str = "projector-verify";

/// Rest after a comparison that a store cut short.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// What is noted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    /// When the last comparison ended, or when they were begun to be counted; microseconds.
    at: Option<i64>,
    /// One is due, whatever the schedule says.
    due: bool,
}

impl Worker {
    /// Notes that everything must be compared, before the first change of a doubtful feed is told.
    pub(super) async fn note_doubt(&self, doubt: Option<&'static str>) -> Result<(), FeedError> {
        let Some(reason) = doubt else { return Ok(()) };
        tracing::warn!(reason, "the projection is compared with the record store");
        let noted = async {
            let noted = self.verify_noted().await?;
            self.note_verify(Noted { due: true, ..noted }).await
        };
        noted.await.map_err(|error| FeedError {
            kind: FeedErrorKind::Retry,
            message: format!("that a comparison is due cannot be noted: {error}"),
            source: Some(error.into()),
        })
    }

    async fn verify_noted(&self) -> StoreResult<Noted> {
        let noted = self.parts.source.progress(VERIFY).await?;
        let noted = noted.and_then(|text| serde_json::from_str(&text).ok());
        Ok(noted.unwrap_or_default())
    }

    async fn note_verify(&self, noted: Noted) -> StoreResult<()> {
        let text = serde_json::to_string(&noted).expect("plain values are always JSON");
        self.parts.source.set_progress(VERIFY, Some(&text)).await
    }

    /// Compares when it is due, until the lease is lost.
    pub(super) async fn verify_when_due(&self, lost: &CancellationToken) {
        while rest(self.options.generations_poll, lost).await {
            let projector = self.projector();
            // A projection that is being filled is compared by its filling.
            if !projector.is_trusted() || projector.targets().active().is_none() {
                continue;
            }
            match self.verify_if_due(lost).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "the comparison was cut short; it is made again");
                    rest(AFTER_FAILURE, lost).await;
                }
            }
        }
    }

    async fn verify_if_due(&self, lost: &CancellationToken) -> StoreResult<()> {
        let noted = self.verify_noted().await?;
        let now = self.parts.clock.now();
        let by_schedule = match (self.options.verify_every, noted.at) {
            (None, _) => false,
            (Some(every), Some(at)) => {
                now.0.saturating_sub(at) >= i64::try_from(every.as_micros()).unwrap_or(i64::MAX)
            }
            (Some(_), None) => {
                let at = Some(now.0);
                self.note_verify(Noted { at, ..noted }).await?;
                false
            }
        };
        if !(noted.due || by_schedule) {
            return Ok(());
        }
        let Some(found) = self.compared(lost).await? else {
            return Ok(());
        };
        self.counted(&found);
        let Timestamp(at) = self.parts.clock.now();
        self.note_verify(Noted {
            at: Some(at),
            due: false,
        })
        .await
    }

    /// The whole projection; none when it was stopped on the way.
    async fn compared(&self, lost: &CancellationToken) -> StoreResult<Option<VerifyReport>> {
        let projector = self.projector();
        let Some(store) = projector.targets().active() else {
            return Ok(None);
        };
        let verify = Verify::new(
            Arc::clone(&self.parts.source),
            store,
            projector.quarantine().clone(),
            Arc::clone(&self.parts.clock),
            self.options.verify.clone(),
        )
        .beside(projector.watermark());
        let found = verify.run(&mut |_| (), lost).await?;
        Ok(Some(found).filter(|found| found.finished))
    }

    fn counted(&self, found: &VerifyReport) {
        let counters = self.projector().targets().counters();
        counters.verify_runs.fetch_add(1, Relaxed);
        counters.verify_sessions.fetch_add(found.sessions, Relaxed);
        counters.verify_wrong.fetch_add(found.wrong, Relaxed);
        counters.verify_mended.fetch_add(found.mended, Relaxed);
        let (sessions, wrong, mended) = (found.sessions, found.wrong, found.mended);
        if wrong == 0 {
            tracing::info!(sessions, "the projection is as the record store");
        } else {
            tracing::error!(sessions, wrong, mended, "the projection was wrong");
        }
    }
}
