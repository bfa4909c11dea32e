//! What a rebuild needs, how far it is, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::domain::{Timestamp, Uid};
use crate::projection::verify::{VerifyOptions, VerifyReport};
use crate::stores::record::StoreResult;
use crate::stores::{ProjectionStore, StoreError};

/// Versions of the projection's tables.
#[async_trait]
pub trait Generations: Send + Sync + 'static {
    /// The one that is read.
    async fn active(&self) -> StoreResult<Option<i32>>;

    /// The one that is being filled.
    async fn building(&self) -> StoreResult<Option<i32>>;

    /// Makes a new, empty one, which is the building one from then on.
    async fn start(&self) -> StoreResult<i32>;

    /// Opens one.
    async fn open(&self, generation: i32) -> StoreResult<Arc<dyn ProjectionStore>>;

    /// Makes one the active one.
    async fn switch(&self, generation: i32) -> StoreResult<()>;

    /// Those that were active before and are kept; the stream does not write them any more.
    async fn retired(&self) -> StoreResult<Vec<i32>>;

    /// Removes one that is not active.
    async fn drop_generation(&self, generation: i32) -> StoreResult<()>;
}

/// How a rebuild works.
#[derive(Debug, Clone)]
pub struct RebuildOptions {
    /// Sessions between two notes of progress.
    pub chunk: usize,
    /// Sessions copied at once.
    pub at_once: usize,
    /// Rest after each chunk, for the stores' other work.
    pub pause: Duration,
    /// How often it is looked whether the projector writes the new generation.
    pub poll: Duration,
    /// How the result is verified before the switch.
    pub verify: VerifyOptions,
    /// Remove the old generation after the switch, at once.
    pub drop_old: bool,
}

impl Default for RebuildOptions {
    fn default() -> Self {
        Self {
            chunk: 200,
            at_once: 4,
            pause: Duration::from_millis(10),
            poll: Duration::from_millis(200),
            verify: VerifyOptions {
                repair: true,
                ..VerifyOptions::default()
            },
            drop_old: false,
        }
    }
}

/// What a rebuild is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RebuildPhase {
    /// Waiting for the projector to write the new generation too; `turngraph project` must run.
    Waiting,
    /// Copying sessions.
    Copying,
    /// Comparing the new generation with the record store.
    Verifying,
    /// The new generation is read.
    Switched,
}

/// How far a rebuild is; noted in the record store, and told to the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildProgress {
    /// The new generation.
    pub generation: i32,
    /// What is being done.
    pub phase: RebuildPhase,
    /// The last session that was copied; they go by the order of keys.
    pub after: Option<Uid>,
    /// Sessions copied.
    pub done: u64,
    /// Sessions in all, about.
    pub total: u64,
    /// When the copying began.
    pub since: Timestamp,
    /// Sessions copied before this process went on with it, which its speed must not count.
    #[serde(skip)]
    pub done_before: u64,
    /// When this process went on with it.
    #[serde(skip, default = "never")]
    pub resumed_at: Option<Timestamp>,
    /// Time that is left for copying, at the speed so far, in seconds.
    #[serde(skip)]
    pub eta_seconds: Option<u64>,
}

fn never() -> Option<Timestamp> {
    None
}

/// How a rebuild ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// The new generation.
    pub generation: i32,
    /// Sessions copied, over all runs.
    pub sessions: u64,
    /// What the verification found and mended.
    pub verified: Option<VerifyReport>,
    /// Whether it is read now; if not, it was stopped and can be resumed.
    pub switched: bool,
}

/// Why a rebuild could not go on. What is done stays; the next one goes on there.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another process is at it.
    #[error(
        "another rebuild is running; wait for it, or stop it and start again: it goes on where it was"
    )]
    Busy,
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The result is not like the record store.
    #[error(
        "generation {generation} differs from the record store in {wrong} sessions that could not be mended; it was not switched to. Look at the findings, then start the rebuild again"
    )]
    Wrong {
        /// The new generation.
        generation: i32,
        /// Sessions.
        wrong: u64,
        /// What was found.
        report: Box<VerifyReport>,
    },
}
