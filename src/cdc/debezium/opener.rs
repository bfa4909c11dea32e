//! `KafkaOpener`: opens the feed at its place, again and again.
//!
//! What must outlive one feed is here: that a gap was told, and where in the topic a feed began
//! anew, until something of it was acknowledged. Without the latter a feed that fails at once would
//! be followed by one that begins later, and what came in between would be told by neither.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::{Offset, TopicPartitionList};

use super::broker::{ANSWER_MAX, PARTITION, blocking, of_question, setup};
use super::decoder::Decoder;
use super::failure;
use super::kafka::KafkaFeed;
use super::note::Note;
use super::options::KafkaOptions;
use super::transaction::Ended;
use crate::cdc::{FeedError, FeedErrorKind};
use crate::domain::clock::Clock;
use crate::domain::{Position, Timestamp};

/// What the feed is to what was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// What was in the topic before is not told; it must be read from the record store after the
    /// feed is open.
    New,
    /// It goes on where it was, or before.
    Resumed,
}

/// What an opener and its feeds have in common.
#[derive(Default)]
pub(super) struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    /// A gap was told, and no feed was opened since.
    gap: bool,
    /// Where a feed began anew of which nothing was acknowledged yet.
    begun: Option<i64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one assignment, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a gap.
    pub(super) fn failed(&self, error: FeedError) -> FeedError {
        if error.kind == FeedErrorKind::Gap {
            self.state().gap = true;
        }
        error
    }

    /// Kafka knows a place of the feed that is open.
    pub(super) fn acknowledged(&self) {
        self.state().begun = None;
    }
}

/// See the file.
pub struct KafkaOpener {
    pub(super) options: Arc<KafkaOptions>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shared: Arc<Shared>,
}

/// Where a feed begins.
enum Place {
    /// At the end of the topic.
    New,
    /// At the offset where an earlier one began.
    Begun(i64),
    /// After a place that was reached.
    After(Position),
}

/// A consumer at its place.
pub(super) struct Opened {
    pub(super) consumer: StreamConsumer,
    pub(super) decoder: Decoder,
    pub(super) start: Start,
    offset: i64,
}

impl KafkaOpener {
    /// Of these options; connects nowhere.
    pub fn new(options: KafkaOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            options: Arc::new(options),
            clock,
            shared: Arc::default(),
        }
    }

    /// Opens the feed behind `resume_from`, the last place that the caller knows to be durably
    /// applied; none where nothing was ever applied. Then, and after a gap, what was committed
    /// before is not told: the caller reads it from the record store after this returns.
    ///
    /// `anew` lets it begin anew if a gap was told since a feed was last opened here. The caller
    /// notes durably that its projections must be rebuilt before it asks for it.
    ///
    /// Errors are those of `ChangeFeed::next`.
    pub async fn open(
        &self,
        resume_from: Option<Position>,
        anew: bool,
    ) -> Result<KafkaFeed, FeedError> {
        let place = {
            let state = self.shared.state();
            match (anew && state.gap, state.begun, resume_from) {
                (true, ..) | (_, None, None) => Place::New,
                (false, Some(offset), _) => Place::Begun(offset),
                (false, None, Some(position)) => Place::After(position),
            }
        };
        let is_new = matches!(place, Place::New);
        let options = Arc::clone(&self.options);
        let opened = blocking(move || open(&options, &place))
            .await
            .map_err(|error| self.shared.failed(error))?;
        let mut state = self.shared.state();
        state.gap = false;
        if is_new {
            state.begun = Some(opened.offset);
        }
        drop(state);
        Ok(KafkaFeed::new(self, opened))
    }
}

