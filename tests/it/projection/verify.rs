//! Comparison with the record store: damage of every kind is found and mended, and writes that are
//! on their way raise no alarm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use turngraph::domain::clock::ManualClock;
use turngraph::domain::{SessionRow, Uid};
use turngraph::projection::verify::Fault;
use turngraph::projection::{Verify, VerifyOptions, VerifyReport};
use turngraph::stores::ProjectionStore;

use super::given::{Given, Running};
use crate::support::rows::uid;
use crate::support::sqlite::START;

pub(crate) fn options(repair: bool) -> VerifyOptions {
    VerifyOptions {
        repair,
        chunk: 3,
        pause: Duration::ZERO,
        // Only a projector that hangs is waited for so long.
        settle: Duration::from_secs(60),
        recheck_after: Duration::from_millis(20),
        ..VerifyOptions::default()
    }
}

impl Given {
    pub(crate) fn verifier(&self, options: VerifyOptions) -> Verify {
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let quarantine = self.projector.quarantine().clone();
        Verify::new(
            self.world.shared(),
            self.store.shared(),
            quarantine,
            clock,
            options,
        )
    }

    pub(crate) async fn verify(&self, repair: bool) -> VerifyReport {
        let stop = CancellationToken::new();
        let report = self
            .verifier(options(repair))
            .run(&mut |_| (), &stop)
            .await
            .unwrap();
        assert!(report.finished);
        report
    }

    /// A projector that is at the end of the log.
    async fn settled(&self) -> Running {
        let running = self.start();
        let end = self.world.end();
        let mut watermark = self.projector.watermark();
        let there = |m: &Option<turngraph::domain::Watermark>| {
            m.as_ref().is_some_and(|m| m.position.value >= end)
        };
        watermark.wait_for(there).await.unwrap();
        running
    }
}

fn faults(report: &VerifyReport) -> Vec<(&str, Fault)> {
    let of = |f: &turngraph::projection::verify::Finding| (f.row.clone(), f.fault);
    let mut all: Vec<_> = report.findings.iter().map(of).collect();
    all.sort();
    all.into_iter()
        .map(|(row, fault)| (&*Box::leak(row.into_boxed_str()), fault))
        .collect()
}

fn row(given: &Given, key: &Uid) -> SessionRow {
    given.world.rows().sessions[key].clone()
}

#[tokio::test]
async fn a_whole_projection_is_found_right() {
    let given = Given::new();
    for n in 0..7 {
        given.world.conversation("a", &format!("s{n}"), 5);
    }
    given.world.log(given.world.purge_turn(&uid("s3"), 1));
    let running = given.settled().await;
    let report = given.verify(false).await;
    assert_eq!((report.sessions, report.wrong, report.behind), (7, 0, 0));
    running.stop().await;
}

/// Each kind of damage: as a statement with the row's own time does it, and as one with a later
/// time does it, which only new versions can mend.
#[tokio::test]
async fn damage_of_every_kind_is_found_and_mended() {
    for late in [false, true] {
        let given = Given::new();
        let keys: Vec<Uid> = (0..8)
            .map(|n| given.world.conversation("a", &format!("s{n}"), 4))
            .collect();
        let running = given.settled().await;
        let at = |key: &Uid, seq: i32| {
            let rev = given.world.rows().turns[&(key.clone(), seq)].turn.rev;
            if late { rev + 1_000 } else { rev }
        };
        let store = &given.store;
        store.delete_turn(&keys[1], 2, at(&keys[1], 2));
        store.delete_bodies(&keys[2], 3, at(&keys[2], 3));
        store.delete_graph(&keys[3], at(&keys[3], 3));
        store.damage_turn(&keys[4], 1, "model", at(&keys[4], 1));
        store.damage_body(&keys[5], 1, 0, at(&keys[5], 1));
        store.delete_listing(&row(&given, &keys[6]), at(&keys[6], 3));
        let found = given.verify(false).await;
        assert_eq!(found.wrong, 6, "{:?}", found.findings);
        let kinds = faults(&found);
        for expected in [
            ("turn 2", Fault::Missing),
            ("step 0 of turn 3", Fault::Missing),
            ("header", Fault::Missing),
            ("turn 1", Fault::Different),
            ("step 0 of turn 1", Fault::Different),
            ("header", Fault::Unlisted),
        ] {
            assert!(
                kinds.contains(&expected),
                "{expected:?} is not in {kinds:?}"
            );
        }
        // The record's clock goes on: new versions are later than the damage.
        given.world.rows().advance(5_000);
        given.clock.advance(5_000);
        let mended = given.verify(true).await;
        assert_eq!((mended.wrong, mended.mended), (6, 6), "late: {late}");
        assert_eq!(given.verify(false).await.wrong, 0);
        running.stop().await;
        super::equal::assert_projected(&given.world, &given.store, &[]).await;
    }
}

