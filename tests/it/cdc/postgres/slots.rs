//! The slot: how it moves on while nothing happens, what is seen of it, and what becomes of a feed
//! whose slot is lost.

use turngraph::cdc::postgres::{WalStatus, slot_status};
use turngraph::cdc::{ChangeFeed, FeedErrorKind, FeedEvent};

use super::lab::{Lab, PATIENCE, insert_session, next, place, sessions, until, until_error};
use crate::support::postgres::Private;

/// Makes the server write a lot of log that the feed does not follow.
const BUSY: &str = "create table if not exists elsewhere (text text);
    insert into elsewhere select repeat(md5(n::text), 30) from generate_series(1, 3000) n";

#[tokio::test]
async fn while_only_other_tables_and_databases_are_written_the_slot_moves_and_nothing_is_stale() {
    let lab = Lab::new("cdc_quiet").await;
    let other = Lab::new("cdc_quiet_other").await;
    let opener = lab.opener();
    let mut feed = opener.open(None, false).await.unwrap();
    let begun = feed.acknowledged().value;
    let mut as_of = None;
    for _ in 0..3 {
        lab.sql(BUSY).await;
        other.sql(BUSY).await;
        let here = lab.here().await;
        let events = until(&mut feed, |event| place(event).is_some_and(|at| at >= here)).await;
        assert!(
            events
                .iter()
                .all(|event| matches!(event, FeedEvent::Idle { .. }))
        );
        let FeedEvent::Idle {
            position,
            as_of: at,
        } = *events.last().unwrap()
        else {
            unreachable!("only idle events were told");
        };
        assert!(as_of < Some(at) || as_of == Some(at), "time goes on");
        as_of = Some(at);
        feed.acknowledge(position).await.unwrap();
    }
    // Where nobody writes, heartbeats show that nothing is missing.
    let quiet = as_of.unwrap();
    until(
        &mut feed,
        |event| matches!(event, FeedEvent::Idle { as_of, .. } if *as_of > quiet),
    )
    .await;
    let mut status = opener.slot();
    let moved = status.wait_for(|slot| {
        slot.as_ref()
            .is_some_and(|slot| slot.confirmed > begun + 1_000_000)
    });
    let slot = tokio::time::timeout(PATIENCE, moved)
        .await
        .unwrap()
        .unwrap()
        .clone()
        .unwrap();
    assert!(slot.active_pid.is_some());
    assert_eq!(slot.wal_status, Some(WalStatus::Reserved));
    assert_eq!(
        (slot.plugin.as_str(), slot.database.as_str()),
        ("pgoutput", "cdc_quiet")
    );
    feed.close().await;
    let slot = slot_status(&lab.options()).await.unwrap().unwrap();
    assert_eq!(slot.active_pid, None);
}

#[tokio::test]
async fn a_lost_slot_is_seen_and_made_anew_three_times_an_hour() {
    let server = Private::start(&[
        "max_slot_wal_keep_size=1MB",
        "max_wal_size=32MB",
        "min_wal_size=32MB",
    ]);
    let lab = Lab::on(&server).await;
    let opener = lab.opener();
    let mut feed = opener.open(None, false).await.unwrap();
    let noted = feed.acknowledged().clone();
    lab.sql(insert_session("before")).await;
    let told = lab.told(&mut feed).await;
    assert_eq!(sessions(&told), ["before"]);
    for round in 0..4 {
        // Nothing is read or acknowledged while the server writes more than it may keep.
        let mut lost = false;
        for _ in 0..100 {
            lab.sql(format!("{BUSY}; select pg_switch_wal(); checkpoint"))
                .await;
            let slot = slot_status(&lab.options()).await.unwrap().unwrap();
            if slot.wal_status == Some(WalStatus::Lost) {
                lost = slot.is_lost();
                break;
            }
        }
        assert!(lost, "the slot was lost in round {round}");
        let error = gap(&mut feed).await;
        assert!(error.contains("is lost"), "{error}");
        // It does not go on by itself, whatever is tried.
        gap(&mut feed).await;
        feed.close().await;
        let again = opener.open(Some(noted.clone()), false).await.err().unwrap();
        assert_eq!(again.kind, FeedErrorKind::Gap, "{again}");
        let anew = opener.open(Some(noted.clone()), true).await;
        if round == 3 {
            let error = anew.err().unwrap();
            assert_eq!(error.kind, FeedErrorKind::Setup);
            assert!(error.message.contains("max_slot_wal_keep_size"), "{error}");
            return;
        }
        feed = anew.unwrap();
        lab.sql(insert_session(&format!("after{round}"))).await;
        let told = lab.told(&mut feed).await;
        assert_eq!(sessions(&told), [format!("after{round}")]);
    }
}

/// The gap that a feed comes to, after the end of its connection.
async fn gap(feed: &mut turngraph::cdc::postgres::PgoutputFeed) -> String {
    loop {
        let (_, error) = until_error(feed).await;
        match error.kind {
            FeedErrorKind::Gap => return error.message,
            FeedErrorKind::Retry => {}
            FeedErrorKind::Setup => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn more_than_was_told_is_not_acknowledged() {
    let lab = Lab::new("cdc_ack").await;
    let mut feed = lab.feed(None).await;
    let first = loop {
        if let Some(place) = place(&next(&mut feed).await.unwrap()) {
            break place;
        }
    };
    feed.acknowledge(u64::MAX).await.unwrap();
    assert_eq!(feed.acknowledged().value, first);
    feed.acknowledge(1).await.unwrap();
    assert_eq!(feed.acknowledged().value, first);
    feed.close().await;
}
