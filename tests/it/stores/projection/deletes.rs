//! Deletions hide what is older than they are, whenever it comes, and nothing that is newer.

use turngraph::domain::{SessionRow, TurnRole, Uid};
use turngraph::stores::projection::Write;

use super::fixture::{Fixture, step, step_write, turn, turn_write, whole};

fn human(session: &Uid, seq: i32, rev: i64) -> Write {
    turn_write(session, turn(TurnRole::Human, seq, rev), Some("prompt"))
}

fn session_gone(session_uid: Uid, next_seq: i32, rev: i64) -> Write {
    Write::SessionGone {
        session_uid,
        next_seq,
        rev,
    }
}

pub(super) async fn a_grave_keeps_its_number_against_late_writes(f: Fixture) {
    let session = f.key("s");
    let grave = Write::Grave {
        session_uid: session.clone(),
        seq: 0,
        rev: 5,
    };
    f.apply(&[
        Write::Header(whole(f.session("s", 1, 1))),
        human(&session, 0, 1),
        step_write(&session, 0, step(0, 0, "secret", 1)),
        grave,
    ])
    .await;
    // What was under way when the turn was deleted.
    f.apply(&[
        human(&session, 0, 4),
        step_write(&session, 0, step(0, 1, "late", 4)),
    ])
    .await;
    let graph = f.graph("s").await;
    assert!(graph.complete && graph.turns.is_empty());
    assert!(f.bodies("s", &[0]).await.is_empty());
}

pub(super) async fn a_deletion_in_the_past_hides_nothing_newer(f: Fixture) {
    let session = f.key("s");
    f.apply(&[
        Write::Header(whole(f.session("s", 2, 10))),
        human(&session, 0, 10),
        turn_write(&session, turn(TurnRole::Agent, 1, 10), None),
        step_write(&session, 1, step(1, 0, "kept", 10)),
        Write::Listing(whole(f.session("s", 2, 10))),
    ])
    .await;
    let row = f.session("s", 2, 10);
    f.apply(&[
        Write::Grave {
            session_uid: session.clone(),
            seq: 0,
            rev: 9,
        },
        Write::StepsGone {
            session_uid: session.clone(),
            seq: 1,
            idx: None,
            rev: 9,
        },
        Write::ListingGone {
            account_uid: row.account_uid.clone(),
            created_at: row.created_at,
            session_uid: session.clone(),
            rev: 9,
        },
        session_gone(session, 2, 9),
    ])
    .await;
    let graph = f.graph("s").await;
    assert!(graph.complete);
    assert_eq!(graph.turns.len(), 2);
    let bodies = f.bodies("s", &[0, 1]).await;
    assert_eq!(bodies[0].1.prompt.as_deref(), Some("prompt"));
    assert_eq!(bodies[1].1.steps, [step(1, 0, "kept", 10)]);
    let listed = f.store.listing(&row.account_uid, None, 9).await.unwrap();
    assert_eq!(listed.len(), 1);
}

pub(super) async fn single_steps_and_all_steps_go_and_the_prompt_stays(f: Fixture) {
    let session = f.key("s");
    let steps_gone = |seq, idx, rev| Write::StepsGone {
        session_uid: session.clone(),
        seq,
        idx,
        rev,
    };
    let mut writes = vec![human(&session, 0, 1)];
    for (seq, idx) in [(1, -1), (1, 0), (1, 1), (2, 0), (2, 1)] {
        writes.push(step_write(&session, seq, step(seq, idx, "x", 1)));
    }
    f.apply(&writes).await;
    f.apply(&[
        steps_gone(0, None, 5),
        steps_gone(1, Some(0), 5),
        steps_gone(2, None, 5),
    ])
    .await;
    // One step comes again under its place.
    f.apply(&[step_write(&session, 2, step(2, 1, "again", 6))])
        .await;
    let bodies = f.bodies("s", &[0, 1, 2]).await;
    assert_eq!(bodies[0].1.prompt.as_deref(), Some("prompt"));
    let expected = [step(1, -1, "x", 1), step(1, 1, "x", 1)];
    assert_eq!(bodies[1].1.steps, expected);
    assert_eq!(bodies[2].1.steps, [step(2, 1, "again", 6)]);
}

pub(super) async fn a_purge_takes_every_bucket_and_a_rebirth_is_whole(f: Fixture) {
    let session = f.key("s");
    let seqs = [0, 255, 256, 511, 512, 767, 768];
    let mut writes = vec![Write::Header(whole(f.session("s", 769, 1)))];
    for seq in seqs {
        writes.push(human(&session, seq, 1));
    }
    f.apply(&writes).await;
    assert_eq!(f.bodies("s", &seqs).await.len(), seqs.len());
    f.apply(&[session_gone(session.clone(), 769, 5)]).await;
    f.apply(&writes).await;
    let uids = [session.clone()];
    assert!(f.store.graphs(&uids).await.unwrap().is_empty());
    assert!(f.store.sessions(&uids).await.unwrap().is_empty());
    assert!(f.bodies("s", &seqs).await.is_empty());
    // The same key may come back; numbers then begin at 0 again.
    f.apply(&[
        Write::Header(whole(f.session("s", 1, 6))),
        human(&session, 0, 6),
    ])
    .await;
    let graph = f.graph("s").await;
    assert!(graph.complete);
    assert_eq!(graph.turns, [turn(TurnRole::Human, 0, 6)]);
    assert_eq!(f.bodies("s", &seqs).await.len(), 1);
}

pub(super) async fn a_session_that_moves_is_listed_under_its_new_account_only(f: Fixture) {
    let (before, alice) = (f.session("s", 0, 1), f.key("account"));
    let moved = SessionRow {
        account_uid: f.key("bob"),
        rev: 2,
        ..before.clone()
    };
    let gone = Write::ListingGone {
        account_uid: alice.clone(),
        created_at: before.created_at,
        session_uid: before.uid.clone(),
        rev: 2,
    };
    f.apply(&[
        Write::Listing(whole(moved.clone())),
        gone,
        Write::Header(whole(moved.clone())),
    ])
    .await;
    // The first listing comes late.
    f.apply(&[
        Write::Listing(whole(before.clone())),
        Write::Header(whole(before)),
    ])
    .await;
    let of_alice = f.store.listing(&alice, None, 9).await.unwrap();
    assert!(of_alice.is_empty());
    let of_bob = f.store.listing(&f.key("bob"), None, 9).await.unwrap();
    assert_eq!(of_bob.len(), 1);
    assert_eq!(f.graph("s").await.row, moved);
}
