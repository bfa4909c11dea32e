//! A PostgreSQL that refuses, goes and comes back: what is said, and that nobody has to help.
//!
//! Stores wait an hour for a connection here, so that whoever waits instead of asking for the
//! reason never ends.

use std::sync::Arc;
use std::time::Duration;

use turngraph::domain::Uid;
use turngraph::stores::migration::SchemaMigrator;
use turngraph::stores::postgres::{PgMigrator, PgOptions, PgRecordStore};
use turngraph::stores::{RecordStore, StoreError, StoreErrorKind};

use super::{Server, run, stderr, stdout};
use crate::support::postgres::Private;
use crate::support::rows::{session, uid, uids};

fn patient(url: &str) -> PgOptions {
    PgOptions {
        max_connections: 3,
        acquire_timeout: Duration::from_secs(3600),
        ..PgOptions::url(url)
    }
}

async fn open(url: &str) -> StoreError {
    let opened = PgRecordStore::open(&patient(url)).await;
    opened.expect_err("nobody can connect")
}

/// Lets role `me` in by password only, over the network.
async fn ask_for_passwords(server: &Private) {
    let mut admin = server.connect("turngraph").await;
    let file: String = sqlx::query_scalar("show hba_file")
        .fetch_one(&mut admin)
        .await
        .unwrap();
    let rules = "values ('host all me all scram-sha-256'), ('host all all all trust')";
    let sql = format!(
        "create role me login password 'right';
         copy (select * from ({rules}) as rules) to '{file}';
         select pg_reload_conf()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut admin)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_refused_address_says_at_once_why_and_what_to_do() {
    let mut server = Private::start(&[]);
    let good = server.migrated().await;
    ask_for_passwords(&server).await;
    let with = |user: &str, database: &str| {
        let at = server.address();
        format!("postgres://{user}@{at}/{database}")
    };
    // The server reads its new rules a moment after it was told.
    let wrong = loop {
        match PgRecordStore::open(&patient(&with("me:wrong", "turngraph"))).await {
            Err(error) if error.message.contains("password") => break error,
            _ => tokio::task::yield_now().await,
        }
    };
    let cases = [
        (
            wrong,
            ["password authentication failed", "correct user (me)"],
        ),
        (
            open(&with("nobody", "turngraph")).await,
            ["role \"nobody\" does not exist", "correct user (nobody)"],
        ),
        (
            open(&with("postgres", "elsewhere")).await,
            ["database \"elsewhere\" does not exist", "createdb"],
        ),
    ];
    for (error, says) in &cases {
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        for words in says {
            assert!(error.message.contains(words), "{words:?}: {error}");
        }
        assert!(
            !error.message.contains("wrong"),
            "the password is not shown: {error}"
        );
    }
    server.stop();
    let at = server.address().to_string();
    let gone = open(&good).await;
    let migrator = PgMigrator::new(&good).unwrap();
    let unmigrated = migrator.status().await.unwrap_err();
    for error in [gone, unmigrated] {
        let says = format!("nothing listens at {at}; start PostgreSQL there");
        assert!(error.message.contains(&says), "{error}");
    }
    let doctor = run(&["doctor", "--record", &good, "--listen", "127.0.0.1:0"]);
    let says = format!("nothing listens at {at}");
    assert_eq!(
        stdout(&doctor).matches(&says).count(),
        1,
        "{}",
        stdout(&doctor)
    );
    let serve = run(&["serve", "--record", &good]);
    assert_eq!(
        stderr(&serve).matches(&says).count(),
        1,
        "{}",
        stderr(&serve)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_is_told_to_all_who_wait_and_found_again_when_it_is_back() {
    let mut server = Private::start(&[]);
    let url = server.migrated().await;
    let store = Arc::new(PgRecordStore::open(&patient(&url)).await.unwrap());
    let mut transaction = store.begin().await.unwrap();
    let row = session("alice", "s");
    transaction.session_insert(&row).await.unwrap().unwrap();
    transaction.commit().await.unwrap();
    let all_ask = async || {
        let tasks: Vec<_> = (0..12)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let found = store.sessions_by_uid(&uid("alice"), &uids(&["s"])).await;
                    found.map(|rows| rows.into_iter().map(|row| row.uid).collect::<Vec<Uid>>())
                })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        answers
    };
    for abrupt in [false, true] {
        assert!(all_ask().await.iter().all(Result::is_ok));
        if abrupt {
            server.kill();
        } else {
            server.stop();
        }
        for _ in 0..2 {
            for answer in all_ask().await {
                let error = answer.expect_err("the server is gone");
                assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
            }
        }
        let begun = store.begin().await.err().expect("the server is gone");
        assert!(begun.message.contains("nothing listens"), "{begun}");
        assert_eq!(
            store.health().await.unwrap_err().kind,
            StoreErrorKind::Unavailable
        );
        server.start_again();
        while let Err(error) = store.health().await {
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        }
        for answer in all_ask().await {
            assert_eq!(answer.unwrap(), uids(&["s"]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_program_answers_during_an_outage_and_recovers_by_itself() {
    let mut server = Private::start(&[]);
    let url = server.migrated().await;
    let program = Server::start(
        &["serve", "--record", &url, "--listen", "127.0.0.1:0"],
        "listening",
    );
    let query = "{ sessions { totalCount { count } } }";
    let ready = async || {
        let asked = reqwest::get(format!("{}/health/ready", program.url)).await;
        asked.unwrap().status().as_u16()
    };
    assert_eq!(
        program.ask(query).await["data"]["sessions"]["totalCount"]["count"],
        0
    );
    assert_eq!(ready().await, 200);
    server.stop();
    for _ in 0..3 {
        let answer = program.ask(query).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "STORE_UNAVAILABLE", "{answer}");
        assert_eq!(error["extensions"]["retryable"], true, "{answer}");
    }
    let create = "mutation { createSession(input: {}) { session { uid } userErrors { code } } }";
    let answer = program.ask(create).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "STORE_UNAVAILABLE",
        "{answer}"
    );
    assert_eq!(ready().await, 503);
    server.start_again();
    while ready().await != 200 {}
    let answer = program.ask(create).await;
    assert!(
        answer["data"]["createSession"]["session"]["uid"].is_string(),
        "{answer}"
    );
    assert_eq!(
        program.ask(query).await["data"]["sessions"]["totalCount"]["count"],
        1
    );
}

#[tokio::test]
async fn a_standby_is_no_record_store_until_it_is_promoted() {
    let mut server = Private::start(&[]);
    let url = server.migrated().await;
    let mut admin = server.connect("turngraph").await;
    let data: String = sqlx::query_scalar("show data_directory")
        .fetch_one(&mut admin)
        .await
        .unwrap();
    drop(admin);
    let store = PgRecordStore::open(&patient(&url)).await.unwrap();
    store.health().await.unwrap();
    server.stop();
    std::fs::write(std::path::Path::new(&data).join("standby.signal"), "").unwrap();
    server.start_again();
    // At start, and to a store that was open when its server became one; that may find first that
    // its connections are gone.
    let later = loop {
        let error = store.health().await.expect_err("a standby answers nothing");
        if error.message.contains("is a standby") {
            break error;
        }
        tokio::task::yield_now().await;
    };
    for error in [open(&url).await, later] {
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert!(error.message.contains("is a standby"), "{error}");
        assert!(error.message.contains("promote"), "{error}");
    }
    let replica = PgOptions {
        standby: true,
        ..patient(&url)
    };
    let replica = PgRecordStore::open(&replica).await.unwrap();
    replica.health().await.unwrap();
    let mut admin = server.connect("turngraph").await;
    sqlx::query("select pg_promote()")
        .execute(&mut admin)
        .await
        .unwrap();
    while store.health().await.is_err() {
        tokio::task::yield_now().await;
    }
}
