//! Scores, metadata and idempotency keys.

use turngraph::domain::Timestamp;
use turngraph::domain::score::{ScoreRow, ScoreSource, ScoreValue, Target};
use turngraph::stores::StoreErrorKind;
use turngraph::stores::record::IdempotencyRecord;

use super::Fixture;
use crate::support::rows::{metadata, score, session, uid, uids};

fn targets() -> [Target; 3] {
    [
        Target::Session { uid: uid("s") },
        Target::Turn { uid: uid("a1") },
        Target::Step {
            uid: uid("a1"),
            idx: 0,
        },
    ]
}

pub(super) async fn scores_of_each_kind_come_back_and_are_never_overwritten(f: Fixture) {
    f.add_conversation().await;
    f.add_sessions(&[session("alice", "t")]).await;
    let [on_session, on_turn, on_step] = targets();
    let mut scores = vec![
        // SQLite's own reader of JSON gets the last digit of this one wrong.
        score(
            "2",
            on_session,
            ScoreValue::Number(3.614_272_744_144_54e227),
        ),
        score("3", on_turn.clone(), ScoreValue::Bool(true)),
        score("4", on_turn.clone(), ScoreValue::Bool(false)),
        score("5", on_turn, ScoreValue::Label("spam".to_owned())),
        score(
            "6",
            on_step,
            ScoreValue::Text("gut «so» \"weiter\"".to_owned()),
        ),
    ];
    let sources = [
        ScoreSource::EndUser,
        ScoreSource::Reviewer,
        ScoreSource::Code,
        ScoreSource::Llm,
    ];
    for (row, source) in scores.iter_mut().zip(sources) {
        row.source = source;
    }
    scores[0].comment = Some("weil".to_owned());
    scores[0].evaluator = Some("modell".to_owned());
    let late = ScoreRow {
        created_at: Timestamp(f.now().0 + 1),
        ..score(
            "1",
            Target::Session { uid: uid("s") },
            ScoreValue::Number(1e300),
        )
    };
    let mut transaction = f.begin().await;
    let mut reversed: Vec<ScoreRow> = scores.iter().rev().cloned().collect();
    reversed.insert(0, late.clone());
    transaction
        .scores_insert(&uid("s"), &reversed)
        .await
        .unwrap();
    let again = score(
        "2",
        Target::Session { uid: uid("s") },
        ScoreValue::Bool(true),
    );
    transaction
        .scores_insert(&uid("s"), &[again])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    scores.push(late);
    let expected: Vec<_> = scores.into_iter().map(|row| (uid("s"), row)).collect();
    let found = f.store.scores_by_session(&uids(&["t", "s", "none"])).await;
    assert_eq!(found.unwrap(), expected, "by time, then key");
    let none = f.store.scores_by_session(&uids(&["t"])).await.unwrap();
    assert_eq!(none, []);
}

pub(super) async fn metadata_is_set_and_replaced(f: Fixture) {
    f.add_conversation().await;
    let [on_session, on_turn, on_step] = targets();
    let rows = [
        metadata(on_session.clone(), "a", "1"),
        metadata(on_session.clone(), "b", ""),
        metadata(on_turn.clone(), "a", "ключ"),
        metadata(on_step.clone(), "a", "{\"x\": 1}"),
    ];
    let mut transaction = f.begin().await;
    let mut reversed = rows.to_vec();
    reversed.reverse();
    transaction
        .metadata_set(&uid("s"), &reversed)
        .await
        .unwrap();
    let replaced = metadata(on_turn, "a", "neu");
    let again = std::slice::from_ref(&replaced);
    transaction.metadata_set(&uid("s"), again).await.unwrap();
    transaction.commit().await.unwrap();
    let found = f.store.metadata_by_session(&uids(&["s", "none"])).await;
    let [first, second, _, last] = rows;
    let expected = [first, second, replaced, last].map(|row| (uid("s"), row));
    assert_eq!(found.unwrap(), expected, "by target, then key");
}

pub(super) async fn an_idempotency_key_belongs_to_one_account(f: Fixture) {
    let record = |hash: &str| IdempotencyRecord {
        input_hash: hash.to_owned(),
        answer: "{\"uid\": \"ä\"}".to_owned(),
    };
    let mut transaction = f.begin().await;
    for (account, hash) in [("alice", "1"), ("bob", "2")] {
        transaction
            .idempotency_insert(&uid(account), "k", &record(hash), f.now())
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
    for (account, key, expected) in [
        ("alice", "k", Some("1")),
        ("bob", "k", Some("2")),
        ("eve", "k", None),
        ("alice", "K", None),
    ] {
        let found = f.store.idempotency(&uid(account), key).await.unwrap();
        assert_eq!(found, expected.map(record), "{account} {key}");
    }
    let mut transaction = f.begin().await;
    let taken = transaction
        .idempotency_insert(&uid("alice"), "k", &record("3"), f.now())
        .await;
    assert_eq!(taken.unwrap_err().kind, StoreErrorKind::Conflict);
}
