//! Dual write: brings what a command has just committed to the copies before the command answers,
//! by the same function as the change feed.
//!
//! It has a small budget and no second try: the change feed repairs whatever does not succeed. A
//! write that takes longer than the budget goes on by itself, for a while, and the answer says
//! that the copies may not have it yet.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::targets::Targets;
use super::writes::{self, Projected, SourceRows};
use crate::commands::{Commit, CommitListener};
use crate::domain::{Clock, Uid};
use crate::stores::projection::Write;
use crate::stores::record::StoreResult;

/// How dual writes work.
#[derive(Debug, Clone)]
pub struct DualWriteOptions {
    /// How long a command waits; zero turns dual writes off, and commands only drop what is cached.
    pub budget: Duration,
    /// How long a dual write may go on after that.
    pub grace: Duration,
    /// Dual writes at once at most; a command that finds no place leaves it to the change feed.
    pub at_once: usize,
}

impl Default for DualWriteOptions {
    fn default() -> Self {
        Self {
            budget: Duration::from_millis(30),
            grace: Duration::from_secs(2),
            at_once: 256,
        }
    }
}

/// The listener that keeps copies up to date.
pub struct DualWrite {
    targets: Targets,
    clock: Arc<dyn Clock>,
    options: DualWriteOptions,
    places: Arc<Semaphore>,
}

/// Budget of an invalidation where dual writes are off: a command must not hang on a cache.
const INVALIDATE_BUDGET: Duration = Duration::from_millis(30);

impl DualWrite {
    /// To `targets`.
    pub fn new(targets: Targets, clock: Arc<dyn Clock>, options: DualWriteOptions) -> Self {
        Self {
            places: Arc::new(Semaphore::new(options.at_once)),
            targets,
            clock,
            options,
        }
    }

    /// What becomes of a commit; nothing where dual writes are off.
    fn projected(&self, commit: &Commit) -> Projected {
        let mut all = Projected::default();
        if !self.options.budget.is_zero() {
            let now = self.clock.now();
            for change in commit.rows.changes() {
                let mut one = writes::writes(change, &SourceRows::default(), now);
                all.writes.append(&mut one.writes);
                all.problems.append(&mut one.problems);
            }
        }
        all
    }

    fn start(&self, session: Uid, writes: Vec<Write>) -> Option<JoinHandle<bool>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (targets, grace) = (self.targets.clone(), self.options.grace);
        Some(tokio::spawn(async move {
            let _place = place;
            let work = bring(&targets, &session, &writes);
            match tokio::time::timeout(grace, work).await {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    tracing::debug!(%error, %session, "a dual write failed; the feed repairs it");
                    false
                }
                Err(_) => false,
            }
        }))
    }
}

/// The cache first, so that nobody is shown what is certainly old; and again once the projection
/// is durable, since a fill in between may have read it from before the write.
async fn bring(targets: &Targets, session: &Uid, writes: &[Write]) -> StoreResult<()> {
    let session = std::slice::from_ref(session);
    if let Some(cache) = targets.cache() {
        cache.invalidate(session).await?;
    }
    let Some(store) = targets.active().filter(|_| !writes.is_empty()) else {
        return Ok(());
    };
    store.apply(writes).await?;
    match targets.cache() {
        Some(cache) => cache.invalidate(session).await,
        None => Ok(()),
    }
}

#[async_trait]
impl CommitListener for DualWrite {
    async fn committed(&self, commit: &Commit) -> bool {
        let all = self.projected(commit);
        let on = !self.options.budget.is_zero();
        // The change feed puts aside what is a problem; here it is only not there.
        let whole = on && commit.rows.is_whole() && all.problems.is_empty();
        let complete = whole || self.targets.active().is_none();
        let budget = if on {
            self.options.budget
        } else {
            INVALIDATE_BUDGET
        };
        let counters = self.targets.counters();
        let counted = |counter: &AtomicU64| {
            counter.fetch_add(1, Relaxed);
        };
        let Some(work) = self.start(commit.session_uid.clone(), all.writes) else {
            counted(&counters.dual_writes_failed);
            return false;
        };
        match tokio::time::timeout(budget, work).await {
            Ok(Ok(true)) => {
                counted(&counters.dual_writes);
                complete
            }
            Ok(_) => {
                counted(&counters.dual_writes_failed);
                false
            }
            Err(_) => {
                counted(&counters.dual_writes_late);
                false
            }
        }
    }
}
