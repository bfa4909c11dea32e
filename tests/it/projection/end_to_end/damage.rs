//! Damage done to a real Cassandra by other hands, with the server's own timestamps: only new
//! versions from the record store can mend it.

use std::sync::Arc;

use turngraph::domain::{SystemClock, TurnRole};
use turngraph::projection::{DualWrite, DualWriteOptions};
use turngraph::stores::source::SourceTurn;

use super::feeds::{self, Place};
use super::workload::Workload;
use super::{Copies, caught_up, start, verify};
use crate::projection::equal::assert_projected;

/// A turn of each session, with the session.
async fn turns(place: &Place, role: TurnRole) -> Vec<(String, SourceTurn)> {
    let mut found = Vec::new();
    for uid in place.source.session_uids(None, 1_000).await.unwrap() {
        let turns = place.source.turns(&uid, 0, 255).await.unwrap();
        let whole = |turn: &SourceTurn| role == TurnRole::Human || !turn.steps.is_empty();
        let first = turns.into_iter().find(|t| t.turn.role == role && whole(t));
        found.extend(first.map(|turn| (uid.to_string(), turn)));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_other_hands_is_found_and_mended() {
    let (place, copies) = (feeds::pgoutput().await, Copies::on_cassandra().await);
    let running = start(&place, &copies);
    let options = DualWriteOptions::default();
    let dual = DualWrite::new(copies.targets(), Arc::new(SystemClock), options);
    let mut workload = Workload::new(&place, Arc::new(dual), 7).await;
    let numbering = workload.keep_numbering();
    for _ in 0..120 {
        workload.step().await;
    }
    workload.settle().await;
    caught_up(&place, &copies).await;
    let before = verify(&place, &copies.stores[0], false).await;
    assert_eq!(before.wrong, 0, "{:?}", before.findings);

    let (agents, humans) = (
        turns(&place, TurnRole::Agent).await,
        turns(&place, TurnRole::Human).await,
    );
    let [(one, first), (two, second), ..] = &agents[..] else {
        panic!("the workload made {} sessions with an answer", agents.len());
    };
    let (last, third) = humans.last().unwrap();
    let (first_seq, second_seq) = (first.turn.seq, second.turn.seq);
    let idx = second.steps[0].idx;
    let damage = [
        format!("delete from turns_by_session_1 where session_uid = '{one}' and seq = {first_seq}"),
        format!(
            "update bodies_by_session_1 set content = '\"x\"' where session_uid = '{two}'
             and bucket = 0 and seq = {second_seq} and idx = {idx}"
        ),
        format!("update turns_by_session_1 set title = 'stolen' where session_uid = '{last}'"),
        format!(
            "delete from bodies_by_session_1 where session_uid = '{last}' and bucket = 0
             and seq = {}",
            third.turn.seq
        ),
    ];
    let keyspace = copies.keyspace.as_ref().unwrap();
    let session = keyspace.session().await;
    for cql in damage {
        session.query_unpaged(cql, ()).await.unwrap();
    }
    let touched = [one, two, last]
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>();
    let found = verify(&place, &copies.stores[0], false).await;
    assert_eq!(found.wrong, touched.len() as u64, "{:?}", found.findings);
    let mended = verify(&place, &copies.stores[0], true).await;
    assert_eq!(
        (mended.wrong, mended.quarantined),
        (found.wrong, 0),
        "{:?}",
        mended.findings
    );
    caught_up(&place, &copies).await;
    let after = verify(&place, &copies.stores[0], false).await;
    assert_eq!(after.wrong, 0, "{:?}", after.findings);
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
    numbering.abort();
    for store in &copies.stores {
        assert_projected(&*place.source, &**store, &workload.ever()).await;
    }
}
