//! A server that is not ready for a feed: each fault is said at start, with the SQL that mends it,
//! and that SQL mends it.

use turngraph::cdc::postgres::{Finding, PgoutputOptions, check};
use turngraph::cdc::{FeedError, FeedErrorKind};

use super::lab::{Lab, opener};
use crate::support::postgres::Private;

/// The findings that are in the way.
async fn fatal(options: &PgoutputOptions) -> Vec<Finding> {
    let found = check(options).await.unwrap();
    found.into_iter().filter(|finding| finding.fatal).collect()
}

/// The feed's refusal, which `check` must foretell in the same words.
async fn refused(lab: &Lab, options: &PgoutputOptions, problem: &str) -> Finding {
    let found = fatal(options).await;
    let [finding] = &found[..] else {
        panic!("{found:?}");
    };
    assert!(finding.problem.contains(problem), "{finding:?}");
    let error = connect(options).await.expect_err("the feed is refused");
    assert_eq!(error.kind, FeedErrorKind::Setup, "{error}");
    assert!(error.message.contains(&finding.mend), "{error}");
    assert_eq!(slots(lab).await, 0, "a refused feed leaves no slot behind");
    finding.clone()
}

async fn connect(options: &PgoutputOptions) -> Result<(), FeedError> {
    opener(options)?.open(None, false).await.map(drop)
}

async fn slots(lab: &Lab) -> i64 {
    let slot = &lab.slot;
    lab.number(&format!(
        "select count(*) from pg_replication_slots where slot_name = '{slot}'"
    ))
    .await
}

/// The SQL of a finding, without the words around it.
fn sql(finding: &Finding) -> &str {
    let end = finding.mend.find(';').expect("a statement") + 1;
    &finding.mend[..end]
}

#[tokio::test]
async fn a_publication_that_is_missing_or_incomplete_is_mended_by_the_sql_that_is_named() {
    let lab = Lab::new("cdc_setup").await;
    let options = lab.options();
    assert_eq!(fatal(&options).await, []);

    lab.sql("drop publication turngraph").await;
    let finding = refused(&lab, &options, "there is no publication `turngraph`").await;
    lab.sql(sql(&finding)).await;
    assert_eq!(fatal(&options).await, []);

    lab.sql("alter publication turngraph drop table steps")
        .await;
    let finding = refused(&lab, &options, "does not have table steps").await;
    lab.sql(sql(&finding)).await;

    lab.sql("alter publication turngraph set (publish = 'insert')")
        .await;
    let finding = refused(&lab, &options, "leaves out a kind of change").await;
    lab.sql(sql(&finding)).await;

    lab.sql("alter table sessions replica identity nothing")
        .await;
    let finding = refused(&lab, &options, "table sessions has no replica identity").await;
    lab.sql(sql(&finding)).await;

    lab.sql("alter publication turngraph set table sessions where (deleted_at is null), human_turns, agent_turns, steps, purge_log, projection_jobs")
        .await;
    refused(&lab, &options, "leaves out rows of table sessions").await;
    lab.sql("alter publication turngraph set table sessions, human_turns, agent_turns, steps, purge_log, projection_jobs")
        .await;
    assert_eq!(fatal(&options).await, []);
    lab.feed(None).await.close().await;
}

#[tokio::test]
async fn a_role_that_may_not_replicate_is_named_with_the_statement_that_lets_it() {
    let lab = Lab::new("cdc_role").await;
    lab.sql(
        "create role reader login; grant usage on schema public to reader;
         grant select on all tables in schema public to reader",
    )
    .await;
    let options = PgoutputOptions {
        url: lab.url.replace("postgres@", "reader@"),
        ..lab.options()
    };
    let found = fatal(&options).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].mend.contains("alter role \"reader\" replication;"),
        "{found:?}"
    );
    let error = connect(&options).await.unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Setup, "{error}");
    assert!(
        error.message.contains("alter role \"reader\" replication;"),
        "{error}"
    );
    lab.sql("alter role \"reader\" replication").await;
    assert_eq!(fatal(&options).await, []);
    connect(&options).await.unwrap();

    let nobody = PgoutputOptions {
        url: lab.url.replace("postgres@", "nobody@"),
        ..lab.options()
    };
    let error = check(&nobody).await.unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Setup);
    assert!(error.message.contains("refuses role nobody"), "{error}");
}

#[tokio::test]
async fn a_server_without_logical_wal_or_room_for_a_slot_is_told_apart() {
    let mut server = Private::start(&["wal_level=replica", "max_replication_slots=1"]);
    let lab = Lab::on(&server).await;
    let options = lab.options();
    let finding = refused(&lab, &options, "`wal_level` is `replica`").await;
    assert!(
        finding
            .mend
            .contains("alter system set wal_level = logical"),
        "{finding:?}"
    );

    server.stop();
    server.set("wal_level=logical");
    server.start_again();
    assert_eq!(fatal(&options).await, []);
    lab.sql("select pg_create_physical_replication_slot('other')")
        .await;
    let finding = refused(&lab, &options, "all 1 replication slots are taken").await;
    assert!(
        finding.mend.contains("max_replication_slots"),
        "{finding:?}"
    );
    lab.sql("select pg_drop_replication_slot('other')").await;
    connect(&options).await.unwrap();

    let warnings = check(&options).await.unwrap();
    let limit = warnings
        .iter()
        .find(|w| w.problem.contains("max_slot_wal_keep_size"));
    assert!(limit.is_some_and(|w| !w.fatal), "{warnings:?}");
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_worth_another_try() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let options = PgoutputOptions::url(format!("postgres://postgres@{address}/x"));
    let error = connect(&options).await.unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Retry, "{error}");
    let wrong = PgoutputOptions {
        slot: "Not A Slot".to_owned(),
        ..options
    };
    assert_eq!(
        connect(&wrong).await.unwrap_err().kind,
        FeedErrorKind::Setup
    );
}
