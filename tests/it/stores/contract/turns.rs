//! Turns: insertion, order, look-ups, patches, versions.

use std::sync::Arc;

use turngraph::domain::{Timestamp, TurnRole, TurnRow, TurnStatus, Uid};
use turngraph::stores::record::{NewTurn, TurnPatch, TurnProgress};
use turngraph::stores::{RecordStore, StoreErrorKind};

use super::Fixture;
use crate::support::rows::{agent, human, session, uid, uids};

fn full_agent() -> NewTurn {
    let NewTurn { turn, prompt } = agent("a1", Some("h0"), 1);
    let turn = TurnRow {
        active_child: Some(uid("child")),
        created_at: Timestamp(-77),
        deleted_at: Some(Timestamp(5)),
        liked: Some(false),
        model: Some("modell-ß".into()),
        status: Some(TurnStatus::Complete),
        finished_at: Some(Timestamp(9)),
        usage: Some(r#"{"input_tokens": 3}"#.into()),
        rev: 12,
        ..turn
    };
    NewTurn { turn, prompt }
}

/// Usage is JSON, which an engine may write with other spaces.
fn same_usage(found: &TurnRow, expected: &TurnRow) {
    let read = |row: &TurnRow| {
        let usage = row.usage.as_deref();
        usage.map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap())
    };
    assert_eq!(read(found), read(expected));
    let found = TurnRow {
        usage: expected.usage.clone(),
        ..found.clone()
    };
    assert_eq!(&found, expected);
}

async fn read(f: &Fixture, account: &str, session: &str) -> Vec<TurnRow> {
    let found = f.turns(account, &[session]).await;
    found.into_iter().map(|row| row.turn).collect()
}

pub(super) async fn a_turn_comes_back_as_it_was_inserted(f: Fixture) {
    f.add_sessions(&[session("alice", "s")]).await;
    let turns = [human("h0", None, 0, "Tag"), full_agent()];
    f.add_turns("s", &turns).await;
    let found = read(&f, "alice", "s").await;
    assert_eq!(found.len(), 2);
    for (found, expected) in found.iter().zip(&turns) {
        same_usage(found, &expected.turn);
    }
    let mut transaction = f.begin().await;
    let inside = transaction.turns(&uid("s")).await.unwrap();
    assert_eq!(inside, found, "a transaction reads the same");
}

pub(super) async fn ten_thousand_turns_are_inserted_and_read_in_order(f: Fixture) {
    f.add_sessions(&[session("alice", "s"), session("alice", "t")])
        .await;
    f.add_turns("t", &[human("t-h", None, 0, "x")]).await;
    let turns: Vec<NewTurn> = (0..10_000)
        .map(|seq| {
            let parent = (seq > 0).then(|| format!("k{}", seq - 1));
            let key = format!("k{seq}");
            match seq % 2 {
                0 => human(&key, parent.as_deref(), seq, "Frage"),
                _ => agent(&key, parent.as_deref(), seq),
            }
        })
        .collect();
    f.add_turns("s", &turns).await;
    let found = f.turns("alice", &["t", "s"]).await;
    assert_eq!(found.len(), 10_001);
    assert_eq!(
        found.last().unwrap().session_uid,
        uid("t"),
        "by session first"
    );
    for (row, expected) in found.iter().zip(&turns) {
        assert_eq!(row.session_uid, uid("s"));
        assert_eq!(row.turn, expected.turn);
    }
}

pub(super) async fn turns_are_found_by_session_and_by_key_of_their_account_only(f: Fixture) {
    f.add_conversation().await;
    f.add_sessions(&[session("bob", "b")]).await;
    f.add_turns("b", &[human("bh", None, 0, "x")]).await;
    let keys = uids(&["h0", "a3", "bh", "none", "h0"]);
    for (account, expected) in [
        ("alice", vec![("a3", "s"), ("h0", "s")]),
        ("bob", vec![("bh", "b")]),
        ("eve", vec![]),
    ] {
        let account = uid(account);
        let mut found = f.store.sessions_by_turn(&account, &keys).await.unwrap();
        found.sort();
        let expected: Vec<_> = expected.iter().map(|(t, s)| (uid(t), uid(s))).collect();
        assert_eq!(found, expected);
        for row in f.turns(account.as_str(), &["s", "b"]).await {
            assert!(expected.iter().any(|(_, s)| *s == row.session_uid));
        }
        let mut transaction = f.begin().await;
        for key in &keys {
            let found = transaction.session_by_turn(&account, key).await.unwrap();
            let place = expected.iter().find(|(turn, _)| turn == key);
            assert_eq!(found.as_ref(), place.map(|(_, session)| session));
        }
        // Whether a key is taken does not depend on the account: keys are unique over all.
        let mut taken = transaction.turn_uids_claim(&keys).await.unwrap();
        taken.sort();
        assert_eq!(taken, uids(&["a3", "bh", "h0"]));
    }
}

