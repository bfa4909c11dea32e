//! The feed from Kafka: a real PostgreSQL, a real connector and a real Kafka, with the
//! configuration that docs/debezium.md gives, and what happens when each of them goes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use sqlx::{Connection as _, PgConnection};
use turngraph::cdc::debezium::{KafkaFeed, KafkaOpener, KafkaOptions, Start};
use turngraph::cdc::{ChangeFeed, FeedErrorKind, FeedEvent};
use turngraph::domain::change::Change;
use turngraph::domain::{Position, SystemClock};

use crate::support::debezium::Debezium;
use crate::support::kafka::{Kafka, server, unique};
use crate::support::postgres::Private;
use crate::support::process::START_MAX;

/// A database, its connector and its topic.
struct Lab {
    _postgres: Private,
    url: String,
    bootstrap: String,
    topic: String,
    debezium: Debezium,
}

impl Lab {
    async fn start(bootstrap: String) -> Self {
        let postgres = Private::start(&[]);
        let url = postgres.migrated().await;
        let topic = unique("turngraph");
        let debezium = Debezium::start(&url, &bootstrap, &topic, &[]).await;
        Self {
            _postgres: postgres,
            url,
            bootstrap,
            topic,
            debezium,
        }
    }

    async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    fn opener(&self, topic: &str) -> KafkaOpener {
        let url = format!("kafka://{}/{topic}", self.bootstrap);
        let options = KafkaOptions::url(&url, "lab.1").unwrap();
        KafkaOpener::new(options, Arc::new(SystemClock))
    }

    /// A feed; waits for the topic, which comes with the connector's first message.
    async fn feed(&self, resume_from: Option<u64>) -> KafkaFeed {
        loop {
            let from = resume_from.map(|value| Position {
                store: "lab.1".to_owned(),
                value,
            });
            match self.opener(&self.topic).open(from, false).await {
                Ok(feed) => return feed,
                Err(error) => assert_eq!(error.kind, FeedErrorKind::Retry, "{error}"),
            }
        }
    }

    async fn refused(&self, topic: &str, from: Option<Position>) -> (FeedErrorKind, String) {
        let Err(error) = self.opener(topic).open(from, false).await else {
            panic!("the feed connects to {topic}");
        };
        (error.kind, error.message)
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .create()
            .unwrap()
    }
}

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// A place that is not below that of any commit that has returned.
async fn token(connection: &mut PgConnection) -> u64 {
    let sql = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
    let place: i64 = sqlx::query_scalar(sql).fetch_one(connection).await.unwrap();
    place.try_into().unwrap()
}

/// Writes sessions, each with a turn in the same transaction, until told to stop or for a number;
/// their keys, each with a place that its commit had reached.
async fn write(url: String, name: String, stop: Arc<AtomicBool>, max: usize) -> Vec<(String, u64)> {
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let mut written = Vec::new();
    while written.len() < max && !stop.load(Ordering::Relaxed) {
        let uid = format!("{name}-{}", written.len());
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query("insert into sessions (uid, account_uid, next_seq) values ($1, 'a', 1)")
            .bind(&uid)
            .execute(&mut *transaction)
            .await
            .unwrap();
        let turn =
            "insert into human_turns (uid, session_uid, prompt, seq) values ($1, $2, 'p', 0)";
        sqlx::query(turn)
            .bind(format!("{uid}-turn"))
            .bind(&uid)
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        written.push((uid, token(&mut connection).await));
    }
    written
}

/// What a feed has told.
#[derive(Default)]
struct Told {
    events: Vec<FeedEvent>,
    /// Number of the event that first told a session or turn.
    first: HashMap<String, usize>,
    position: u64,
}

impl Told {
    fn add(&mut self, event: FeedEvent) {
        let uid = match &event {
            FeedEvent::Change(Change::Session(session)) => Some(session.row.uid.to_string()),
            FeedEvent::Change(Change::Turn(turn)) => Some(turn.turn.uid.to_string()),
            FeedEvent::Commit { position, .. } | FeedEvent::Idle { position, .. } => {
                assert!(*position >= self.position, "places never fall");
                self.position = *position;
                None
            }
            _ => None,
        };
        if let Some(uid) = uid {
            self.first.entry(uid).or_insert(self.events.len());
        }
        self.events.push(event);
    }

