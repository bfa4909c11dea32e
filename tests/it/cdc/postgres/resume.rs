//! Where a feed goes on: after a break, a crash, another reader, and where it must not go on.

use std::time::Duration;

use turngraph::cdc::postgres::Start;
use turngraph::cdc::{ChangeFeed, FeedErrorKind, FeedEvent};
use turngraph::domain::Position;
use turngraph::domain::change::Change;
use turngraph::stores::RecordStore;

use super::lab::{Lab, commits, insert_session, next, place, sessions, until, until_error};
use crate::support::postgres::Private;
use crate::support::rows::session;

#[tokio::test]
async fn only_what_is_committed_is_told_and_in_the_order_of_commits() {
    let lab = Lab::new("cdc_commits").await;
    let mut feed = lab.feed(None).await;
    assert_eq!(feed.start(), Start::New);
    let mut first = lab.connection().await;
    let run = |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
    run(format!("begin; {}", insert_session("slow")))
        .execute(&mut first)
        .await
        .unwrap();
    lab.sql(insert_session("fast")).await;
    lab.sql(format!("begin; {} rollback", insert_session("never")))
        .await;
    run("commit".to_owned()).execute(&mut first).await.unwrap();
    let events = lab.told(&mut feed).await;
    assert_eq!(sessions(&events), ["fast", "slow"]);
    let places: Vec<_> = events.iter().filter_map(place).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(commits(&events).len(), 2);
    feed.close().await;
}

#[tokio::test]
async fn positions_name_the_same_store_as_tokens_of_commits_and_reach_them() {
    let lab = Lab::new("cdc_tokens").await;
    let mut feed = lab.feed(None).await;
    let store = lab.store().await;
    let mut transaction = store.begin().await.unwrap();
    transaction
        .session_insert(&session("alice", "s"))
        .await
        .unwrap();
    let token = transaction.commit().await.unwrap();
    assert_eq!(feed.store(), token.store);
    let events = until(&mut feed, |e| place(e).is_some_and(|at| at >= token.value)).await;
    assert_eq!(sessions(&events), ["s"]);
    feed.close().await;
}

#[tokio::test]
async fn what_was_told_and_not_acknowledged_is_told_again_from_its_beginning() {
    let lab = Lab::new("cdc_again").await;
    let mut feed = lab.feed(None).await;
    lab.sql(insert_session("a")).await;
    let events = until(&mut feed, |e| matches!(e, FeedEvent::Commit { .. })).await;
    let applied = place(events.last().unwrap()).unwrap();
    feed.acknowledge(applied).await.unwrap();
    // Received and not applied: two transactions, and a part of a third.
    lab.sql(insert_session("b")).await;
    lab.sql(insert_session("c")).await;
    lab.sql(format!(
        "begin; {} {} commit",
        insert_session("d1"),
        insert_session("d2")
    ))
    .await;
    let is = |key: &'static str| move |event: &FeedEvent| matches!(event, FeedEvent::Change(Change::Session(s)) if s.row.uid.as_str() == key);
    until(&mut feed, is("d1")).await;
    let resume_from = Position {
        store: feed.store().to_owned(),
        value: applied,
    };
    drop(feed);
    let mut feed = lab.feed(Some(resume_from)).await;
    assert_eq!(feed.start(), Start::Resumed);
    let events = lab.told(&mut feed).await;
    assert_eq!(sessions(&events), ["b", "c", "d1", "d2"]);
    feed.close().await;
}

#[tokio::test]
async fn a_server_that_dies_is_connected_to_again_and_nothing_is_lost() {
    let mut server = Private::start(&["fsync=on"]);
    let lab = Lab::on(&server).await;
    let mut feed = lab.feed(None).await;
    lab.sql(insert_session("a")).await;
    let events = until(&mut feed, |e| matches!(e, FeedEvent::Commit { .. })).await;
    feed.acknowledge(place(events.last().unwrap()).unwrap())
        .await
        .unwrap();
    lab.sql(insert_session("b")).await;
    server.kill();
    let (_, error) = until_error(&mut feed).await;
    assert_eq!(error.kind, FeedErrorKind::Retry, "{error}");
    let (_, error) = until_error(&mut feed).await;
    assert_eq!(error.kind, FeedErrorKind::Retry, "{error}");
    server.start_again();
    lab.sql(insert_session("c")).await;
    let here = lab.here().await;
    let mut told = Vec::new();
    loop {
        // A slot of the dead server's reader, or the end of a recovery, may be in the way for a
        // moment.
        match next(&mut feed).await {
            Ok(event) => told.push(event),
            Err(error) => assert_eq!(error.kind, FeedErrorKind::Retry, "{error}"),
        }
        if told.last().and_then(place).is_some_and(|at| at >= here) {
            break;
        }
    }
    let mut keys = sessions(&told);
    keys.dedup();
    assert_eq!(keys, ["b", "c"]);
    feed.close().await;
}

