//! `ChangeLog`: the record store's own table of changes, for feeds that have nothing better.
//!
//! The table names rows; what they hold is read when they are told, so that a row that was written
//! often is told as it is now. Places are opaque numbers of the store, which only grow: SQLite's
//! change numbers, PostgreSQL's transaction numbers.

use std::time::Duration;

use async_trait::async_trait;

use super::record::StoreResult;
use super::source::ProjectionSource;
use crate::domain::change::Change;
use crate::domain::{Position, Timestamp, Uid};

/// A place up to which everything can be told once it is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMark {
    /// Comparable with the positions of commits: all up to here are below `until`.
    pub position: Position,
    /// Entries below this place belong to it.
    pub until: i64,
    /// Everything below is finished already.
    pub finished: i64,
    /// When the mark was made, by the store's clock.
    pub at: Timestamp,
}

/// What a look at the store finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLook {
    /// When, by the store's clock; what was committed before is in the mark.
    pub at: Timestamp,
    /// A mark at the present end; none while that is where it was.
    pub mark: Option<LogMark>,
}

/// Order of an entry: the place of its transaction, and its number.
pub type LogPlace = (i64, i64);

/// A row that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Order of the entry.
    pub place: LogPlace,
    /// What was written.
    pub kind: LogKind,
    /// Key of the row (of a step: of its turn).
    pub uid: Uid,
    /// Index of a step.
    pub idx: Option<i32>,
    /// Number of the row of `purge_log` or `projection_jobs`.
    pub reference: Option<i64>,
}

/// What kind of row an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// A session.
    Session,
    /// A turn of either kind.
    Turn,
    /// A step.
    Step,
    /// A row of `purge_log`.
    Purge,
    /// A row of `projection_jobs`.
    Numbered,
    /// Something that is not projected (scores, metadata).
    Other,
}

/// A row as it is now.
#[derive(Debug, Clone, PartialEq)]
pub enum LogRow {
    /// It was read.
    Change(Change),
    /// It holds what it must not hold.
    Unreadable {
        /// The session, where known.
        session_uid: Option<Uid>,
        /// Table and key; never content.
        row: String,
        /// What is wrong, in words without content.
        problem: String,
    },
}

/// Somebody who keeps the log from being told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDelay {
    /// The server's process; none for a prepared transaction.
    pub pid: Option<i32>,
    /// Name of the program, user or prepared transaction, as far as this role may know.
    pub holder: String,
    /// How long the transaction has been running, as far as this role may know.
    pub age: Option<Duration>,
}

/// The table of changes of a record store.
#[async_trait]
pub trait ChangeLog: ProjectionSource {
    /// Begins to record changes, if that has not been done. True when the log holds every change
    /// from place `from` on (`None`: since the store was empty); false when some are gone.
    async fn log_on(&self, from: Option<i64>) -> StoreResult<bool>;

    /// Ends recording, where that saves something, and forgets everything.
    async fn log_off(&self) -> StoreResult<()>;

    /// Looks where the store is; makes a mark unless that is still `known`.
    async fn log_look(&self, known: Option<&Position>) -> StoreResult<LogLook>;

    /// Everything below the place that is returned is finished.
    async fn log_finished(&self) -> StoreResult<i64>;

    /// Entries after a place, below `until`, in their order, `limit` at most.
    async fn log_entries(
        &self,
        after: LogPlace,
        until: i64,
        limit: usize,
    ) -> StoreResult<Vec<LogEntry>>;

    /// The rows that these entries name, each once, in the order of their last entries. Rows that
    /// are gone, or wait for an address, are left out: another entry tells of them.
    async fn log_rows(&self, entries: &[LogEntry]) -> StoreResult<Vec<LogRow>>;

    /// Removes the entries below a place.
    async fn log_forget(&self, below: i64) -> StoreResult<()>;

    /// Who keeps entries below a place from being finished, oldest first.
    async fn log_delays(&self, until: i64) -> StoreResult<Vec<LogDelay>>;
}
