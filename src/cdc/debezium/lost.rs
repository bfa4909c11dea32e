//! In words: what was lost on the way through Kafka and what to do, and what cannot be read.

use super::failure;
use crate::cdc::{FeedError, FeedErrorKind, FeedEvent};

/// Something is missing before a message of the topic.
pub(super) fn gap(offset: i64, what: &str) -> FeedError {
    lost(&format!("at message {offset} of the topic: {what}"))
}

/// The log of the database is shorter than it was.
pub(super) fn shorter() -> FeedError {
    lost(
        "the log of the database behind the topic is shorter than it was: it is another database, \
         or was restored from a backup",
    )
}

/// Something was lost.
pub(super) fn lost(what: &str) -> FeedError {
    failure(
        FeedErrorKind::Gap,
        format!(
            "changes were lost on the way through Kafka: {what}; begin anew and rebuild the \
             projections (`turngraph rebuild`)"
        ),
    )
}

/// A message that goes to the dead letters.
pub(super) fn unreadable(offset: i64, problem: &str) -> FeedEvent {
    FeedEvent::Unreadable {
        session_uid: None,
        row: format!("message {offset} of the topic"),
        problem: problem.to_owned(),
    }
}
