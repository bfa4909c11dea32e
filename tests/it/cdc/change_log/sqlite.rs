//! What SQLite's log can lose, and what its rows may hold.

use turngraph::cdc::{ChangeFeed, FeedErrorKind, FeedEvent};

use super::{names, now, open, told_until};
use crate::stores::source::sqlite_fixture;
use crate::support::rows::{session, uid};

#[tokio::test]
async fn a_log_that_was_emptied_by_hand_is_a_gap_and_the_feed_goes_on() {
    let f = sqlite_fixture().await;
    f.record.add_sessions(&[session("alice", "a")]).await;
    f.record.engine.run("delete from change_log").await;
    f.record.add_sessions(&[session("alice", "b")]).await;
    let mut feed = open(&f.log).await;
    let gap = feed.next().await.unwrap_err();
    assert_eq!(gap.kind, FeedErrorKind::Gap, "{gap}");
    let (changes, reached) = told_until(&mut feed, now(&f).await).await;
    assert_eq!(names(&changes), ["session b"]);
    // Not forgotten by a restart before anything was acknowledged, and forgotten after.
    let mut feed = open(&f.log).await;
    assert_eq!(feed.next().await.unwrap_err().kind, FeedErrorKind::Gap);
    told_until(&mut feed, reached).await;
    feed.acknowledge(reached).await.unwrap();
    f.record.add_sessions(&[session("alice", "c")]).await;
    let mut feed = open(&f.log).await;
    let (changes, _) = told_until(&mut feed, now(&f).await).await;
    assert_eq!(names(&changes), ["session c"]);
    f.record.engine.run("delete from change_log").await;
    let mut feed = open(&f.log).await;
    assert_eq!(feed.next().await.unwrap_err().kind, FeedErrorKind::Gap);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_told_as_such_and_the_feed_goes_on() {
    let f = sqlite_fixture().await;
    let mut feed = open(&f.log).await;
    f.record.add_sessions(&[session("alice", "a")]).await;
    let engine = &f.record.engine;
    engine
        .run("update sessions set forked_from = '[]' where uid = 'a'")
        .await;
    f.record.add_sessions(&[session("alice", "b")]).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        match feed.next().await.unwrap() {
            FeedEvent::Unreadable {
                session_uid, row, ..
            } => {
                assert_eq!((session_uid, &*row), (Some(uid("a")), "session a"));
                seen.push("unreadable");
            }
            FeedEvent::Change(_) => seen.push("change"),
            FeedEvent::Commit { .. } => seen.push("commit"),
            FeedEvent::Idle { .. } => {}
        }
    }
    assert_eq!(seen, ["unreadable", "change", "commit"]);
}
