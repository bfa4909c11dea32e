//! Sessions: look-ups, insertion, patches, versions, rebirth.

use turngraph::domain::{ForkOrigin, SessionRow, Timestamp};
use turngraph::stores::record::SessionPatch;

use super::Fixture;
use crate::support::rows::{session, uid, uids};

fn full(key: &str) -> SessionRow {
    let row = session("alice", key);
    SessionRow {
        title: Some("Übersicht 🗝".into()),
        deleted_at: Some(Timestamp(row.created_at.0 + 2)),
        active_root: Some(uid("root")),
        next_seq: 7,
        last_activity_at: Timestamp(row.created_at.0 + 1),
        forked_from: Some(ForkOrigin {
            session_uid: uid("from"),
            turn_uid: uid("turn"),
            at: row.created_at,
        }),
        ..row
    }
}

pub(super) async fn a_session_comes_back_as_it_was_inserted(f: Fixture) {
    let rows = [
        full("s1"),
        session("alice", "s2"),
        // Times before 1970 and with odd microseconds are kept to the microsecond.
        SessionRow {
            created_at: Timestamp(-1_234_567_891),
            ..session("alice", "s3")
        },
    ];
    f.add_sessions(&rows).await;
    for row in rows {
        let found = f.session("alice", row.uid.as_str()).await;
        assert_eq!(found, Some(row));
    }
    let keys = uids(&["s1", "none", "s2", "s1"]);
    let found = f.store.sessions_by_uid(&uid("alice"), &keys).await.unwrap();
    let mut found = Fixture::keys(&found);
    found.sort();
    assert_eq!(
        found,
        [&uid("s1"), &uid("s2")],
        "each once, missing ones left out"
    );
    let none = f.store.sessions_by_uid(&uid("alice"), &[]).await.unwrap();
    assert!(none.is_empty());
}

pub(super) async fn a_foreign_session_and_a_missing_one_cannot_be_told_apart(f: Fixture) {
    f.add_conversation().await;
    assert!(f.session("alice", "s").await.is_some());
    for key in ["s", "missing"] {
        assert_eq!(f.session("bob", key).await, None, "{key}");
        let (bob, uid) = (uid("bob"), uid(key));
        let turns = f
            .store
            .turns_by_session(&bob, std::slice::from_ref(&uid))
            .await;
        assert_eq!(turns.unwrap(), []);
        let mut transaction = f.begin().await;
        assert_eq!(transaction.session_lock(&bob, &uid).await.unwrap(), None);
    }
    let mut transaction = f.begin().await;
    let locked = transaction.session_lock(&uid("alice"), &uid("s")).await;
    assert_eq!(locked.unwrap().map(|row| row.next_seq), Some(4));
}

pub(super) async fn a_taken_key_is_refused_whosever_it_is(f: Fixture) {
    f.add_sessions(&[session("alice", "s")]).await;
    for account in ["alice", "bob"] {
        let mut transaction = f.begin().await;
        let mut other = session(account, "s");
        other.title = Some("mine".into());
        assert_eq!(transaction.session_insert(&other).await.unwrap(), None);
        // The transaction goes on: a taken key is an answer and not an error.
        let free = session(account, &format!("free-{account}"));
        assert!(transaction.session_insert(&free).await.unwrap().is_some());
        transaction.commit().await.unwrap();
    }
    assert_eq!(f.session("alice", "s").await, Some(session("alice", "s")));
    assert_eq!(f.session("bob", "s").await, None);
}

async fn patched(f: &Fixture, patch: &SessionPatch) -> i64 {
    let mut transaction = f.begin().await;
    let rev = transaction.session_update(&uid("s"), patch, f.now()).await;
    let rev = rev.unwrap();
    transaction.commit().await.unwrap();
    rev
}

pub(super) async fn a_patch_changes_only_what_it_names(f: Fixture) {
    let mut expected = full("s");
    f.add_sessions(std::slice::from_ref(&expected)).await;
    let later = Timestamp(expected.created_at.0 + 9);
    let mut check = async |patch: SessionPatch, change: &dyn Fn(&mut SessionRow)| {
        expected.rev = patched(&f, &patch).await;
        change(&mut expected);
        let found = f.session("alice", "s").await;
        assert_eq!(found.as_ref(), Some(&expected), "{patch:?}");
    };
    let none = SessionPatch::default();
    check(none.clone(), &|_| {}).await;
    for title in [None, Some("Neu")] {
        let patch = SessionPatch {
            title: Some(title.map(str::to_owned)),
            ..none.clone()
        };
        check(patch, &|row| row.title = title.map(Into::into)).await;
    }
    for deleted_at in [None, Some(later)] {
        let patch = SessionPatch {
            deleted_at: Some(deleted_at),
            ..none.clone()
        };
        check(patch, &|row| row.deleted_at = deleted_at).await;
    }
    for root in [None, Some(uid("other"))] {
        let patch = SessionPatch {
            active_root: Some(root.clone()),
            ..none.clone()
        };
        check(patch, &|row| row.active_root.clone_from(&root)).await;
    }
    let patch = SessionPatch {
        next_seq: Some(8),
        last_activity_at: Some(later),
        ..none
    };
    check(patch, &|row| {
        row.next_seq = 8;
        row.last_activity_at = later;
    })
    .await;
}

pub(super) async fn the_next_number_never_falls(f: Fixture) {
    f.add_sessions(&[full("s")]).await;
    let mut transaction = f.begin().await;
    let patch = SessionPatch {
        next_seq: Some(3),
        ..SessionPatch::default()
    };
    // An engine may refuse or keep the higher number.
    let lower = transaction.session_update(&uid("s"), &patch, f.now()).await;
    if lower.is_ok() {
        transaction.commit().await.unwrap();
    }
    assert_eq!(f.session("alice", "s").await.unwrap().next_seq, 7);
}

pub(super) async fn versions_grow_also_when_the_clock_goes_back(f: Fixture) {
    f.add_sessions(&[session("alice", "s")]).await;
    let mut last = session("alice", "s").rev;
    for step in [1_000, 0, -5_000_000, 10_000_000] {
        f.clock.advance(step);
        let mut transaction = f.begin().await;
        let patch = SessionPatch::default();
        let rev = transaction.session_update(&uid("s"), &patch, f.now()).await;
        let rev = rev.unwrap();
        transaction.commit().await.unwrap();
        assert!(rev > last && rev >= f.now().0, "{rev} after {last}");
        assert_eq!(f.session("alice", "s").await.unwrap().rev, rev);
        last = rev;
    }
}

pub(super) async fn a_purged_key_comes_back_with_a_higher_version(f: Fixture) {
    f.add_conversation().await;
    let mut transaction = f.begin().await;
    let patch = SessionPatch::default();
    let rev = transaction.session_update(&uid("s"), &patch, f.now()).await;
    let rev = rev.unwrap();
    transaction.commit().await.unwrap();
    for sql in [
        "delete from steps where session_uid = 's'",
        "delete from agent_turns where session_uid = 's'",
        "delete from human_turns where session_uid = 's'",
        "delete from sessions where uid = 's'",
    ] {
        f.engine.run(sql).await;
    }
    assert_eq!(f.session("alice", "s").await, None);
    let mut transaction = f.begin().await;
    let row = session("alice", "s");
    let reborn = transaction.session_insert(&row).await.unwrap().unwrap();
    transaction.commit().await.unwrap();
    assert!(
        reborn > rev + 1,
        "{reborn} is above the purge, which is above {rev}"
    );
    assert_eq!(f.session("alice", "s").await.unwrap().rev, reborn);
}
