//! A reader that stalls and a transaction that is huge: the connection lives, memory is bounded,
//! and nothing is lost or told twice.

use std::time::Duration;

use turngraph::cdc::FeedEvent;
use turngraph::domain::change::Change;

use super::lab::{Lab, insert_session, next, place, sessions};

/// The server process that sends the log to the lab's feed.
async fn sender(lab: &Lab) -> i64 {
    let slot = &lab.slot;
    lab.number(&format!(
        "select coalesce(active_pid, 0)::bigint from pg_replication_slots where slot_name = '{slot}'"
    ))
    .await
}

/// Memory of this process in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stalls_longer_than_the_server_waits_keeps_its_connection() {
    let lab = Lab::new("cdc_stall").await;
    lab.sql("alter database cdc_stall set wal_sender_timeout = '1s'")
        .await;
    let mut feed = lab.feed(None).await;
    let pid = sender(&lab).await;
    assert_ne!(pid, 0);
    // More than the buffers between the server and the reader hold, several times.
    lab.sql(
        "insert into sessions (uid, account_uid, title)
         select 's' || n, 'alice', repeat('x', 900) from generate_series(1, 20000) n",
    )
    .await;
    next(&mut feed).await.unwrap();
    // The stall itself: what is tested is that time passes.
    tokio::time::sleep(Duration::from_secs(4)).await;
    lab.sql(insert_session("last")).await;
    let events = lab.told(&mut feed).await;
    assert_eq!(sessions(&events).last().map(String::as_str), Some("last"));
    let told = sessions(&events).len();
    assert!(
        (20_000..=20_001).contains(&told),
        "{told} sessions were told"
    );
    assert_eq!(sender(&lab).await, pid, "the connection is the same");
    feed.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_transaction_is_told_in_bounded_memory() {
    const STEPS: i64 = 200_000;
    let lab = Lab::new("cdc_huge").await;
    lab.sql("alter database cdc_huge set wal_sender_timeout = '5s'")
        .await;
    let mut feed = lab.feed(None).await;
    let before = resident();
    // 3.2 KB a row, 640 MB in all; it compresses well, so that the server's disk is spared.
    lab.sql(format!(
        "insert into steps (agent_turn_uid, idx, tpe, content, session_uid, turn_seq)
         select 't' || n / 10, n % 10, 1, repeat(md5(n::text), 100), 's', n / 10
         from generate_series(0, {STEPS} - 1) n"
    ))
    .await;
    let here = lab.here().await;
    let (mut steps, mut bytes, mut most) = (0, 0, 0);
    loop {
        let event = next(&mut feed).await.unwrap();
        if let FeedEvent::Change(Change::Step(step)) = &event {
            steps += 1;
            bytes += step.step.content.len();
            if steps % 1_000 == 0 {
                most = most.max(resident());
            }
        }
        if place(&event).is_some_and(|at| at >= here) {
            break;
        }
    }
    assert_eq!((steps, bytes), (STEPS, 640_000_000));
    let grown = most.saturating_sub(before) / 1_000_000;
    assert!(grown < 200, "memory grew by {grown} MB");
    feed.close().await;
}