pub(super) async fn keys_and_numbers_are_taken_once(f: Fixture) {
    f.add_conversation().await;
    let cases = [
        ("human key", human("h0", None, 9, "x")),
        ("agent key", agent("a1", None, 9)),
        ("human number", human("new", None, 2, "x")),
        ("agent number", agent("new", None, 3)),
    ];
    for (name, turn) in cases {
        let mut transaction = f.begin().await;
        let refused = transaction.turns_insert(&uid("s"), &[turn]).await;
        let error = refused.expect_err(name);
        assert_eq!(error.kind, StoreErrorKind::Conflict, "{name}: {error}");
    }
    assert_eq!(read(&f, "alice", "s").await.len(), 4);
}

/// Claims a key in a session of its own, and gives it to a turn if it is free.
async fn claim_and_insert(store: Arc<dyn RecordStore>, session_key: &str, turn: NewTurn) -> bool {
    let mut transaction = store.begin().await.unwrap();
    let of = session("alice", session_key);
    transaction.session_insert(&of).await.unwrap().unwrap();
    let key = [turn.turn.uid.clone()];
    let taken = transaction.turn_uids_claim(&key).await.unwrap();
    if taken.is_empty() {
        transaction.turns_insert(&of.uid, &[turn]).await.unwrap();
        transaction.commit().await.unwrap();
    }
    taken.is_empty()
}

pub(super) async fn a_claimed_key_is_given_to_one_turn_of_either_kind(f: Fixture) {
    f.add_sessions(&[session("alice", "s"), session("alice", "t")])
        .await;
    let key = uids(&["the-key"]);
    for commits in [false, true] {
        let mut first = f.begin().await;
        first.session_lock(&uid("alice"), &uid("s")).await.unwrap();
        assert_eq!(first.turn_uids_claim(&key).await.unwrap(), []);
        let turn = human("the-key", None, 0, "x");
        first.turns_insert(&uid("s"), &[turn]).await.unwrap();
        // The second looks while the first has its turn written and not committed.
        let session = if commits { "late" } else { "early" };
        let turn = agent("the-key", None, 0);
        let second = claim_and_insert(Arc::clone(&f.store), session, turn);
        let second = tokio::spawn(second);
        f.engine.writer_waits().await;
        assert!(!second.is_finished(), "the second waits for the first");
        if commits {
            first.commit().await.unwrap();
            assert!(!second.await.unwrap(), "the first has the key");
        } else {
            drop(first);
            assert!(second.await.unwrap(), "the first gave the key back");
            f.engine.run("delete from agent_turns").await;
        }
    }
    let found = f.turns("alice", &["s", "t", "early", "late"]).await;
    assert_eq!(found.len(), 1);
}

pub(super) async fn claims_in_any_order_do_not_wait_for_each_other(f: Fixture) {
    let keys: Vec<Uid> = (0..200).map(|n| uid(&format!("k{n}"))).collect();
    let claimers: Vec<_> = (0..8)
        .map(|claimer: usize| {
            let (store, mut keys) = (Arc::clone(&f.store), keys.clone());
            keys.rotate_left(claimer * 25);
            if claimer % 2 == 1 {
                keys.reverse();
            }
            tokio::spawn(async move {
                for _ in 0..5 {
                    let mut transaction = store.begin().await.unwrap();
                    assert_eq!(transaction.turn_uids_claim(&keys).await.unwrap(), []);
                    transaction.commit().await.unwrap();
                }
            })
        })
        .collect();
    for claimer in claimers {
        claimer.await.unwrap();
    }
}

async fn patch(f: &Fixture, turn: (TurnRole, &str), patch: TurnPatch) -> i64 {
    let mut transaction = f.begin().await;
    let key = uid(turn.1);
    let rev = transaction.turn_update((turn.0, &key), &patch, f.now());
    let rev = rev.await.unwrap();
    transaction.commit().await.unwrap();
    rev
}

