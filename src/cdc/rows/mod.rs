//! From a row of the record, as a change feed repeats it, to what happened: one mapping for every
//! feed that reads PostgreSQL's own log, whatever carried it.
//!
//! A feed fills a [`Row`] by column name and gives it to [`event`]. The result has the normal form
//! that reads of the record have (what is null in an adopted database reads the same in both), so
//! that a projection answers exactly as the record does. Knows no protocol and no driver.

mod deletes;
mod field;
mod map;
mod table;
#[cfg(test)]
mod tests;
mod time;

pub use deletes::Deletes;
pub use map::{REV_AHEAD_MAX, event, truncated};
pub use table::{Operation, Row, Table, Value};
pub use time::parse_time;

use super::FeedEvent;

/// What a row amounts to.
#[derive(Debug, Clone, PartialEq)]
pub enum Mapped {
    /// Something to tell: a change, or a row that belongs to the dead letters.
    Event(FeedEvent),
    /// Nothing to tell.
    Skipped(Skipped),
}

/// Why a row is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skipped {
    /// A turn that has no number yet: it is told with the job that its numbering writes.
    Unaddressed,
    /// An update of a table whose rows are told once, when they are inserted.
    Told,
}
