//! The program on PostgreSQL, Cassandra and Redis at once, as an operator runs it.

mod doctor;
mod erasure;
mod feeds;
mod metrics;
mod wrong;

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Server, run, stderr};
use crate::support::cassandra::Keyspace;
use crate::support::postgres::Private;
use crate::support::redis::Redis;

/// How long anything may take on a machine that builds and tests at once.
const PATIENCE: Duration = Duration::from_secs(180);

/// Three stores, and settings that name them. Nothing but `migrate up` was run.
pub(super) struct Stores {
    pub(super) postgres: Private,
    pub(super) keyspace: Keyspace,
    pub(super) redis: Redis,
}

impl Stores {
    pub(super) async fn new() -> Self {
        let stores = Self::unmigrated().await;
        let up = run(&stores.with(&["migrate", "up"]));
        assert!(up.status.success(), "{}", stderr(&up));
        stores
    }

    pub(super) async fn unmigrated() -> Self {
        let postgres = Private::start(&[]);
        let mut connection = postgres.connect("postgres").await;
        let create = sqlx::raw_sql("create database turngraph");
        create.execute(&mut connection).await.unwrap();
        Self {
            postgres,
            keyspace: Keyspace::new().await,
            redis: Redis::start(),
        }
    }

    pub(super) fn record(&self) -> String {
        self.postgres.url("turngraph")
    }

    pub(super) fn cql(&self) -> String {
        let contact = self.keyspace.contact();
        format!("cql://{contact}/{}?timeout_ms=20000", self.keyspace.name())
    }

    /// A command with the addresses of all stores.
    pub(super) fn command(&self, arguments: &[&str]) -> Vec<String> {
        let stores = [
            ("--record", self.record()),
            ("--cql", self.cql()),
            ("--redis", self.redis.url()),
            ("--listen", "127.0.0.1:0".to_owned()),
        ];
        let given = arguments.iter().map(|text| (*text).to_owned());
        let named = stores
            .into_iter()
            .filter(|(name, _)| !arguments.contains(name));
        given
            .chain(named.flat_map(|(name, url)| [name.to_owned(), url]))
            .collect()
    }

    /// The same, for those who borrow.
    pub(super) fn with(&self, arguments: &[&str]) -> Vec<&'static str> {
        let command = self.command(arguments).into_iter();
        command.map(|text| &*text.leak()).collect()
    }

    /// Waits until a server reads the first generation of the projections.
    pub(super) async fn projections_are_read(&self, server: &Server) {
        let until = Instant::now() + PATIENCE;
        loop {
            let page = server.page("/health/deps").await;
            if page.contains("; generation 1") {
                return;
            }
            assert!(Instant::now() < until, "{page}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Empties Redis.
    pub(super) async fn flush_redis(&self) {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let flush = redis::cmd("FLUSHALL");
        let flushed = flush.query_async::<()>(&mut connection).await;
        flushed.unwrap();
    }

    /// A server that keeps its copies up to date itself.
    pub(super) fn serve(&self) -> Server {
        Server::start(&self.with(&["serve", "--with-projector"]), "listening")
    }
}

/// Asks until the answer is as wanted; the last one.
pub(super) async fn ask_until(
    server: &Server,
    query: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = server.ask(query).await;
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < until, "{query} is still {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Stores that an answer came from.
pub(super) fn sources(answer: &Value) -> Vec<&str> {
    let reads = answer["extensions"]["turngraph"]["reads"].as_array();
    let reads = reads.into_iter().flatten();
    reads.filter_map(|read| read["source"].as_str()).collect()
}
