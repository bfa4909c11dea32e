//! Transactions: rollback, visibility, order, waiting, positions; health and closing.

use std::sync::Arc;

use turngraph::domain::Position;
use turngraph::stores::StoreErrorKind;
use turngraph::stores::record::{IdempotencyRecord, SessionPatch};

use super::Fixture;
use crate::support::rows::{human, metadata, session, step, uid, uids};
use turngraph::domain::score::Target;

pub(super) async fn a_dropped_transaction_leaves_nothing(f: Fixture) {
    f.add_conversation().await;
    let before = f.turns("alice", &["s", "new"]).await;
    let mut transaction = f.begin().await;
    let new = session("alice", "new");
    transaction.session_insert(&new).await.unwrap().unwrap();
    let turns = [human("nh", None, 0, "x")];
    transaction.turns_insert(&new.uid, &turns).await.unwrap();
    let steps = [step("a1", 5, "{}")];
    transaction
        .steps_insert(&uid("s"), &steps, &[1])
        .await
        .unwrap();
    let patch = SessionPatch {
        title: Some(Some("nie".to_owned())),
        ..SessionPatch::default()
    };
    transaction
        .session_update(&uid("s"), &patch, f.now())
        .await
        .unwrap();
    let entry = metadata(Target::Session { uid: uid("s") }, "k", "v");
    transaction.metadata_set(&uid("s"), &[entry]).await.unwrap();
    drop(transaction);
    assert_eq!(f.turns("alice", &["s", "new"]).await, before);
    assert_eq!(f.session("alice", "new").await, None);
    assert_eq!(f.session("alice", "s").await.unwrap().title, None);
    assert_eq!(f.store.step_heads(&uids(&["a1"])).await.unwrap().len(), 1);
    let entries = f.store.metadata_by_session(&uids(&["s"])).await.unwrap();
    assert_eq!(entries, []);
    f.add_sessions(&[new]).await;
}

pub(super) async fn a_commit_is_seen_by_every_reader(f: Fixture) {
    for n in 0..20 {
        let key = format!("s{n}");
        f.add_sessions(&[session("alice", &key)]).await;
        let readers: Vec<_> = (0..6)
            .map(|_| {
                let (store, key) = (Arc::clone(&f.store), uid(&key));
                tokio::spawn(async move { store.sessions_by_uid(&uid("alice"), &[key]).await })
            })
            .collect();
        for reader in readers {
            assert_eq!(reader.await.unwrap().unwrap().len(), 1, "{key}");
        }
    }
}

pub(super) async fn positions_never_fall(f: Fixture) {
    let mut last: Option<Position> = None;
    for n in 0..10 {
        let position = f.add_sessions(&[session("alice", &n.to_string())]).await;
        if let Some(last) = last {
            assert_eq!(position.store, last.store, "one store");
            assert!(position.value > last.value, "{position:?} after {last:?}");
        }
        last = Some(position);
    }
    // A transaction that wrote nothing is not lower than what came before it.
    let position = f.begin().await.commit().await.unwrap();
    assert!(position.value >= last.unwrap().value);
}

pub(super) async fn writers_of_one_session_take_turns(f: Fixture) {
    f.add_sessions(&[session("alice", "s")]).await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = Arc::clone(&f.store);
            let now = f.now();
            tokio::spawn(async move {
                for n in 0..5 {
                    let mut transaction = store.begin().await.unwrap();
                    let locked = transaction.session_lock(&uid("alice"), &uid("s")).await;
                    let seq = locked.unwrap().expect("the session is there").next_seq;
                    let turns = [human(&format!("{writer}-{n}"), None, seq, "x")];
                    transaction.turns_insert(&uid("s"), &turns).await.unwrap();
                    let patch = SessionPatch {
                        next_seq: Some(seq + 1),
                        ..SessionPatch::default()
                    };
                    transaction
                        .session_update(&uid("s"), &patch, now)
                        .await
                        .unwrap();
                    transaction.commit().await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let turns = f.turns("alice", &["s"]).await;
    let seqs: Vec<i32> = turns.iter().map(|row| row.turn.seq).collect();
    assert_eq!(seqs, (0..40).collect::<Vec<_>>(), "dense, none lost");
    assert_eq!(f.session("alice", "s").await.unwrap().next_seq, 40);
}

pub(super) async fn a_second_holder_of_an_idempotency_key_waits_and_conflicts(f: Fixture) {
    let record = |answer: &str| IdempotencyRecord {
        input_hash: "h".to_owned(),
        answer: answer.to_owned(),
    };
    let now = f.now();
    let mut first = f.begin().await;
    first
        .idempotency_insert(&uid("alice"), "k", &record("first"), now)
        .await
        .unwrap();
    let store = Arc::clone(&f.store);
    let second = record("second");
    let second = tokio::spawn(async move {
        let mut transaction = store.begin().await?;
        transaction
            .idempotency_insert(&uid("alice"), "k", &second, now)
            .await
    });
    // Reads go on meanwhile and give the other task time to run into the lock.
    for _ in 0..20 {
        let none = f.store.idempotency(&uid("alice"), "k").await.unwrap();
        assert_eq!(none, None, "not committed yet");
    }
    assert!(!second.is_finished(), "the second holder waits");
    first.commit().await.unwrap();
    let refused = second.await.unwrap().unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Conflict, "{refused}");
    let found = f.store.idempotency(&uid("alice"), "k").await.unwrap();
    assert_eq!(found, Some(record("first")));
}

pub(super) async fn the_store_is_healthy_and_closes(f: Fixture) {
    let health = f.store.health().await.unwrap();
    assert!(
        health.engine.contains(char::is_numeric),
        "{}",
        health.engine
    );
    assert_eq!(health.schema_version, health.schema_expected);
    assert_eq!(health.pending_turns, 0);
    assert_eq!(f.store.number_pending(100).await.unwrap(), 0);
    f.store.close().await;
    let closed = f.store.idempotency(&uid("alice"), "k").await.unwrap_err();
    assert_eq!(closed.kind, StoreErrorKind::Unavailable, "{closed}");
    let closed = f.store.begin().await.err().expect("closed");
    assert_eq!(closed.kind, StoreErrorKind::Unavailable, "{closed}");
}
