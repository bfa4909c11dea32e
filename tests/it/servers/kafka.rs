//! The broker of the change feed, and the connector before it.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use sqlx::Connection as _;

use crate::support::debezium::Debezium;
use crate::support::kafka::{Kafka, server, unique};
use crate::support::postgres::Private;
use crate::support::process::START_MAX;

fn consumer(bootstrap: &str, topic: &str) -> StreamConsumer {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", topic)
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "true")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

/// The first message that says this.
async fn find(consumer: &StreamConsumer, text: &str) -> String {
    let finding = async {
        loop {
            let Ok(message) = consumer.recv().await else {
                // The topic appears with its first message.
                continue;
            };
            let payload = message.payload().unwrap_or_default();
            let payload = String::from_utf8_lossy(payload).into_owned();
            if payload.contains(text) {
                return payload;
            }
        }
    };
    tokio::time::timeout(START_MAX, finding).await.unwrap()
}

async fn send(bootstrap: &str, topic: &str, text: &str) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .unwrap();
    let record = FutureRecord::<(), str>::to(topic).payload(text);
    producer.send(record, START_MAX).await.unwrap();
}

#[tokio::test]
async fn kafka_gives_back_what_was_written() {
    let topic = unique("greetings");
    send(&server().bootstrap(), &topic, "good evening").await;
    let consumer = consumer(&server().bootstrap(), &topic);
    assert_eq!(find(&consumer, "good").await, "good evening");
}

#[tokio::test]
async fn a_killed_kafka_comes_back_with_its_messages() {
    let mut kafka = Kafka::start();
    send(&kafka.bootstrap(), "greetings", "good evening").await;
    kafka.kill();
    kafka.restart();
    let consumer = consumer(&kafka.bootstrap(), "greetings");
    assert_eq!(find(&consumer, "good").await, "good evening");
}

#[tokio::test]
async fn debezium_tells_what_postgres_committed_and_goes_on_after_a_kill() {
    let postgres = Private::start(&[]);
    let url = postgres.migrated().await;
    let topic = unique("turngraph");
    let mut debezium = Debezium::start(&url, &server().bootstrap(), &topic, &[]).await;
    let consumer = consumer(&server().bootstrap(), &topic);
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    for uid in ["first", "second"] {
        let sql = "insert into sessions (uid, account_uid) values ($1, 'a')";
        let insert = sqlx::query(sql).bind(uid);
        insert.execute(&mut connection).await.unwrap();
        let told = find(&consumer, &format!("\"uid\":\"{uid}\"")).await;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["op"], "c");
        assert_eq!(told["source"]["table"], "sessions");
        debezium.kill();
        tokio::time::timeout(Duration::from_secs(300), debezium.restart())
            .await
            .unwrap();
    }
}
