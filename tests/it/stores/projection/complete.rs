//! Gaps are found: a session is complete when every number has a whole row or a grave.

use turngraph::domain::change::{SessionAbsent, SessionChange, TurnAbsent, TurnChange};
use turngraph::domain::{SessionRow, TurnRole, TurnRow};
use turngraph::stores::projection::Write;

use super::fixture::{Fixture, step, step_write, turn, turn_write, whole};

fn agent(f: &Fixture, seq: i32, rev: i64) -> Write {
    turn_write(&f.key("s"), turn(TurnRole::Agent, seq, rev), None)
}

fn grave(f: &Fixture, seq: i32, rev: i64) -> Write {
    Write::Grave {
        session_uid: f.key("s"),
        seq,
        rev,
    }
}

pub(super) async fn an_empty_session_is_complete(f: Fixture) {
    f.apply(&[Write::Header(whole(f.session("s", 0, 1)))]).await;
    let graph = f.graph("s").await;
    assert!(graph.complete && graph.turns.is_empty());
}

pub(super) async fn a_gap_is_found_and_a_grave_fills_it(f: Fixture) {
    let header = Write::Header(whole(f.session("s", 3, 1)));
    f.apply(&[header, agent(&f, 0, 1), agent(&f, 2, 1)]).await;
    assert!(!f.graph("s").await.complete);
    f.apply(&[grave(&f, 1, 5)]).await;
    let graph = f.graph("s").await;
    assert!(graph.complete);
    let seqs: Vec<_> = graph.turns.iter().map(|turn| turn.seq).collect();
    assert_eq!(seqs, [0, 2]);
    // The next number is missing again: a grave hides no other gap.
    f.apply(&[Write::Header(whole(f.session("s", 4, 2)))]).await;
    assert!(!f.graph("s").await.complete);
    // Nor does one beyond the header's number stand for one below it.
    f.apply(&[grave(&f, 4, 5), agent(&f, 5, 5)]).await;
    assert!(!f.graph("s").await.complete);
}

pub(super) async fn a_header_below_its_turns_counts_its_own_numbers_only(f: Fixture) {
    let header = Write::Header(whole(f.session("s", 2, 1)));
    f.apply(&[header, agent(&f, 0, 1), agent(&f, 1, 1), agent(&f, 2, 1)])
        .await;
    let graph = f.graph("s").await;
    assert!(graph.complete, "the late header lacks nothing of its own");
    assert_eq!(graph.turns.len(), 3);
}

/// An update that says nothing of `model` and `usage`.
fn partial(f: &Fixture, row: TurnRow) -> Write {
    Write::Turn(TurnChange {
        session_uid: f.key("s"),
        turn: row,
        prompt: None,
        absent: TurnAbsent {
            model: true,
            usage: true,
        },
    })
}

pub(super) async fn a_row_whose_parts_have_not_all_arrived_is_a_gap(f: Fixture) {
    let header = Write::Header(whole(f.session("s", 1, 1)));
    let update = turn(TurnRole::Agent, 0, 8);
    f.apply(&[header, partial(&f, update)]).await;
    let graph = f.graph("s").await;
    assert!(!graph.complete && graph.turns.is_empty());
    // The insert that was late brings the rest, and changes nothing that is newer.
    let insert = TurnRow {
        model: Some("m".into()),
        liked: Some(true),
        ..turn(TurnRole::Agent, 0, 3)
    };
    f.apply(&[turn_write(&f.key("s"), insert, None)]).await;
    let graph = f.graph("s").await;
    assert!(graph.complete);
    let expected = TurnRow {
        model: Some("m".into()),
        ..turn(TurnRole::Agent, 0, 8)
    };
    assert_eq!(graph.turns, [expected]);
}

pub(super) async fn a_session_without_a_whole_header_is_not_there(f: Fixture) {
    f.apply(&[agent(&f, 0, 1)]).await;
    assert!(f.store.graphs(&[f.key("s")]).await.unwrap().is_empty());
    let update = SessionChange {
        row: f.session("s", 1, 5),
        absent: SessionAbsent {
            title: true,
            forked_from: true,
        },
    };
    f.apply(&[Write::Header(update)]).await;
    assert!(f.store.graphs(&[f.key("s")]).await.unwrap().is_empty());
    assert!(f.store.sessions(&[f.key("s")]).await.unwrap().is_empty());
    f.apply(&[Write::Header(whole(f.session("s", 0, 2)))]).await;
    let graph = f.graph("s").await;
    assert_eq!((graph.row.next_seq, graph.row.rev), (1, 5));
    assert!(graph.complete);
}

pub(super) async fn values_that_a_feed_leaves_out_are_left_alone(f: Fixture) {
    let session = f.key("s");
    let before = SessionRow {
        title: Some("kept".into()),
        ..f.session("s", 0, 1)
    };
    let row = SessionRow {
        title: Some("not to be looked at".into()),
        next_seq: 2,
        ..f.session("s", 0, 2)
    };
    let absent = SessionAbsent {
        title: true,
        forked_from: true,
    };
    let described = TurnRow {
        model: Some("m".into()),
        usage: Some("{}".into()),
        ..turn(TurnRole::Agent, 1, 1)
    };
    f.apply(&[
        Write::Header(whole(before)),
        turn_write(&session, turn(TurnRole::Human, 0, 1), Some("prompt")),
        turn_write(&session, described.clone(), None),
        step_write(&session, 1, step(1, 0, "content", 1)),
    ])
    .await;
    let liked = TurnRow {
        liked: Some(true),
        model: None,
        usage: None,
        rev: 2,
        ..described.clone()
    };
    let retyped = turngraph::domain::StepRow {
        tpe: 4,
        ..step(1, 0, "", 2)
    };
    f.apply(&[
        Write::Header(SessionChange { row, absent }),
        turn_write(&session, turn(TurnRole::Human, 0, 2), None),
        partial(&f, liked.clone()),
        Write::Step {
            session_uid: session.clone(),
            seq: 1,
            step: retyped.clone(),
            content_absent: true,
        },
    ])
    .await;
    let graph = f.graph("s").await;
    assert_eq!(graph.row.title.as_deref(), Some("kept"));
    assert_eq!(graph.row.next_seq, 2);
    let expected = TurnRow {
        model: Some("m".into()),
        usage: Some("{}".into()),
        ..liked
    };
    assert_eq!(graph.turns, [turn(TurnRole::Human, 0, 2), expected]);
    let bodies = f.bodies("s", &[0, 1]).await;
    assert_eq!(bodies[0].1.prompt.as_deref(), Some("prompt"));
    let kept = turngraph::domain::StepRow {
        content: "content".into(),
        ..retyped
    };
    assert_eq!(bodies[1].1.steps, [kept]);
}
