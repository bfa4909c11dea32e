//! `KafkaFeed`: changes by way of a Debezium connector and Kafka, for installations that have them.
//!
//! The connector writes every table, and the beginnings and ends of transactions, into **one topic
//! of one partition** (docs/debezium.md has the configuration). So the order of the topic is the
//! order of commits, and an `END` with the log sequence number N says that everything committed up
//! to N has been told; over several partitions nothing of the kind could be said without gathering
//! transactions again. What is missing in the topic is noticed, by the numbers that the connector
//! gives to the events of a transaction and to transactions, and is a `Gap`.
//!
//! `envelope` reads one message, `values` its row, `decoder` tells what a sequence of messages
//! amounts to: pure, and compiled always. Only `opener`, `options`,
//! `kafka` and `broker` know Kafka (feature `kafka`).

#[cfg(feature = "kafka")]
mod broker;
mod decoder;
mod envelope;
#[cfg(feature = "kafka")]
mod kafka;
mod lost;
#[cfg(feature = "kafka")]
mod note;
#[cfg(feature = "kafka")]
mod opener;
#[cfg(feature = "kafka")]
mod options;
#[cfg(test)]
mod tests;
mod transaction;
mod values;

pub use decoder::Decoder;
pub use envelope::RawMessage;
#[cfg(feature = "kafka")]
pub use kafka::KafkaFeed;
#[cfg(feature = "kafka")]
pub use opener::{KafkaOpener, Start};
#[cfg(feature = "kafka")]
pub use options::KafkaOptions;
pub use transaction::Ended;

use super::{FeedError, FeedErrorKind};

/// What the connector writes in place of a value that it does not know, unless it is told otherwise
/// (`unavailable.value.placeholder`).
pub const PLACEHOLDER: &str = "__debezium_unavailable_value";

fn failure(kind: FeedErrorKind, message: impl Into<String>) -> FeedError {
    FeedError {
        kind,
        message: message.into(),
        source: None,
    }
}
