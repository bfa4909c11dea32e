//! Questions to Kafka, and what its errors mean for the feed.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::failure;
use crate::cdc::{FeedError, FeedErrorKind};

/// How long Kafka may take to answer a question.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(20);

/// The only partition.
pub(super) const PARTITION: i32 = 0;

/// Runs what asks Kafka and waits, on a thread that may wait.
pub(super) async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, FeedError> + Send + 'static,
) -> Result<T, FeedError> {
    let ended = |_| failure(FeedErrorKind::Retry, "a question to Kafka was cut off");
    tokio::task::spawn_blocking(ask).await.map_err(ended)?
}

pub(super) fn setup(message: String) -> FeedError {
    failure(FeedErrorKind::Setup, message)
}

/// An error of a question; `doing` ends the sentence "turngraph could not …".
pub(super) fn of_question(source: KafkaError, doing: &str) -> FeedError {
    let kind = source
        .rdkafka_error_code()
        .map_or(FeedErrorKind::Retry, kind_of);
    FeedError {
        kind,
        message: format!("turngraph could not {doing} in Kafka: {source}"),
        source: Some(Box::new(source)),
    }
}

fn kind_of(code: RDKafkaErrorCode) -> FeedErrorKind {
    match code {
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::GroupAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed
        | RDKafkaErrorCode::InvalidGroupId
        | RDKafkaErrorCode::InvalidTopic => FeedErrorKind::Setup,
        RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
            FeedErrorKind::Gap
        }
        _ => FeedErrorKind::Retry,
    }
}

/// An error between two messages; `None` for one that the client overcomes by itself.
pub(super) fn of_consumer(source: KafkaError) -> Option<FeedError> {
    let code = source.rdkafka_error_code();
    if matches!(
        code,
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut
        )
    ) {
        return None;
    }
    let kind = code.map_or(FeedErrorKind::Retry, kind_of);
    let message = match kind {
        FeedErrorKind::Gap => format!(
            "messages of the topic are gone before they were read ({source}): it was made anew, or \
             its retention is too short; begin anew and rebuild the projections (`turngraph \
             rebuild`)"
        ),
        _ => format!("reading changes from Kafka failed: {source}"),
    };
    Some(FeedError {
        kind,
        message,
        source: Some(Box::new(source)),
    })
}
