//! What a worker is made of and how it works: the parts that the composition root brings, times,
//! and the state that it tells.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::cdc::{ChangeFeed, FeedError};
use crate::domain::{Clock, Position};
use crate::projection::rebuild::{Generations, RebuildOptions};
use crate::projection::stream::Projector;
use crate::projection::verify::VerifyOptions;
use crate::stores::{ProjectionSource, StoreKind};

/// Opens the change feed.
#[async_trait]
pub trait FeedOpener: Send + Sync + 'static {
    /// Opens it behind `resume_from`, the last place that is known to be durable; none where
    /// nothing was ever read. With `anew` whatever was before is given up, after a gap.
    async fn open(
        &self,
        resume_from: Option<Position>,
        anew: bool,
    ) -> Result<Box<dyn ChangeFeed>, FeedError>;
}

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// How often a waiting worker asks for the lease, and a working one whether it still has it.
    pub lease_poll: Duration,
    /// How often the generations are looked at.
    pub generations_poll: Duration,
    /// How often repairs are tried.
    pub repair_every: Duration,
    /// How repaired sessions are compared.
    pub verify: VerifyOptions,
    /// How a generation is filled that must be.
    pub rebuild: RebuildOptions,
    /// How often everything is compared and mended; none: only when there is a reason.
    pub verify_every: Option<Duration>,
    /// How often receipts of erasures are looked at.
    pub receipts_every: Duration,
    /// How often notes that nobody needs any more are removed.
    pub forget_every: Duration,
    /// How long such notes are kept after they were read.
    pub forget_after: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            lease_poll: Duration::from_secs(1),
            generations_poll: Duration::from_secs(1),
            repair_every: Duration::from_secs(2),
            verify: VerifyOptions {
                repair: true,
                ..VerifyOptions::default()
            },
            rebuild: RebuildOptions::default(),
            verify_every: None,
            receipts_every: Duration::from_secs(1),
            forget_every: Duration::from_secs(60),
            forget_after: Duration::from_secs(3_600),
        }
    }
}

/// What a worker is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerState {
    /// Another worker has the lease.
    Standby,
    /// The feed is being opened; after a failure with the reason.
    Opening(Option<String>),
    /// Changes are applied.
    Working,
    /// Changes are applied, and the projection is being filled; until then it is not read.
    Filling(String),
    /// It has ended.
    Stopped,
}

/// The parts that a worker puts together.
pub struct WorkerParts {
    /// The record store.
    pub source: Arc<dyn ProjectionSource>,
    /// The projector, with its targets.
    pub projector: Projector,
    /// The feed.
    pub feeds: Arc<dyn FeedOpener>,
    /// Versions of the projection; none where there is only a cache, or a store without versions.
    pub generations: Option<Arc<dyn Generations>>,
    /// Kinds of the stores that hold the copies, which receipts of erasures name.
    pub stores: Vec<StoreKind>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}