#[tokio::test]
async fn rows_that_the_record_does_not_have_are_removed() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 4);
    let gone = given.world.conversation("a", "gone", 3);
    let moved = given.world.conversation("old", "moved", 2);
    given.world.conversation("old", "stays", 1);
    let running = given.settled().await;
    // Deleted without a trace, as with triggers off.
    {
        let mut rows = given.world.rows();
        rows.turns.remove(&(key.clone(), 3));
        rows.turns.get_mut(&(key.clone(), 1)).unwrap().steps.pop();
        rows.sessions.remove(&gone);
        rows.turns.retain(|(session, _), _| *session != gone);
        rows.sessions.get_mut(&moved).unwrap().account_uid = uid("a");
        rows.sessions.get_mut(&moved).unwrap().rev += 1;
    }
    let found = given.verify(false).await;
    assert_eq!(found.wrong, 4, "{:?}", found.findings);
    given.clock.advance(10_000);
    let mended = given.verify(true).await;
    assert_eq!(mended.wrong, mended.mended, "{:?}", mended.findings);
    assert_eq!(given.verify(false).await.wrong, 0);
    running.stop().await;
    super::equal::assert_projected(&given.world, &given.store, &[gone]).await;
}

#[tokio::test]
async fn heavy_writes_raise_no_false_alarm() {
    let given = Arc::new(Given::new());
    let keys: Vec<Uid> = (0..6)
        .map(|n| given.world.conversation("a", &format!("s{n}"), 6))
        .collect();
    let running = given.settled().await;
    let over = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (given, keys, over) = (Arc::clone(&given), keys.clone(), Arc::clone(&over));
        async move {
            let mut n = 0usize;
            while !over.load(Ordering::Relaxed) {
                let key = &keys[n % keys.len()];
                let changes = match n % 5 {
                    0 | 1 => given.world.append(key),
                    2 => vec![
                        given
                            .world
                            .edit(key, 1, |t| t.turn.liked = Some(n.is_multiple_of(2))),
                    ],
                    3 => vec![
                        given
                            .world
                            .edit_step((key, 1, 0), Some(&n.to_string()), true),
                    ],
                    _ => given
                        .world
                        .edit_session(key, |row| row.title = Some(n.to_string().into())),
                };
                given.world.log(changes);
                n += 1;
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        }
    });
    for _ in 0..5 {
        let report = given.verify(true).await;
        assert_eq!(report.wrong, 0, "{:?}", report.findings);
    }
    given.store.damage_body(&keys[2], 3, 1, START.0 + 1_000_000);
    let found = given.verify(false).await;
    assert_eq!(faults(&found), [("step 1 of turn 3", Fault::Different)]);
    over.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn what_the_projector_has_not_reached_is_behind_and_not_wrong() {
    let given = Given::new();
    given.world.conversation("a", "s", 2);
    given.catch_up().await;
    given.world.log(vec![
        given
            .world
            .edit(&uid("s"), 1, |t| t.turn.liked = Some(true)),
    ]);
    let short = VerifyOptions {
        settle: Duration::from_millis(30),
        ..options(false)
    };
    let stop = CancellationToken::new();
    let report = given.verifier(short).run(&mut |_| (), &stop).await.unwrap();
    assert_eq!((report.wrong, report.behind), (0, 1));
}

#[tokio::test]
async fn what_cannot_be_mended_is_quarantined() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 2);
    let running = given.settled().await;
    // A cell from next year hides every honest write.
    given
        .store
        .damage_turn(&key, 1, "model", START.0 + 31_536_000_000_000);
    let report = given.verify(true).await;
    assert_eq!((report.wrong, report.mended, report.quarantined), (1, 0, 1));
    assert_eq!(given.store.quarantined().await.unwrap(), [key]);
    assert_eq!(given.letters().await, 1);
    running.stop().await;
}
