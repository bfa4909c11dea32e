//! `ChangeFeed`: committed changes, in the order of commits, at least once.
//!
//! Contract, held by one end-to-end suite on every feed:
//! - Only what is committed is told. Changes of one transaction come together and are followed by
//!   its `Commit`; a transaction may be long, so its changes come one by one.
//! - After a restart the feed goes on after the last acknowledged commit: what was told but not
//!   acknowledged is told again, from the beginning of its transaction.
//! - `next` may be dropped and called again at any time without losing anything.
//! - The connection stays alive however long the caller takes between two calls.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use crate::domain::change::Change;
use crate::domain::{Timestamp, Uid};

/// What a feed tells.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedEvent {
    /// A change of the transaction that is being told.
    Change(Change),
    /// A change that cannot be read: it belongs to the dead letters, the feed goes on.
    Unreadable {
        /// The session, where it could be read.
        session_uid: Option<Uid>,
        /// Table and key of the row, as far as they could be read; never content.
        row: String,
        /// What is wrong, in words without content.
        problem: String,
    },
    /// Everything of this transaction has been told.
    Commit {
        /// Its place; comparable with `Position::value` of the same store.
        position: u64,
        /// When it was committed, by the record store's clock.
        committed_at: Timestamp,
    },
    /// Nothing is under way: everything committed up to `position` has been told.
    Idle {
        /// A place that was reached.
        position: u64,
        /// Everything committed until then has been told.
        as_of: Timestamp,
    },
}

/// What the caller can do about an error of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedErrorKind {
    /// The source cannot be reached, or another reader holds it: connect again after a while.
    Retry,
    /// Changes between the last acknowledged place and now are gone (slot lost, dropped, or ahead;
    /// another timeline): projections must be rebuilt or verified before they are trusted again.
    Gap,
    /// The configuration or the schema is wrong; a person must act, the message says how.
    Setup,
}

/// An error of a feed.
#[derive(Debug)]
pub struct FeedError {
    /// What the caller can do.
    pub kind: FeedErrorKind,
    /// What happened and what to do, in words.
    pub message: String,
    /// The driver's error.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for FeedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// A feed of committed changes.
#[async_trait]
pub trait ChangeFeed: Send {
    /// Name in messages and metrics, e.g. `pgoutput`.
    fn name(&self) -> &'static str;

    /// Identity of the record store whose positions these are, see `Position::store`.
    fn store(&self) -> &str;

    /// Why copies may hold what the record store does not, although the feed misses nothing: then
    /// they are to be compared. None where there is no such reason.
    fn doubt(&self) -> Option<&'static str> {
        None
    }

    /// The next event; waits for it. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Result<FeedEvent, FeedError>;

    /// Everything up to `position` is durably applied and need not be told again.
    async fn acknowledge(&mut self, position: u64) -> Result<(), FeedError>;
}
