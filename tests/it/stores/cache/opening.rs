//! Opening a Redis cache on what will not do: said at once, with what to do, without secrets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use turngraph::stores::cache::random::Random;
use turngraph::stores::redis::{RedisCache, RedisOptions};
use turngraph::stores::{SessionCache, StoreError, StoreErrorKind};

use super::until;
use crate::support::process::free_port;
use crate::support::redis::Redis;
use crate::support::rows::uids;

fn options(url: &str) -> RedisOptions {
    RedisOptions {
        connect_timeout: Duration::from_secs(5),
        ..RedisOptions::url(url)
    }
}

/// Why a cache does not open, waiting for a server or not.
async fn refusal(url: &str) -> StoreError {
    match RedisCache::open(options(url), Random::seeded(1)).await {
        Ok(_) => panic!("{url} is opened"),
        Err(refused) => refused,
    }
}

/// Wrong configuration is told also where a server that is down would be waited for.
async fn wrong_in_any_case(url: &str) -> String {
    let refused = refusal(url).await;
    assert_eq!(refused.kind, StoreErrorKind::Schema, "{refused}");
    let waiting = RedisCache::open_or_wait(options(url), Random::seeded(1)).await;
    assert!(waiting.is_err(), "{url} is waited for");
    refused.to_string()
}

/// Runs a command on a server of a test.
async fn redis(url: &str, command: &[&str]) -> ::redis::Value {
    let client = ::redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut asked = ::redis::cmd(command[0]);
    asked.arg(&command[1..]);
    asked.query_async(&mut connection).await.unwrap()
}

/// Answers every command that it is sent with the same.
async fn answering(answer: &str) -> SocketAddr {
    let answer = answer.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut asked = [0; 16_384];
                while let Ok(length @ 1..) = stream.read(&mut asked).await {
                    // A command is an array, and no argument of ours begins with a star.
                    let commands = asked[..length].iter().filter(|b| **b == b'*').count();
                    let answers = answer.repeat(commands);
                    if stream.write_all(answers.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn an_address_that_is_none_is_named() {
    for url in ["redis://", "http://localhost", "redis://host:port"] {
        let said = wrong_in_any_case(url).await;
        assert!(said.contains("redis://HOST"), "{said}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = Redis::start();
    let secured = ["CONFIG", "SET", "requirepass", "right"];
    redis(&server.url(), &secured).await;
    let at = server.address();
    for url in [
        format!("redis://{at}"),
        format!("redis://:wrong-secret@{at}"),
        format!("redis://nobody:wrong-secret@{at}"),
    ] {
        let said = wrong_in_any_case(&url).await;
        assert!(said.contains("refuses the login"), "{said}");
        assert!(
            said.contains("PASSWORD@HOST") && said.contains(&at.to_string()),
            "{said}"
        );
        assert!(!said.contains("wrong-secret"), "{said}");
    }
    let right = options(&format!("redis://:right@{at}"));
    RedisCache::open(right, Random::seeded(1)).await.unwrap();
}

#[tokio::test]
async fn a_user_without_permissions_is_told_which_are_missing() {
    let server = Redis::start();
    let user = [
        "ACL", "SETUSER", "poor", "on", ">secret", "~tg:*", "+@read", "+info",
    ];
    redis(&server.url(), &user).await;
    let said = wrong_in_any_case(&format!("redis://poor:secret@{}", server.address())).await;
    assert!(said.contains("script"), "{said}");
}

#[tokio::test]
async fn another_service_is_not_taken_for_redis() {
    let http = answering("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let said = wrong_in_any_case(&format!("redis://{http}")).await;
    assert!(said.contains("does not speak Redis' protocol"), "{said}");
    let nothing = answering("$2\r\nhi\r\n").await;
    let said = wrong_in_any_case(&format!("redis://{nothing}")).await;
    assert!(said.contains("does not say its version"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    let info = "redis_version:5.0.7\r\nrole:master\r\n";
    let old = answering(&format!("${}\r\n{info}\r\n", info.len())).await;
    let said = wrong_in_any_case(&format!("redis://{old}")).await;
    assert!(
        said.contains("5.0") && said.contains("6.2") && said.contains("Valkey"),
        "{said}"
    );
}

#[tokio::test]
async fn a_replica_is_refused() {
    let (primary, replica) = (Redis::start(), Redis::start());
    let port = primary.address().port().to_string();
    redis(&replica.url(), &["REPLICAOF", "127.0.0.1", &port]).await;
    let said = wrong_in_any_case(&replica.url()).await;
    assert!(
        said.contains("replica") && said.contains("primary"),
        "{said}"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = RedisOptions {
        connect_timeout: Duration::from_millis(50),
        ..RedisOptions::url(format!("redis://{}", listener.local_addr().unwrap()))
    };
    let refused = RedisCache::open(options, Random::seeded(1))
        .await
        .err()
        .unwrap();
    let kinds = [StoreErrorKind::Timeout, StoreErrorKind::Unavailable];
    assert!(kinds.contains(&refused.kind), "{refused}");
}

#[tokio::test]
async fn a_server_that_comes_later_is_used_when_it_is_there() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let refused = refusal(&url).await;
    assert_eq!(refused.kind, StoreErrorKind::Unavailable);
    assert!(refused.message.contains("start Redis"), "{refused}");
    let mut server = Redis::start();
    server.kill();
    let cache = RedisCache::open_or_wait(options(&server.url()), Random::seeded(1))
        .await
        .unwrap();
    let failed = cache.get(&uids(&["s"])).await.unwrap_err();
    assert_eq!(failed.kind, StoreErrorKind::Unavailable, "{failed}");
    server.restart();
    until("the cache", async || cache.get(&uids(&["s"])).await.is_ok()).await;
}

#[tokio::test]
async fn health_names_the_engine_and_what_to_set() {
    let server = Redis::start();
    let cache = RedisCache::open(options(&server.url()), Random::seeded(1))
        .await
        .unwrap();
    let said = cache.health().await.unwrap();
    assert!(said.contains("set maxmemory"), "{said}");
    redis(&server.url(), &["CONFIG", "SET", "maxmemory", "64mb"]).await;
    let said = cache.health().await.unwrap();
    assert!(said.contains("noeviction: set allkeys-lru"), "{said}");
    redis(
        &server.url(),
        &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"],
    )
    .await;
    let said = cache.health().await.unwrap();
    assert!(
        said.starts_with("Redis ") || said.starts_with("Valkey "),
        "{said}"
    );
    assert!(said.ends_with("of 64.00M used, allkeys-lru"), "{said}");
}
