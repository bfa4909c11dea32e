//! The feed of the store's own table of changes, on both engines: one contract, and what only
//! PostgreSQL can run into.

mod contract;
mod postgres;
mod sqlite;

use std::sync::Arc;

use turngraph::cdc::{ChangeFeed, ChangeLogFeed, FeedEvent};
use turngraph::domain::Change;
use turngraph::stores::ChangeLog;

use crate::stores::source::SourceFixture;

/// Opens the feed.
async fn open(log: &Arc<dyn ChangeLog>) -> ChangeLogFeed {
    ChangeLogFeed::open(Arc::clone(log)).await.unwrap()
}

/// Changes until everything up to a position was told, and the place that was reached.
async fn told_until(feed: &mut ChangeLogFeed, position: u64) -> (Vec<Change>, u64) {
    let mut changes = Vec::new();
    loop {
        match feed.next().await.unwrap() {
            FeedEvent::Change(change) => changes.push(change),
            FeedEvent::Unreadable { row, problem, .. } => panic!("{row}: {problem}"),
            FeedEvent::Commit { position: at, .. } | FeedEvent::Idle { position: at, .. }
                if at >= position =>
            {
                return (changes, at);
            }
            FeedEvent::Commit { .. } | FeedEvent::Idle { .. } => {}
        }
    }
}

/// A change as a word and a key.
fn named(change: &Change) -> String {
    match change {
        Change::Session(change) => format!("session {}", change.row.uid),
        Change::Turn(change) => format!("turn {} {}", change.turn.uid, change.turn.seq),
        Change::Step(change) => format!("step {} {}", change.step.turn_uid, change.step.idx),
        Change::Purge(purge) => format!("purge {} {}", purge.kind.as_str(), purge.uid),
        Change::Numbered {
            session_uid,
            from_seq,
            to_seq,
        } => format!("numbered {session_uid} {from_seq}-{to_seq}"),
        Change::Suspect { row, .. } => format!("suspect {row}"),
    }
}

fn names(changes: &[Change]) -> Vec<String> {
    changes.iter().map(named).collect()
}

/// Where everything that has returned is.
async fn now(f: &SourceFixture) -> u64 {
    f.source.position().await.unwrap().value
}