#[tokio::test]
async fn a_reader_who_often_looks_away_loses_nothing_even_while_connecting() {
    let lab = Lab::new("cdc_select").await;
    let mut feed = lab.feed(None).await;
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_replication
        where pid = (select active_pid from pg_replication_slots where slot_name = 'cdc_select')";
    assert_eq!(lab.number(end).await, 1);
    for n in 0..50 {
        lab.sql(insert_session(&format!("s{n:02}"))).await;
    }
    let here = lab.here().await;
    let mut told = Vec::new();
    let reading = async {
        while told.last().and_then(place).is_none_or(|at| at < here) {
            let looked_away = tokio::time::sleep(Duration::from_micros(300));
            tokio::select! {
                biased;
                event = feed.next() => match event {
                    Ok(event) => told.push(event),
                    Err(error) => assert_eq!(error.kind, FeedErrorKind::Retry, "{error}"),
                },
                () = looked_away => {}
            }
        }
    };
    tokio::time::timeout(super::lab::PATIENCE, reading)
        .await
        .unwrap();
    let expected: Vec<_> = (0..50).map(|n| format!("s{n:02}")).collect();
    let mut keys = sessions(&told);
    keys.sort();
    keys.dedup();
    assert_eq!(keys, expected);
    feed.close().await;
}

#[tokio::test]
async fn of_two_readers_one_waits_and_goes_on_where_the_other_stopped() {
    let lab = Lab::new("cdc_two").await;
    let mut first = lab.feed(None).await;
    let begun = first.acknowledged().clone();
    let waiting = lab.try_feed(Some(begun)).await.err().unwrap();
    assert_eq!(waiting.kind, FeedErrorKind::Retry);
    assert!(
        waiting.message.contains("another program reads"),
        "{waiting}"
    );
    lab.sql(insert_session("a")).await;
    let events = lab.told(&mut first).await;
    assert_eq!(sessions(&events), ["a"]);
    first
        .acknowledge(place(events.last().unwrap()).unwrap())
        .await
        .unwrap();
    let applied = first.acknowledged().clone();
    first.close().await;
    lab.sql(insert_session("b")).await;
    let mut second = lab.feed(Some(applied)).await;
    assert_eq!(sessions(&lab.told(&mut second).await), ["b"]);
    second.close().await;
}

#[tokio::test]
async fn a_slot_that_was_dropped_or_read_by_somebody_else_is_a_gap_and_a_new_start() {
    let lab = Lab::new("cdc_gap").await;
    let mut feed = lab.feed(None).await;
    lab.sql(insert_session("a")).await;
    let told = lab.told(&mut feed).await;
    let applied = feed.acknowledged().clone();
    feed.acknowledge(place(told.last().unwrap()).unwrap())
        .await
        .unwrap();
    let moved = feed.acknowledged().clone();
    // The slot learns of it before the connection ends.
    let confirmed = "select (confirmed_flush_lsn - '0/0')::bigint from pg_replication_slots
        where slot_name = 'cdc_gap'";
    while lab.number(confirmed).await.cast_unsigned() < moved.value {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    feed.close().await;

    let opener = lab.opener();
    let ahead = opener.open(Some(applied), false).await.err().unwrap();
    assert_eq!(ahead.kind, FeedErrorKind::Gap, "{ahead}");
    assert!(ahead.message.contains("further than"), "{ahead}");

    lab.sql("select pg_drop_replication_slot('cdc_gap')").await;
    let gone = opener.open(Some(moved.clone()), false).await.err().unwrap();
    assert_eq!(gone.kind, FeedErrorKind::Gap, "{gone}");
    assert!(gone.message.contains("is gone"), "{gone}");

    let mut feed = opener.open(Some(moved.clone()), true).await.unwrap();
    assert_eq!(feed.start(), Start::New);
    lab.sql(insert_session("b")).await;
    assert_eq!(sessions(&lab.told(&mut feed).await), ["b"]);
    feed.close().await;
    // Nothing was acknowledged since: the caller's note is still that of before the gap, and what
    // the new slot told is told again, even where the caller would give it up.
    for anew in [false, true] {
        let mut feed = opener.open(Some(moved.clone()), anew).await.unwrap();
        assert_eq!(feed.start(), Start::Resumed);
        assert_eq!(sessions(&lab.told(&mut feed).await), ["b"]);
        feed.close().await;
    }
}

#[tokio::test]
async fn another_cluster_and_a_restored_one_are_gaps() {
    let lab = Lab::new("cdc_cluster").await;
    let feed = lab.feed(None).await;
    let begun = feed.acknowledged().clone();
    feed.close().await;
    let (_, timeline) = begun.store.split_once('.').unwrap();
    let other = Position {
        store: format!("1.{timeline}"),
        ..begun
    };
    let error = lab.try_feed(Some(other)).await.err().unwrap();
    assert_eq!(error.kind, FeedErrorKind::Gap);
    assert!(
        error.message.contains("another database cluster"),
        "{error}"
    );
    let ahead = Position {
        value: begun.value + (1 << 40),
        ..begun
    };
    let error = lab.try_feed(Some(ahead)).await.err().unwrap();
    assert_eq!(error.kind, FeedErrorKind::Gap);
    assert!(error.message.contains("restored from a backup"), "{error}");
}
