//! A standby that is promoted: the history forks, and with it the meaning of positions.

use turngraph::cdc::ChangeFeed;
use turngraph::cdc::FeedErrorKind;
use turngraph::cdc::postgres::Start;
use turngraph::domain::Position;

use super::lab::{Lab, insert_session, place, sessions};
use crate::support::postgres::Private;

/// Makes the server a standby with all that it has, its slots included, and promotes it: what a
/// standby with synchronised slots is after a failover.
async fn promote(server: &mut Private, lab: &Lab) {
    let mut connection = lab.connection().await;
    let data: String = sqlx::query_scalar("show data_directory")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    drop(connection);
    server.stop();
    std::fs::write(std::path::Path::new(&data).join("standby.signal"), "").unwrap();
    server.start_again();
    let standby = lab.try_feed(None).await.err().unwrap();
    assert_eq!(standby.kind, FeedErrorKind::Retry, "{standby}");
    assert!(standby.message.contains("standby"), "{standby}");
    assert_eq!(lab.number("select pg_promote()::int::bigint").await, 1);
}

#[tokio::test]
async fn on_a_promoted_standby_the_feed_goes_on_only_from_what_both_servers_had() {
    let mut server = Private::start(&[]);
    let lab = Lab::on(&server).await;
    let mut feed = lab.feed(None).await;
    lab.sql(insert_session("a")).await;
    let told = lab.told(&mut feed).await;
    feed.acknowledge(place(told.last().unwrap()).unwrap())
        .await
        .unwrap();
    let applied = feed.acknowledged().clone();
    feed.close().await;
    lab.sql(insert_session("b")).await;

    promote(&mut server, &lab).await;
    lab.sql(insert_session("c")).await;
    let mut feed = lab.feed(Some(applied.clone())).await;
    assert_eq!(feed.start(), Start::Promoted);
    assert_ne!(feed.store(), applied.store);
    assert_eq!(sessions(&lab.told(&mut feed).await), ["b", "c"]);
    let here = feed.acknowledged().clone();
    feed.close().await;

    // The old server went on alone after the fork, and a reader followed it there.
    let beyond = Position {
        value: lab.here().await - 1,
        store: applied.store.clone(),
    };
    let error = lab.try_feed(Some(beyond)).await.err().unwrap();
    assert_eq!(error.kind, FeedErrorKind::Gap, "{error}");
    assert!(error.message.contains("a standby was promoted"), "{error}");

    let (system, _) = applied.store.split_once('.').unwrap();
    let foreign = Position {
        store: format!("{system}.77"),
        ..applied
    };
    let error = lab.try_feed(Some(foreign)).await.err().unwrap();
    assert_eq!(error.kind, FeedErrorKind::Gap, "{error}");
    assert!(error.message.contains("no part of the history"), "{error}");
    lab.feed(Some(here)).await.close().await;
}