pub(super) async fn votes_and_deletions_are_patched_and_versions_grow(f: Fixture) {
    f.add_conversation().await;
    let before = read(&f, "alice", "s").await;
    let mut expected = before.clone();
    let mut check = async |place: usize, rev: i64, change: &dyn Fn(&mut TurnRow)| {
        assert!(rev > expected[place].rev && rev >= f.now().0, "{rev}");
        expected[place].rev = rev;
        change(&mut expected[place]);
        assert_eq!(read(&f, "alice", "s").await, expected);
    };
    let at = Timestamp(f.now().0 + 3);
    let deletion = |at| TurnPatch {
        deleted_at: Some(at),
        ..TurnPatch::default()
    };
    let child = |child: Option<&str>| TurnPatch {
        active_child: Some(child.map(uid)),
        ..TurnPatch::default()
    };
    let vote = |liked| TurnPatch {
        liked: Some(liked),
        ..TurnPatch::default()
    };
    let (h, a) = ((TurnRole::Human, "h0"), (TurnRole::Agent, "a1"));
    let rev = patch(&f, h, deletion(Some(at))).await;
    check(0, rev, &|row| row.deleted_at = Some(at)).await;
    f.clock.advance(-9_000_000);
    let rev = patch(&f, h, child(Some("a1"))).await;
    check(0, rev, &|row| row.active_child = Some(uid("a1"))).await;
    let rev = patch(&f, h, deletion(None)).await;
    check(0, rev, &|row| row.deleted_at = None).await;
    for liked in [Some(true), Some(false), None] {
        let rev = patch(&f, a, vote(liked)).await;
        check(1, rev, &|row| row.liked = liked).await;
    }
    let rev = patch(&f, a, child(Some("h2"))).await;
    check(1, rev, &|row| row.active_child = Some(uid("h2"))).await;
    let rev = patch(&f, a, deletion(Some(at))).await;
    check(1, rev, &|row| row.deleted_at = Some(at)).await;
    let rev = patch(&f, a, child(None)).await;
    check(1, rev, &|row| row.active_child = None).await;
    let rev = patch(&f, a, TurnPatch::default()).await;
    check(1, rev, &|_| {}).await;
}

pub(super) async fn progress_keeps_what_it_does_not_name(f: Fixture) {
    f.add_conversation().await;
    let a = (TurnRole::Agent, "a1");
    let progress = |status, finished_at: Option<Timestamp>, usage: Option<&str>| TurnPatch {
        progress: Some(TurnProgress {
            status,
            finished_at,
            usage: usage.map(str::to_owned),
        }),
        ..TurnPatch::default()
    };
    let mut expected = read(&f, "alice", "s").await.remove(1);
    let end = Timestamp(f.now().0 + 1);
    let usage = r#"{"output_tokens":12}"#;
    let cases = [
        (progress(TurnStatus::Streaming, None, None), None, None),
        (
            progress(TurnStatus::Complete, Some(end), Some(usage)),
            Some(end),
            Some(usage),
        ),
        (
            progress(TurnStatus::Failed, None, None),
            Some(end),
            Some(usage),
        ),
        // What goes on is not finished, whatever it was before.
        (
            progress(TurnStatus::Streaming, None, None),
            None,
            Some(usage),
        ),
    ];
    for (change, finished_at, usage) in cases {
        let status = change.progress.as_ref().map(|p| p.status);
        expected.rev = patch(&f, a, change).await;
        expected.status = status;
        expected.finished_at = finished_at;
        expected.usage = usage.map(Into::into);
        same_usage(&read(&f, "alice", "s").await[1], &expected);
    }
}

pub(super) async fn a_foreign_change_of_another_column_is_kept(f: Fixture) {
    f.add_conversation().await;
    f.engine
        .run("update agent_turns set liked = true where uid = 'a1'")
        .await;
    let change = TurnPatch {
        active_child: Some(Some(uid("h2"))),
        ..TurnPatch::default()
    };
    patch(&f, (TurnRole::Agent, "a1"), change).await;
    let found = read(&f, "alice", "s").await.remove(1);
    assert_eq!(found.liked, Some(true));
    assert_eq!(found.active_child, Some(uid("h2")));
}
