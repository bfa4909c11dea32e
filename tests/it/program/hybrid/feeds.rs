//! What becomes of the record store's own table of changes when another feed is chosen.

use std::time::{Duration, Instant};

use super::PATIENCE;
use super::wrong::database;
use crate::program::Server;
use crate::support::postgres::Private;
use crate::support::redis::Redis;

/// Waits until changes are recorded in the table, or are not any more.
async fn wait_recording(server: &Private, wanted: bool) {
    let mut connection = server.connect("turngraph").await;
    let until = Instant::now() + PATIENCE;
    loop {
        let is: bool = sqlx::query_scalar("select turngraph_change_log_is_on('sessions')")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        if is == wanted {
            return;
        }
        assert!(Instant::now() < until, "recording is {is}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_table_of_changes_that_no_feed_reads_is_switched_off() {
    let server = Private::start(&[]);
    let record = database(&server).await;
    let redis = Redis::start();
    let url = redis.url();
    let project = |feed: &str| {
        let stores = [
            "--record",
            &record,
            "--redis",
            &url,
            "--listen",
            "127.0.0.1:0",
        ];
        let arguments = [&["project", "--feed", feed], &stores[..]].concat();
        Server::start(&arguments, "health and metrics")
    };
    let mut first = project("change_log");
    assert!(first.banner.iter().any(|line| line.contains("change_log")));
    wait_recording(&server, true).await;
    first.signal("TERM");
    assert_eq!(first.wait(), Some(0));
    let mut second = project("auto");
    assert!(second.banner.iter().any(|line| line.contains("pgoutput")));
    wait_recording(&server, false).await;
    let mut connection = server.connect("turngraph").await;
    let left: i64 = sqlx::query_scalar("select count(*) from change_log")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, 0);
    second.signal("TERM");
    assert_eq!(second.wait(), Some(0));
}