fn open(options: &KafkaOptions, place: &Place) -> Result<Opened, FeedError> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("group.id", &options.group)
        .set("client.id", "turngraph")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.wait.max.ms", "50")
        .set("reconnect.backoff.max.ms", "2000")
        .create()
        .map_err(|error| setup(format!("Kafka's client refuses its settings: {error}")))?;
    one_partition(&consumer, options)?;
    let (low, high) = consumer
        .fetch_watermarks(&options.topic, PARTITION, ANSWER_MAX)
        .map_err(|error| of_question(error, "ask how far the topic goes"))?;
    let (offset, last) = match place {
        Place::New => (high, None),
        Place::Begun(offset) if *offset < low => return Err(removed(*offset, low, options)),
        Place::Begun(offset) => (*offset, None),
        Place::After(position) => {
            let (offset, last) = resume(&consumer, options, position, (low, high))?;
            (offset, Some(last))
        }
    };
    // Only behind what was acknowledged it is sure that a transaction begins.
    let synchronous = last.is_some() && offset != low;
    let decoder = Decoder::new(options.placeholder.as_deref(), last, synchronous);
    let mut places = TopicPartitionList::new();
    places
        .add_partition_offset(&options.topic, PARTITION, Offset::Offset(offset))
        .and_then(|()| consumer.assign(&places))
        .map_err(|error| of_question(error, "go to its place in the topic"))?;
    Ok(Opened {
        consumer,
        decoder,
        offset,
        start: match place {
            Place::New | Place::Begun(_) => Start::New,
            Place::After(_) => Start::Resumed,
        },
    })
}

/// Refuses a topic whose order says nothing.
fn one_partition(consumer: &StreamConsumer, options: &KafkaOptions) -> Result<(), FeedError> {
    let topic = &options.topic;
    let metadata = consumer
        .fetch_metadata(Some(topic), ANSWER_MAX)
        .map_err(|error| of_question(error, "look at the topic"))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    match found.map_or(0, |found| found.partitions().len()) {
        1 => Ok(()),
        0 => Err(failure(
            FeedErrorKind::Retry,
            format!("topic `{topic}` does not exist in Kafka: does the Debezium connector run?"),
        )),
        many => Err(setup(format!(
            "topic `{topic}` has {many} partitions, so the order of commits cannot be known from \
             it: let the connector write to a topic of one partition \
             (topic.creation.default.partitions=1)"
        ))),
    }
}

/// Where to go on: at the group's place where the caller has reached it, else at the beginning of
/// the topic. Whether something is missing in between is seen by the decoder.
fn resume(
    consumer: &StreamConsumer,
    options: &KafkaOptions,
    position: &Position,
    (low, high): (i64, i64),
) -> Result<(i64, Ended), FeedError> {
    if position.store != options.store {
        return Err(lost(
            "the record store is another one than that of the place that was reached, or another \
             server was promoted, and Kafka does not tell which of them its messages are from"
                .to_owned(),
        ));
    }
    let mut places = TopicPartitionList::new();
    places.add_partition(&options.topic, PARTITION);
    let places = consumer
        .committed_offsets(places, ANSWER_MAX)
        .map_err(|error| of_question(error, "ask for the place that was reached"))?;
    let place = places.find_partition(&options.topic, PARTITION);
    let noted = place.and_then(|place| match place.offset() {
        Offset::Offset(offset) => Some((offset, Note::parse(place.metadata())?)),
        _ => None,
    });
    match noted {
        Some((offset, _)) if offset < low => Err(removed(offset, low, options)),
        Some((offset, _)) if offset > high => Err(lost(format!(
            "topic `{}` ends before message {offset}, which was read already: it was made anew",
            options.topic
        ))),
        Some((offset, note))
            if note.store == options.store && note.ended.position <= position.value =>
        {
            Ok((offset, note.ended))
        }
        _ => Ok((
            low,
            Ended {
                position: position.value,
                // Whatever comes again was committed before.
                at: Timestamp(i64::MAX),
            },
        )),
    }
}

fn removed(offset: i64, low: i64, options: &KafkaOptions) -> FeedError {
    lost(format!(
        "messages {offset} to {low} of topic `{}` were removed by its retention before they were \
         read",
        options.topic
    ))
}

fn lost(what: String) -> FeedError {
    failure(
        FeedErrorKind::Gap,
        format!("{what}; begin anew and rebuild the projections (`turngraph rebuild`)"),
    )
}
