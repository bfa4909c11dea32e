//! `KafkaFeed`: the connector's topic read as a change feed.
//!
//! The place that was reached is kept by Kafka as the offset of a consumer group, together with the
//! log sequence number that it stands for, and is moved only by `acknowledge`. The partition is
//! assigned by hand: there is nothing to balance, and a slow reader is not thrown out of a group.
//! librdkafka fetches ahead (up to 16 MiB) and reconnects by itself, on threads of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::broker::{PARTITION, blocking, of_consumer, of_question};
use super::decoder::Decoder;
use super::envelope::RawMessage;
use super::failure;
use super::note::Note;
use super::opener::{KafkaOpener, Opened, Shared, Start};
use super::options::KafkaOptions;
use super::transaction::Ended;
use crate::cdc::{ChangeFeed, FeedError, FeedErrorKind, FeedEvent};
use crate::domain::clock::Clock;

/// The feed; [`KafkaOpener`] opens it.
pub struct KafkaFeed {
    options: Arc<KafkaOptions>,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    consumer: Arc<StreamConsumer>,
    decoder: Decoder,
    start: Start,
    waiting: VecDeque<FeedEvent>,
    /// Ends of transactions that are not acknowledged, each with the offset behind it.
    ends: VecDeque<(Ended, i64)>,
    /// Why the feed cannot go on.
    stopped: Option<(FeedErrorKind, String)>,
}

impl KafkaFeed {
    pub(super) fn new(opener: &KafkaOpener, opened: Opened) -> Self {
        Self {
            options: Arc::clone(&opener.options),
            clock: Arc::clone(&opener.clock),
            shared: Arc::clone(&opener.shared),
            consumer: Arc::new(opened.consumer),
            decoder: opened.decoder,
            start: opened.start,
            waiting: VecDeque::new(),
            ends: VecDeque::new(),
            stopped: None,
        }
    }

    /// What the feed is to what was read before.
    pub fn start(&self) -> Start {
        self.start
    }

    fn take(&mut self, message: Taken) -> Result<(), FeedError> {
        let raw = RawMessage {
            key: message.key.as_deref(),
            value: message.value.as_deref(),
            has_old_key: message.has_old_key,
            offset: message.offset,
        };
        let now = self.clock.now();
        let ended = self.decoder.message(raw, now, &mut self.waiting)?;
        self.ends
            .extend(ended.map(|ended| (ended, message.offset + 1)));
        Ok(())
    }

    fn stop(&mut self, error: FeedError) -> FeedError {
        let error = self.shared.failed(error);
        if error.kind != FeedErrorKind::Retry {
            self.stopped = Some((error.kind, error.message.clone()));
        }
        error
    }
}

#[async_trait]
impl ChangeFeed for KafkaFeed {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn store(&self) -> &str {
        &self.options.store
    }

    async fn next(&mut self) -> Result<FeedEvent, FeedError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            if let Some((kind, message)) = &self.stopped {
                return Err(failure(*kind, message.clone()));
            }
            let taken = match self.consumer.recv().await {
                Ok(message) => Ok(Taken::copy(&message)),
                Err(error) => Err(error),
            };
            match taken {
                Ok(message) => self.take(message).map_err(|error| self.stop(error))?,
                Err(error) => {
                    if let Some(error) = of_consumer(error) {
                        return Err(self.stop(error));
                    }
                }
            }
        }
    }

    async fn acknowledge(&mut self, position: u64) -> Result<(), FeedError> {
        let mut reached = None;
        while let Some((ended, offset)) = self.ends.front().copied()
            && ended.position <= position
        {
            self.ends.pop_front();
            reached = Some((ended, offset));
        }
        let Some((ended, offset)) = reached else {
            return Ok(());
        };
        let consumer = Arc::clone(&self.consumer);
        let options = Arc::clone(&self.options);
        blocking(move || {
            let mut places = TopicPartitionList::new();
            let note = Note {
                store: options.store.clone(),
                ended,
            };
            let mut place = places.add_partition(&options.topic, PARTITION);
            place.set_metadata(note.to_text());
            place
                .set_offset(Offset::Offset(offset))
                .and_then(|()| consumer.commit(&places, CommitMode::Sync))
                .map_err(|error| of_question(error, "note the place that was reached"))
        })
        .await?;
        self.shared.acknowledged();
        Ok(())
    }
}

/// A message that the consumer's buffers no longer hold.
struct Taken {
    key: Option<Box<[u8]>>,
    value: Option<Box<[u8]>>,
    has_old_key: bool,
    offset: i64,
}

impl Taken {
    fn copy(message: &BorrowedMessage<'_>) -> Self {
        let old_key = |headers: &rdkafka::message::BorrowedHeaders| {
            headers
                .iter()
                .any(|header| header.key == "__debezium.oldkey")
        };
        Self {
            key: message.key().map(Into::into),
            value: message.payload().map(Into::into),
            has_old_key: message.headers().is_some_and(old_key),
            offset: message.offset(),
        }
    }
}
