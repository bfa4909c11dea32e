//! Repairs sessions whose changes were put aside: reads them from the record store, writes them,
//! compares them, and frees them when they are right.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::quarantine::Quarantine;
use super::stream::Projector;
use super::verify::{Verify, VerifyOptions};
use crate::domain::{Clock, Uid, Watermark};
use crate::stores::ProjectionSource;
use crate::stores::record::StoreResult;
use crate::stores::source::DeadLetter;

/// Dead letters that are looked at in one round.
const LETTERS_MAX: usize = 1_000;

/// Wait after the first try in microseconds; it doubles with each further one, up to an hour.
const WAIT_FIRST: i64 = 1_000_000;
const WAIT_MAX: i64 = 3_600_000_000;

/// Repairs what is in quarantine.
pub struct Repairs {
    source: Arc<dyn ProjectionSource>,
    quarantine: Quarantine,
    clock: Arc<dyn Clock>,
    verify: VerifyOptions,
    projector: watch::Receiver<Option<Watermark>>,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RepairRound {
    /// Sessions that are right and free now.
    pub freed: u64,
    /// Sessions that are still wrong; they are tried again later.
    pub failed: u64,
    /// Sessions whose next try is not due.
    pub waiting: u64,
    /// Dead letters without a session: a person must look at them.
    pub nameless: u64,
}

/// Dead letters of one session.
struct Letters {
    last: i64,
    attempts: i32,
    due: i64,
    ids: Vec<i64>,
}

impl Repairs {
    /// Of what the projector has put aside.
    pub fn new(
        source: Arc<dyn ProjectionSource>,
        projector: &Projector,
        clock: Arc<dyn Clock>,
        verify: VerifyOptions,
    ) -> Self {
        Self {
            source,
            quarantine: projector.quarantine().clone(),
            clock,
            verify,
            projector: projector.watermark(),
        }
    }

    /// Tries every session that is due once.
    pub async fn round(&self, stop: &CancellationToken) -> StoreResult<RepairRound> {
        let mut round = RepairRound::default();
        let Some(store) = self.quarantine.targets().active() else {
            return Ok(round);
        };
        let letters = self.source.dead_letters(LETTERS_MAX).await?;
        round.nameless = letters.iter().filter(|l| l.session_uid.is_none()).count() as u64;
        let verify = Verify::new(
            Arc::clone(&self.source),
            store,
            self.quarantine.clone(),
            Arc::clone(&self.clock),
            self.verify.clone(),
        )
        .beside(self.projector.clone());
        for (session, letters) in by_session(letters) {
            if stop.is_cancelled() {
                break;
            }
            if letters.due > self.clock.now().0 {
                round.waiting += 1;
                continue;
            }
            let mended = verify.mend(&session, stop).await;
            if let Err(error) = &mended {
                tracing::warn!(%error, %session, "a session could not be repaired yet");
            }
            if matches!(mended, Ok(true)) {
                match self.quarantine.resolve(&session, letters.last, stop).await {
                    Ok(resolved) => resolved?,
                    Err(super::targets::Stopped) => break,
                }
                self.quarantine
                    .targets()
                    .counters()
                    .repairs
                    .fetch_add(1, Relaxed);
                round.freed += 1;
            } else {
                for id in letters.ids {
                    self.source.dead_letter_tried(id).await?;
                }
                round.failed += 1;
            }
        }
        Ok(round)
    }
}

fn by_session(all: Vec<DeadLetter>) -> BTreeMap<Uid, Letters> {
    let mut sessions = BTreeMap::new();
    for letter in all {
        let Some(session) = letter.session_uid else {
            continue;
        };
        let letters = sessions.entry(session).or_insert(Letters {
            last: letter.id,
            attempts: 0,
            due: i64::MIN,
            ids: Vec::new(),
        });
        letters.last = letters.last.max(letter.id);
        letters.attempts = letters.attempts.max(letter.attempts);
        letters.ids.push(letter.id);
        // The first try is at once.
        if letter.attempts > 0 {
            let doublings = u32::try_from(letter.attempts - 1).unwrap_or(0).min(20);
            let wait = (WAIT_FIRST << doublings).min(WAIT_MAX);
            // Each try waits longer than all before it together.
            letters.due = letters.due.max(letter.at.0.saturating_add(2 * wait));
        }
    }
    sessions
}
