//! The server of the caches.

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

use crate::support::redis::{Redis, database, server};

async fn connect(url: &str) -> redis::RedisResult<MultiplexedConnection> {
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await
}

#[tokio::test]
async fn redis_gives_back_what_was_written() {
    let mut redis = connect(&database()).await.unwrap();
    let () = redis.set("greeting", "good evening").await.unwrap();
    let got: String = redis.get("greeting").await.unwrap();
    assert_eq!(got, "good evening");
    let version: String = redis::cmd("info")
        .arg("server")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(version.contains("redis_version:"), "{version}");
}

#[tokio::test]
async fn each_test_has_a_redis_database_of_its_own() {
    let mut one = connect(&database()).await.unwrap();
    let mut other = connect(&database()).await.unwrap();
    let () = one.set("key", 1).await.unwrap();
    let seen: Option<i64> = other.get("key").await.unwrap();
    assert_eq!(seen, None);
    assert!(server().url().starts_with("redis://127.0.0.1:"));
}

#[tokio::test]
async fn a_killed_redis_comes_back_empty_on_its_port() {
    let mut server = Redis::start();
    let mut redis = connect(&server.url()).await.unwrap();
    let () = redis.set("key", 1).await.unwrap();
    server.kill();
    assert!(redis.get::<_, i64>("key").await.is_err());
    assert!(connect(&server.url()).await.is_err());
    server.restart();
    let mut redis = connect(&server.url()).await.unwrap();
    let seen: Option<i64> = redis.get("key").await.unwrap();
    assert_eq!(seen, None);
}

#[tokio::test]
async fn a_paused_redis_answers_when_it_goes_on() {
    let server = Redis::start();
    let mut redis = connect(&server.url()).await.unwrap();
    let () = redis.set("key", 1).await.unwrap();
    server.pause();
    let config = redis::AsyncConnectionConfig::new()
        .set_response_timeout(Some(std::time::Duration::from_millis(100)));
    let client = redis::Client::open(server.url()).unwrap();
    let unanswered = client
        .get_multiplexed_async_connection_with_config(&config)
        .await;
    assert!(unanswered.is_err());
    server.resume();
    let mut redis = connect(&server.url()).await.unwrap();
    let seen: i64 = redis.get("key").await.unwrap();
    assert_eq!(seen, 1);
}
