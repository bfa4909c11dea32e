//! Migrations that are killed, blocked or left half-done go on where they stopped.

use std::time::Duration;

use turngraph::stores::migration::{SchemaMigrator, UpOptions};
use turngraph::stores::postgres::PgMigrator;

use super::given::{filled, number, run, run_on, up};
use crate::support::postgres::Database;

/// Ends the migration's connection; false when there is none.
const KILL: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and application_name = 'turngraph migrate'";

/// Waits until a query gives true.
async fn wait_for(database: &Database, query: &'static str) {
    let mut connection = database.connect().await;
    loop {
        let met: bool = sqlx::query_scalar(query)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        if met {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Migrates in a task of its own.
fn spawn_up(
    database: &Database,
) -> tokio::task::JoinHandle<turngraph::stores::record::StoreResult<()>> {
    let migrator = PgMigrator::new(&database.url()).unwrap();
    tokio::spawn(async move { migrator.up(UpOptions::default()).await.map(|_| ()) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_killed_after_any_step_goes_on_from_there() {
    let database = filled().await;
    let mut killer = database.connect().await;
    let mut kills = 0;
    loop {
        let started = number(
            &database,
            "select case when to_regclass('turngraph_migrations') is null then 0
             else (xpath('/row/c/text()', query_to_xml(
                'select coalesce(sum(steps_done), 0) as c from turngraph_migrations',
                false, true, '')))[1]::text::bigint end",
        )
        .await;
        let running = spawn_up(&database);
        // Kill it as soon as it has got one step further.
        let done = loop {
            if running.is_finished() {
                break true;
            }
            let exists: bool =
                sqlx::query_scalar("select to_regclass('turngraph_migrations') is not null")
                    .fetch_one(&mut killer)
                    .await
                    .unwrap();
            if exists {
                let steps: i64 = sqlx::query_scalar(
                    "select coalesce(sum(steps_done), 0) from turngraph_migrations",
                )
                .fetch_one(&mut killer)
                .await
                .unwrap();
                if steps > started {
                    sqlx::query(KILL).execute(&mut killer).await.unwrap();
                    break false;
                }
            }
        };
        let outcome = running.await.unwrap();
        if done && outcome.is_ok() {
            break;
        }
        kills += usize::from(outcome.is_err());
        assert!(kills < 200, "no progress");
    }
    assert!(kills > 5, "killed {kills} times only");
    up(&database).await.unwrap();
    assert_eq!(database.schema(), Database::migrated().schema());
    const UNNUMBERED: &str = "select count(*) from human_turns where seq is null";
    assert_eq!(number(&database, UNNUMBERED).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_a_kill_left_invalid_is_built_anew() {
    let database = filled().await;
    // An index that is built concurrently waits for this transaction, which is the moment to kill.
    let mut reader = database.connect().await;
    run_on(&mut reader, "begin isolation level repeatable read")
        .await
        .unwrap();
    run_on(&mut reader, "select count(*) from pg_class")
        .await
        .unwrap();
    let running = spawn_up(&database);
    wait_for(
        &database,
        "select exists (select from pg_index where not indisvalid
            and indexrelid = to_regclass('turngraph_sessions_key'))
         and exists (select from pg_stat_activity where wait_event_type = 'Lock'
            and application_name = 'turngraph migrate' and datname = current_database())",
    )
    .await;
    assert_eq!(number(&database, KILL).await, 1);
    running.await.unwrap().unwrap_err();
    run_on(&mut reader, "commit").await.unwrap();
    up(&database).await.unwrap();
    assert_eq!(database.schema(), Database::migrated().schema());
    const INVALID: &str = "select count(*) from pg_index where not indisvalid";
    assert_eq!(number(&database, INVALID).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_report_delays_the_migration_and_nobody_behind_it() {
    let database = filled().await;
    let mut report = database.connect().await;
    run_on(&mut report, "begin; select count(*) from sessions")
        .await
        .unwrap();
    let running = spawn_up(&database);
    // While the migration waits for its lock, other programs read and write all the same.
    wait_for(
        &database,
        "select exists (select from pg_locks l where not l.granted
            and l.relation = 'sessions'::regclass and l.mode = 'AccessExclusiveLock')",
    )
    .await;
    let mut writer = database.connect().await;
    run_on(&mut writer, "set statement_timeout = '5s'")
        .await
        .unwrap();
    for _ in 0..5 {
        run_on(
            &mut writer,
            "update sessions set title = 'written' where uid = 's-1'",
        )
        .await
        .unwrap();
    }
    assert!(!running.is_finished());
    run_on(&mut report, "commit").await.unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(database.schema(), Database::migrated().schema());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_that_comes_during_the_migration_stops_it_until_it_is_gone() {
    let database = filled().await;
    let mut report = database.connect().await;
    run_on(&mut report, "begin; select count(*) from sessions")
        .await
        .unwrap();
    let running = spawn_up(&database);
    // The census is over when the first lock is waited for.
    wait_for(
        &database,
        "select exists (select from pg_locks l where not l.granted
            and l.relation = 'sessions'::regclass and l.mode = 'AccessExclusiveLock')",
    )
    .await;
    run(
        &database,
        "insert into sessions (uid, account_uid) values ('s-1', 'alice')",
    )
    .await;
    run_on(&mut report, "commit").await.unwrap();
    let stopped = running.await.unwrap().unwrap_err();
    assert!(
        stopped.message.contains("unique index of sessions"),
        "{stopped}"
    );
    let refused = up(&database).await.unwrap_err();
    assert!(
        refused
            .message
            .contains("duplicate_key: 1 keys of sessions"),
        "{refused}"
    );
    run(
        &database,
        "delete from sessions where uid = 's-1' and title is null",
    )
    .await;
    up(&database).await.unwrap();
    assert_eq!(database.schema(), Database::migrated().schema());
}