    /// Reads on until a session was told and its transaction ended. Errors that pass are waited
    /// for.
    async fn until(&mut self, feed: &mut KafkaFeed, uid: &str) {
        let reading = async {
            loop {
                let ended = matches!(self.events.last(), Some(FeedEvent::Commit { .. }));
                if ended && self.first.contains_key(uid) {
                    return;
                }
                // A reader that is interrupted all the time loses nothing.
                let interrupted = Duration::from_millis(5);
                match tokio::time::timeout(interrupted, feed.next()).await {
                    Ok(Ok(event)) => self.add(event),
                    Ok(Err(error)) => assert_eq!(error.kind, FeedErrorKind::Retry, "{error}"),
                    Err(_) => {}
                }
            }
        };
        let told = tokio::time::timeout(START_MAX, reading).await;
        assert!(told.is_ok(), "`{uid}` is not told after {START_MAX:?}");
    }

    /// Where a place says that a write was told, it was. Places never fall, so of each write only
    /// the first place that claims it is looked at: a quick machine tells many thousands.
    fn claims_nothing_too_early(&self, written: &[(String, u64)]) {
        let claims: Vec<(u64, usize)> = self
            .events
            .iter()
            .enumerate()
            .filter_map(|(index, event)| match event {
                FeedEvent::Commit { position, .. } | FeedEvent::Idle { position, .. } => {
                    Some((*position, index))
                }
                _ => None,
            })
            .collect();
        for (uid, token) in written {
            let claimed = claims.partition_point(|(position, _)| position < token);
            if let Some((position, index)) = claims.get(claimed) {
                assert!(
                    self.first[uid] < *index,
                    "{uid} is told after {position} is claimed"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_is_told_in_the_order_of_commits_and_no_place_is_claimed_too_early() {
    let lab = Lab::start(server().bootstrap()).await;
    let mut feed = lab.feed(None).await;
    assert_eq!(feed.start(), Start::New);
    let mut told = Told::default();

    let mut one = lab.connection().await;
    let mut other = lab.connection().await;
    run(
        &mut one,
        "begin; insert into sessions (uid, account_uid) values ('early', 'a')",
    )
    .await;
    run(
        &mut other,
        "begin; insert into sessions (uid, account_uid) values ('never', 'a'); rollback",
    )
    .await;
    run(
        &mut other,
        "insert into sessions (uid, account_uid) values ('between', 'a')",
    )
    .await;
    run(&mut one, "commit").await;
    told.until(&mut feed, "early").await;
    assert!(
        told.first["between"] < told.first["early"],
        "commits have the order, not writes"
    );
    assert!(!told.first.contains_key("never"));

    let writers = (0..4).map(|writer| {
        let never = Arc::new(AtomicBool::new(false));
        tokio::spawn(write(lab.url.clone(), format!("writer{writer}"), never, 50))
    });
    let mut written = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        written.extend(writer.await.unwrap());
    }
    run(
        &mut one,
        "insert into sessions (uid, account_uid) values ('last', 'a')",
    )
    .await;
    told.until(&mut feed, "last").await;
    for (uid, _) in &written {
        assert!(told.first.contains_key(uid), "{uid} is missing");
        assert!(told.first.contains_key(&format!("{uid}-turn")));
    }
    told.claims_nothing_too_early(&written);
    // An idle database is known to be idle, soon after the last write.
    let place = token(&mut one).await;
    while told.position < place {
        told.add(
            tokio::time::timeout(START_MAX, feed.next())
                .await
                .unwrap()
                .unwrap(),
        );
    }

    large_values_come_whole(&mut feed, &mut one).await;
}

/// The largest prompt that commands take, each byte of it twice as long in JSON, and then an update
/// that leaves it where it is.
async fn large_values_come_whole(feed: &mut KafkaFeed, connection: &mut PgConnection) {
    run(
        connection,
        r#"insert into human_turns (uid, session_uid, seq, prompt)
        values ('large', 'last', 1, repeat('"', 16777216))"#,
    )
    .await;
    run(
        connection,
        "update human_turns set active_child = 'x' where uid = 'large'",
    )
    .await;
    let mut prompts = Vec::new();
    while prompts.len() < 2 {
        let event = tokio::time::timeout(START_MAX, feed.next())
            .await
            .unwrap()
            .unwrap();
        if let FeedEvent::Change(Change::Turn(change)) = event {
            prompts.push(change.prompt);
        }
    }
    assert_eq!(prompts[0].as_ref().map(String::len), Some(16_777_216));
    assert_eq!(prompts[1], None, "an unchanged value is not repeated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_connector_broker_and_reader_are_killed_under_load() {
    let mut kafka = Kafka::start();
    let mut lab = Lab::start(kafka.bootstrap()).await;
    let mut feed = lab.feed(None).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = write(lab.url.clone(), "w".to_owned(), Arc::clone(&stop), 100_000);
    let writer = tokio::spawn(writer);
    let mut told = Told::default();
    told.until(&mut feed, "w-20").await;

    lab.debezium.kill();
    lab.debezium.restart().await;
    told.until(&mut feed, "w-300").await;
    kafka.kill();
    kafka.restart();
    let acknowledged = told.position;
    while let Err(error) = feed.acknowledge(acknowledged).await {
        assert_eq!(error.kind, FeedErrorKind::Retry, "{error}");
    }
    let before: HashSet<String> = told.first.keys().cloned().collect();
    told.until(&mut feed, "w-600").await;
    stop.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    let (last, _) = written.last().unwrap();
    told.until(&mut feed, last).await;
    told.claims_nothing_too_early(&written);
    drop(feed);

    // The same from the place that was acknowledged, as after a crash of this program.
    let mut feed = lab.feed(Some(acknowledged)).await;
    assert_eq!(feed.start(), Start::Resumed);
    let mut again = Told::default();
    again.until(&mut feed, last).await;
    for (uid, _) in &written {
        assert!(told.first.contains_key(uid), "{uid} is missing");
        assert!(
            before.contains(uid) || again.first.contains_key(uid),
            "{uid} is missing"
        );
    }
    assert!(
        !again.first.contains_key("w-0"),
        "what was acknowledged is not told again"
    );
}

#[tokio::test]
async fn lost_messages_are_a_gap_and_a_wrong_topic_is_said() {
    let lab = Lab::start(server().bootstrap()).await;
    let mut feed = lab.feed(None).await;
    let mut connection = lab.connection().await;
    let mut told = Told::default();
    run(
        &mut connection,
        "insert into sessions (uid, account_uid) values ('one', 'a')",
    )
    .await;
    told.until(&mut feed, "one").await;
    let reached = told.position;
    feed.acknowledge(reached).await.unwrap();
    drop(feed);

    // What the topic's retention does, with messages that nobody has read.
    run(
        &mut connection,
        "insert into sessions (uid, account_uid) values ('two', 'a')",
    )
    .await;
    let mut reader = lab.feed(Some(reached)).await;
    told.until(&mut reader, "two").await;
    drop(reader);
    let mut places = TopicPartitionList::new();
    places
        .add_partition_offset(&lab.topic, 0, Offset::End)
        .unwrap();
    let deleted = lab
        .admin()
        .delete_records(&places, &AdminOptions::new())
        .await;
    assert!(deleted.unwrap().elements()[0].error().is_ok());
    let from = |store: &str| {
        let store = store.to_owned();
        Some(Position {
            store,
            value: reached,
        })
    };
    let (kind, message) = lab.refused(&lab.topic, from("lab.1")).await;
    assert_eq!(kind, FeedErrorKind::Gap, "{message}");
    assert!(message.contains("retention"), "{message}");
    let (kind, message) = lab.refused(&lab.topic, from("lab.2")).await;
    assert_eq!(kind, FeedErrorKind::Gap, "{message}");

    // It begins anew when it is told to, and goes on there when the first try fails.
    let opener = lab.opener(&lab.topic);
    let early = opener.open(from("lab.1"), true).await;
    assert!(early.is_err(), "no gap was told by this opener yet");
    drop(opener.open(from("lab.1"), true).await.unwrap());
    run(
        &mut connection,
        "insert into sessions (uid, account_uid) values ('three', 'a')",
    )
    .await;
    let mut feed = opener.open(from("lab.1"), true).await.unwrap();
    assert_eq!(feed.start(), Start::New);
    let mut told = Told::default();
    told.until(&mut feed, "three").await;
    assert!(!told.first.contains_key("two"));
    wrong_topics_are_said(&lab).await;
}

async fn wrong_topics_are_said(lab: &Lab) {
    let wide = unique("wide");
    let topic = NewTopic::new(&wide, 3, TopicReplication::Fixed(1));
    let made = lab
        .admin()
        .create_topics(&[topic], &AdminOptions::new())
        .await;
    made.unwrap()[0].as_ref().unwrap();
    let mut refused = lab.refused(&wide, None).await;
    while refused.0 == FeedErrorKind::Retry {
        refused = lab.refused(&wide, None).await;
    }
    assert!(refused.1.contains("3 partitions"), "{}", refused.1);
    let (kind, message) = lab.refused("nowhere", None).await;
    assert_eq!(kind, FeedErrorKind::Retry);
    assert!(message.contains("does not exist"), "{message}");
}
