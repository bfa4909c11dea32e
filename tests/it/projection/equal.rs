//! Compares a projection with the record, row by row.

use std::collections::BTreeSet;

use turngraph::domain::Uid;
use turngraph::stores::projection::{BODY_BYTES_MAX, BodyPart};
use turngraph::stores::{ProjectionSource, ProjectionStore};

/// The projection has exactly what the record has, of these sessions and of every session that
/// the record has.
pub(crate) async fn assert_projected(
    source: &dyn ProjectionSource,
    store: &dyn ProjectionStore,
    once_there: &[Uid],
) {
    let there = source.session_uids(None, 100_000).await.unwrap();
    let all: BTreeSet<Uid> = there.iter().chain(once_there).cloned().collect();
    let mut accounts = BTreeSet::new();
    for uid in &all {
        let row = source
            .session_rows(std::slice::from_ref(uid))
            .await
            .unwrap()
            .pop();
        let projected = store.graphs(std::slice::from_ref(uid)).await.unwrap().pop();
        let Some(row) = row else {
            assert_eq!(projected, None, "session {uid} is gone from the record");
            let seqs: Vec<i32> = (0..600).collect();
            let bodies = store.bodies(uid, &seqs, BodyPart::Whole);
            assert_eq!(
                bodies.await.unwrap(),
                [],
                "bodies of session {uid}, which is gone"
            );
            continue;
        };
        accounts.insert(row.account_uid.clone());
        let projected = projected.unwrap_or_else(|| panic!("session {uid} is not projected"));
        assert_eq!(projected.row, row);
        let turns = source.turns(uid, 0, i32::MAX).await.unwrap();
        let rows: Vec<_> = turns.iter().map(|turn| turn.turn.clone()).collect();
        assert_eq!(projected.turns, rows, "turns of session {uid}");
        assert!(projected.complete, "session {uid} has a gap");
        let seqs: Vec<i32> = (0..row.next_seq).collect();
        let mut bodies = store.bodies(uid, &seqs, BodyPart::Whole).await.unwrap();
        bodies.retain(|(_, b)| b.prompt.is_some() || !b.steps.is_empty() || b.partial);
        let mut bodies = bodies.into_iter().peekable();
        for turn in &turns {
            let seq = turn.turn.seq;
            let has = bodies
                .next_if(|(of, _)| *of == seq)
                .map(|(_, b)| b)
                .unwrap_or_default();
            let long = |text: &str| text.len() > BODY_BYTES_MAX;
            if let Some(prompt) = turn.prompt.as_deref().filter(|p| !long(p)) {
                assert_eq!(
                    has.prompt.as_deref(),
                    Some(prompt),
                    "prompt of turn {uid} {seq}"
                );
            }
            let mut steps = turn.steps.clone();
            for step in steps.iter_mut().filter(|step| long(&step.content)) {
                step.content = "".into();
                assert!(has.partial, "turn {uid} {seq} has a body that is too long");
            }
            assert_eq!(has.steps, steps, "steps of turn {uid} {seq}");
        }
        assert_eq!(
            bodies.next(),
            None,
            "bodies without a turn in session {uid}"
        );
    }
    for account in &accounts {
        assert_listed(source, store, account).await;
    }
}

/// The account's list has exactly its sessions, each once, under its creation time.
pub(crate) async fn assert_listed(
    source: &dyn ProjectionSource,
    store: &dyn ProjectionStore,
    account: &Uid,
) {
    let uids = source.session_uids(None, 100_000).await.unwrap();
    let mut expected: Vec<_> = source.session_rows(&uids).await.unwrap();
    expected.retain(|row| row.account_uid == *account);
    let key = |at, uid: &Uid, deleted| (at, uid.clone(), deleted);
    let expected: BTreeSet<_> = expected
        .iter()
        .map(|row| key(row.created_at, &row.uid, row.deleted_at.is_some()))
        .collect();
    let listed = store.listing(account, None, 100_000).await.unwrap();
    let count = listed.len();
    let listed: BTreeSet<_> = listed
        .iter()
        .map(|place| key(place.created_at, &place.session_uid, place.deleted))
        .collect();
    assert_eq!(listed, expected, "list of account {account}");
    assert_eq!(count, expected.len(), "a session is listed twice");
}
