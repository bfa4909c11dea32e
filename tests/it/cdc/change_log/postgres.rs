//! What only PostgreSQL can run into: transactions that stay open, foreign rows, triggers that
//! come and go.

use sqlx::Connection;
use turngraph::cdc::{ChangeFeed, FeedErrorKind, FeedEvent};
use turngraph::domain::Change;

use super::{names, now, open, told_until};
use crate::stores::source::postgres_fixture;
use crate::support::postgres::Database;
use crate::support::rows::session;

#[tokio::test]
async fn a_long_transaction_delays_what_comes_after_it_and_is_named() {
    let f = postgres_fixture().await;
    let mut feed = open(&f.log).await;
    let mut other = f.beside().await;
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut other)
        .await
        .unwrap();
    let begun = "begin; insert into sessions (uid, account_uid) values ('long', 'bob')";
    sqlx::raw_sql(begun).execute(&mut other).await.unwrap();
    let commit = f.record.add_sessions(&[session("alice", "a")]).await;

    // The place of the commit is not reached, however often the feed looks.
    let mark = f.log.log_look(None).await.unwrap().mark.unwrap();
    assert!(mark.position.value >= commit.value && mark.finished < mark.until);
    let delays = f.log.log_delays(mark.until).await.unwrap();
    // Transactions of other tests, in other databases of the server, count too.
    let named = delays.iter().find(|delay| delay.pid == Some(pid)).unwrap();
    assert!(named.age.is_some());
    let waited = tokio::time::timeout(std::time::Duration::from_millis(300), async {
        loop {
            match feed.next().await.unwrap() {
                FeedEvent::Commit { position, .. } | FeedEvent::Idle { position, .. } => {
                    assert!(position < commit.value);
                }
                told => panic!("{told:?}"),
            }
        }
    });
    waited.await.unwrap_err();

    sqlx::raw_sql("commit").execute(&mut other).await.unwrap();
    let (changes, _) = told_until(&mut feed, now(&f).await).await;
    assert_eq!(names(&changes), ["session long", "session a"]);
    let delays = f.log.log_delays(mark.until).await.unwrap();
    assert!(delays.iter().all(|delay| delay.pid != Some(pid)));
}

#[tokio::test]
async fn foreign_rows_are_told_when_they_have_numbers_and_purges_when_they_go() {
    let f = postgres_fixture().await;
    let mut feed = open(&f.log).await;
    let engine = &f.record.engine;
    engine
        .run(
            "insert into sessions (uid, account_uid) values ('s', 'alice');
             insert into human_turns (uid, session_uid, prompt) values ('h', 's', 'hi');
             insert into agent_turns (uid, session_uid, parent_uid) values ('a', 's', 'h');
             insert into steps (agent_turn_uid, idx, tpe, content) values ('a', 0, 1, '{}');",
        )
        .await;
    let (changes, _) = told_until(&mut feed, now(&f).await).await;
    assert_eq!(names(&changes), ["session s", "step a 0"]);
    let Change::Step(step) = &changes[1] else {
        panic!("a step")
    };
    assert_eq!(step.address, None);
    f.record.store.number_pending(10).await.unwrap();
    let (changes, _) = told_until(&mut feed, now(&f).await).await;
    let mut told = names(&changes);
    told.sort();
    assert_eq!(
        told,
        ["numbered s 0-1", "session s", "turn a 1", "turn h 0"]
    );
    engine
        .run("delete from steps; delete from human_turns")
        .await;
    let (changes, _) = told_until(&mut feed, now(&f).await).await;
    assert_eq!(names(&changes), ["purge turn_steps a", "purge turn h"]);
}

#[tokio::test]
async fn a_store_with_rows_from_before_or_a_log_that_was_off_is_a_gap() {
    let f = postgres_fixture().await;
    f.record.add_sessions(&[session("alice", "a")]).await;
    let mut feed = open(&f.log).await;
    assert_eq!(feed.next().await.unwrap_err().kind, FeedErrorKind::Gap);
    f.record.add_sessions(&[session("alice", "b")]).await;
    let (changes, reached) = told_until(&mut feed, now(&f).await).await;
    assert_eq!(names(&changes), ["session b"]);
    feed.acknowledge(reached).await.unwrap();
    drop(feed);

    // Open again without a gap, until recording was off in between.
    let mut feed = open(&f.log).await;
    told_until(&mut feed, now(&f).await).await;
    f.log.log_off().await.unwrap();
    f.record.add_sessions(&[session("alice", "c")]).await;
    let entries = f.log.log_entries((0, 0), i64::MAX, 9).await.unwrap();
    assert_eq!(entries, [], "nothing is recorded");
    let mut feed = open(&f.log).await;
    assert_eq!(feed.next().await.unwrap_err().kind, FeedErrorKind::Gap);
}

#[tokio::test]
async fn a_restored_copy_of_another_server_is_a_gap() {
    let f = postgres_fixture().await;
    let mut feed = open(&f.log).await;
    f.record.add_sessions(&[session("alice", "a")]).await;
    let (_, reached) = told_until(&mut feed, now(&f).await).await;
    feed.acknowledge(reached).await.unwrap();
    let job = "feed:change_log";
    let noted = f.source.progress(job).await.unwrap().unwrap();
    let store = feed.store().to_owned();
    let other = noted.replace(&store, "7412.1");
    assert_ne!(other, noted);
    f.source.set_progress(job, Some(&other)).await.unwrap();
    let mut feed = open(&f.log).await;
    let gap = feed.next().await.unwrap_err();
    assert_eq!(gap.kind, FeedErrorKind::Gap);
    assert!(gap.message.contains("7412.1") && gap.message.contains(&store));
}

#[tokio::test]
async fn recording_can_be_switched_by_the_program_s_role_and_by_nobody_else() {
    let database = Database::migrated();
    let role = format!("stranger_of_{}", database.name());
    crate::support::postgres::server().psql(&format!("create role {role} login"));
    let url = database.url_of(&role);
    let mut stranger = sqlx::PgConnection::connect(&url).await.unwrap();
    let refused = async |connection: &mut sqlx::PgConnection, sql: &'static str| {
        let error = sqlx::raw_sql(sql).execute(connection).await.unwrap_err();
        error.to_string()
    };
    for sql in [
        "select turngraph_change_log_on('sessions')",
        "select turngraph_change_log_off('sessions')",
    ] {
        let text = refused(&mut stranger, sql).await;
        assert!(text.contains("permission denied"), "{text}");
    }
    let mut owner = database.connect().await;
    let text = refused(&mut owner, "select turngraph_change_log_on('pg_class')").await;
    assert!(text.contains("records no changes"), "{text}");
    drop(stranger);
    drop(database);
    crate::support::postgres::server().psql(&format!("drop role {role}"));
}
