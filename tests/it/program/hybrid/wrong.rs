//! Wrong configuration is said at the start, with what to do; a store that is only away is waited
//! for.

use super::Stores;
use crate::program::{Server, run, stderr};
use crate::support::postgres::Private;
use crate::support::redis::Redis;

/// Ends at once with the code of a wrong configuration, and says these words.
fn refused(arguments: &[&str], says: &[&str]) {
    let output = run(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{arguments:?}: {said}");
    for words in says {
        assert!(said.contains(words), "{words:?}: {said}");
    }
}

pub(super) async fn database(server: &Private) -> String {
    let mut connection = server.connect("postgres").await;
    let create = sqlx::raw_sql("create database turngraph");
    create.execute(&mut connection).await.unwrap();
    let url = server.url("turngraph");
    assert!(run(&["migrate", "up", "--record", &url]).status.success());
    url
}

#[tokio::test]
async fn a_redis_that_is_postgresql_is_refused_and_one_that_is_away_is_waited_for() {
    let server = Private::start(&[]);
    let record = database(&server).await;
    let not_redis = format!("redis://{}", server.address());
    let with = ["--record", &record, "--listen", "127.0.0.1:0", "--redis"];
    for command in ["serve", "project"] {
        let arguments = [&[command], &with[..], &[&not_redis]].concat();
        refused(&arguments, &["is PostgreSQL, not Redis", "redis://HOST"]);
    }
    // Nothing listens there, now.
    let mut redis = Redis::start();
    redis.kill();
    let away = redis.url();
    let arguments = [&["serve"], &with[..], &[&away]].concat();
    let running = Server::start(&arguments, "listening");
    let answer = running.ask("{ viewer { uid } }").await;
    assert_eq!(answer["data"]["viewer"]["uid"], "demo");
    assert_eq!(running.page("/health/ready").await, "ready\n");
}

#[tokio::test]
async fn a_feed_that_cannot_be_set_up_is_said_at_the_start() {
    let without_log = Private::start(&["wal_level=replica"]);
    let record = database(&without_log).await;
    let redis = Redis::start();
    let url = redis.url();
    let rest = ["--redis", &url, "--listen", "127.0.0.1:0"];
    for command in [&["project"][..], &["serve", "--with-projector"]] {
        let arguments = [command, &["--record", &record, "--feed", "pgoutput"], &rest].concat();
        refused(
            &arguments,
            &[
                "`wal_level` is `replica`",
                "alter system set wal_level = logical",
            ],
        );
    }
    let sqlite = [
        "project",
        "--record",
        "sqlite://./nowhere.db",
        "--feed",
        "pgoutput",
    ];
    let output = run(&[&sqlite[..], &rest].concat());
    assert!(!output.status.success());

    let server = Private::start(&[]);
    let record = database(&server).await;
    let mut admin = server.connect("turngraph").await;
    let sql = "create role worker login; grant pg_read_all_data, pg_write_all_data to worker";
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    let as_worker = record.replace("postgres://postgres@", "postgres://worker@");
    let arguments = [&["project", "--record", &as_worker], &rest[..]].concat();
    refused(&arguments, &["alter role", "replication"]);
    let sql = "drop publication turngraph";
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    let arguments = [&["project", "--record", &record], &rest[..]].concat();
    refused(
        &arguments,
        &["there is no publication", "create publication"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyspace_that_is_not_there_or_not_ours_is_refused() {
    let stores = Stores::unmigrated().await;
    let record = stores.record();
    assert!(
        run(&["migrate", "up", "--record", &record])
            .status
            .success()
    );
    let contact = stores.keyspace.contact();
    let missing = format!("cql://{contact}/not_there?timeout_ms=20000");
    for command in ["serve", "project"] {
        refused(
            &stores.with(&[command, "--cql", &missing]),
            &["there is no keyspace `not_there`", "turngraph migrate up"],
        );
        // It is there, and has nothing of ours.
        refused(
            &stores.with(&[command]),
            &["lacks turngraph's tables", "turngraph migrate up"],
        );
    }
}
