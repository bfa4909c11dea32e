//! Projections: copies of the record for fast reads, kept by what the change feed tells.
//!
//! `writes` is the one function from a change to writes. `stream` takes a feed through it to the
//! copies (`targets`) and knows how far it is; what cannot be applied goes into `quarantine`, and
//! comes out by `repair`. `dual_write` does the same for a command that has just committed.
//! `rebuild` fills a projection from the record store, `verify` compares and mends one, `worker`
//! is the process that does all of it. No engine is named here.

mod copy;
pub mod counters;
pub mod dual_write;
mod facts;
pub mod quarantine;
mod reader;
pub mod rebuild;
pub mod repair;
pub mod stream;
pub mod targets;
pub mod verify;
pub mod worker;
pub mod writes;

pub use counters::Counters;
pub use dual_write::{DualWrite, DualWriteOptions};
pub use quarantine::Quarantine;
pub use rebuild::{Generations, Rebuild, RebuildOptions};
pub use stream::{Projector, ProjectorOptions};
pub use targets::Targets;
pub use verify::{Verify, VerifyOptions, VerifyReport};
pub use worker::{FeedOpener, Worker, WorkerOptions, WorkerParts};
