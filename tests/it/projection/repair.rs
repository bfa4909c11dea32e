//! Quarantine and the way out of it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use turngraph::domain::change::Change;
use turngraph::domain::clock::ManualClock;
use turngraph::projection::repair::{RepairRound, Repairs};
use turngraph::projection::writes::REV_AHEAD_MAX;
use turngraph::stores::StoreErrorKind;
use turngraph::stores::projection::Write;

use super::given::Given;
use super::verify::options;
use crate::support::lww::Verdict;
use crate::support::rows::uid;
use crate::support::sqlite::START;

impl Given {
    async fn repair(&self) -> RepairRound {
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let repairs = Repairs::new(self.world.shared(), &self.projector, clock, options(true));
        repairs.round(&CancellationToken::new()).await.unwrap()
    }
}

#[tokio::test]
async fn a_repaired_session_is_read_from_the_record_again_and_freed() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 4);
    let poisoned = |write: &Write| matches!(write, Write::Turn(turn) if turn.turn.seq == 2);
    given.store.judge(move |batch| {
        if batch.iter().any(poisoned) {
            Verdict::Fail(StoreErrorKind::Corrupt)
        } else {
            Verdict::Pass
        }
    });
    let running = given.start();
    given.world.acknowledged(given.world.end()).await;
    assert_eq!(given.quarantined().await, std::slice::from_ref(&key));
    // Still refused: it stays where it is, and the next try waits.
    assert_eq!(given.repair().await.failed, 1);
    assert_eq!(given.repair().await.waiting, 1);
    // Meanwhile the record goes on: what is repaired is what it is now.
    given.store.acquit();
    given.world.log(vec![given.world.edit(&key, 2, |turn| {
        turn.turn.active_child = Some(uid("t4"));
    })]);
    given.world.acknowledged(given.world.end()).await;
    given.clock.advance(10_000_000);
    assert_eq!(given.repair().await.freed, 1);
    assert_eq!(
        (given.quarantined().await.len(), given.letters().await),
        (0, 0)
    );
    running.stop().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn repair_after_a_purge_brings_nothing_back() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 2);
    given.store.judge(|batch| {
        let step = |write: &Write| matches!(write, Write::Step { .. });
        if batch.iter().any(step) {
            Verdict::Fail(StoreErrorKind::Bug)
        } else {
            Verdict::Pass
        }
    });
    let running = given.start();
    given.world.acknowledged(given.world.end()).await;
    given.store.acquit();
    given.world.log(given.world.purge_session(&key));
    given.world.acknowledged(given.world.end()).await;
    assert_eq!(given.repair().await.freed, 1);
    running.stop().await;
    given.assert_equal(&[key]).await;
}

#[tokio::test]
async fn a_row_deleted_without_a_trace_is_found_by_comparison() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 4);
    for vote in [true, false, true] {
        let edit = given
            .world
            .edit(&key, 3, |turn| turn.turn.liked = Some(vote));
        given.world.log(vec![edit]);
    }
    given.catch_up().await;
    given.world.rows().turns.remove(&(key.clone(), 3));
    given.world.log(vec![Change::Suspect {
        session_uid: Some(key.clone()),
        row: "agent_turns t4".to_owned(),
    }]);
    let running = given.start();
    given.world.acknowledged(given.world.end()).await;
    assert_eq!(given.quarantined().await, std::slice::from_ref(&key));
    assert_eq!(given.repair().await.freed, 1);
    assert_eq!(given.quarantined().await.len(), 0);
    running.stop().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn a_row_from_the_future_heals_when_its_time_has_come() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 2);
    given.world.rows().advance(REV_AHEAD_MAX + 60_000_000);
    given.world.log(vec![
        given
            .world
            .edit(&key, 1, |turn| turn.turn.liked = Some(true)),
    ]);
    let running = given.start();
    given.world.acknowledged(given.world.end()).await;
    assert_eq!(given.quarantined().await, std::slice::from_ref(&key));
    assert_eq!(given.repair().await.failed, 1);
    given.clock.advance(120_000_000);
    assert_eq!(given.repair().await.freed, 1);
    assert!(given.world.rows().turns[&(key, 1)].turn.rev > START.0 + REV_AHEAD_MAX);
    running.stop().await;
    given.assert_equal(&[]).await;
}
