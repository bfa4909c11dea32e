//! Rows come back exactly as the record store has them.

use turngraph::domain::{
    ForkOrigin, SessionRow, StepRow, Timestamp, TurnRole, TurnRow, TurnStatus,
};
use turngraph::stores::projection::{BodyPart, Write};

use super::fixture::{Fixture, step, step_write, turn, turn_write, whole};
use crate::support::rows::uid;

/// Texts that are easily confused or cut.
const TEXTS: [Option<&str>; 7] = [
    None,
    Some(""),
    Some("="),
    Some("=x"),
    Some("null"),
    Some("a\0b\r\n\u{1f}"),
    Some("тест 🦀"),
];

pub(super) async fn sessions_come_back_as_they_were_written(f: Fixture) {
    let mut rows = Vec::new();
    for (index, title) in TEXTS.into_iter().enumerate() {
        rows.push(SessionRow {
            title: title.map(Into::into),
            ..f.session(&format!("title-{index}"), 0, 5)
        });
    }
    rows.push(SessionRow {
        created_at: Timestamp(-1),
        deleted_at: Some(Timestamp(0)),
        active_root: Some(uid("root 🦀")),
        last_activity_at: Timestamp(i64::MAX),
        forked_from: Some(ForkOrigin {
            session_uid: uid("from\"\\"),
            turn_uid: uid("turn"),
            at: Timestamp(3),
        }),
        ..f.session("full", i32::MAX, i64::MAX)
    });
    let writes: Vec<_> = rows.iter().cloned().map(whole).map(Write::Header).collect();
    f.apply(&writes).await;
    let uids: Vec<_> = rows.iter().map(|row| row.uid.clone()).collect();
    let mut found = f.store.sessions(&uids).await.unwrap();
    let place = |row: &SessionRow| uids.iter().position(|uid| *uid == row.uid);
    found.sort_by_key(place);
    assert_eq!(found, rows);
    let mut graphs = f.store.graphs(&uids).await.unwrap();
    graphs.sort_by_key(|graph| place(&graph.row));
    let found: Vec<_> = graphs.into_iter().map(|graph| graph.row).collect();
    assert_eq!(found, rows);
}

pub(super) async fn turns_come_back_as_they_were_written(f: Fixture) {
    let mut rows = vec![turn(TurnRole::Human, 0, 1), turn(TurnRole::Agent, 1, 2)];
    for liked in [Some(true), Some(false)] {
        rows.push(TurnRow {
            liked,
            ..turn(TurnRole::Agent, rows.len().try_into().unwrap(), 3)
        });
    }
    for status in TurnStatus::ALL {
        rows.push(TurnRow {
            status: Some(status),
            ..turn(TurnRole::Agent, rows.len().try_into().unwrap(), 3)
        });
    }
    for text in TEXTS {
        rows.push(TurnRow {
            model: text.map(Into::into),
            usage: text.map(Into::into),
            ..turn(TurnRole::Agent, rows.len().try_into().unwrap(), 3)
        });
    }
    rows.push(TurnRow {
        parent_uid: Some(uid("parent")),
        active_child: Some(uid("child")),
        created_at: Timestamp(-5),
        deleted_at: Some(Timestamp(-6)),
        finished_at: Some(Timestamp(0)),
        ..turn(TurnRole::Agent, rows.len().try_into().unwrap(), i64::MAX)
    });
    let session = f.session("s", rows.len().try_into().unwrap(), 9);
    let uid = session.uid.clone();
    let mut writes = vec![Write::Header(whole(session))];
    writes.extend(rows.iter().map(|row| turn_write(&uid, row.clone(), None)));
    f.apply(&writes).await;
    let graph = f.graph("s").await;
    assert!(graph.complete);
    assert_eq!(graph.turns, rows);
}

pub(super) async fn steps_and_prompts_come_back_as_they_were_written(f: Fixture) {
    let session = f.key("s");
    let odd = |idx, tpe, content: &str| StepRow {
        tpe,
        created_at: Timestamp(-1),
        ..step(1, idx, content, 7)
    };
    let steps = vec![
        odd(-1, 999, "not JSON \0 \u{7f}"),
        odd(0, -3, ""),
        odd(1, 12, r#"{"a": 1.0e400 , "a":2}"#),
        odd(i32::MAX, i32::MIN, "🦀"),
    ];
    let mut writes: Vec<_> = steps
        .iter()
        .map(|row| step_write(&session, 1, row.clone()))
        .collect();
    for (seq, prompt) in [(0, Some("")), (2, Some("a\0b 🦀")), (3, None)] {
        writes.push(turn_write(&session, turn(TurnRole::Human, seq, 7), prompt));
    }
    f.apply(&writes).await;
    let found = f.bodies("s", &[0, 1, 2, 3, 4]).await;
    let seqs: Vec<_> = found.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [0, 1, 2], "turns without bodies are left out");
    assert!(found.iter().all(|(_, bodies)| !bodies.partial));
    assert_eq!(found[0].1.prompt.as_deref(), Some(""));
    assert_eq!(found[1].1.prompt, None);
    assert_eq!(found[1].1.steps, steps);
    assert_eq!(found[2].1.prompt.as_deref(), Some("a\0b 🦀"));
}

pub(super) async fn heads_have_no_content(f: Fixture) {
    let session = f.key("s");
    f.apply(&[
        turn_write(&session, turn(TurnRole::Human, 0, 7), Some("prompt")),
        step_write(&session, 1, step(1, 0, "text", 7)),
    ])
    .await;
    let found = f.store.bodies(&session, &[0, 1], BodyPart::Heads).await;
    let found = found.unwrap();
    let heads: Vec<_> = found.iter().flat_map(|(_, bodies)| &bodies.steps).collect();
    assert_eq!(heads, [&step(1, 0, "", 7)]);
    assert!(found.iter().all(|(_, b)| b.prompt.is_none() && !b.partial));
}

pub(super) async fn bodies_of_scattered_turns_are_found(f: Fixture) {
    let session = f.key("s");
    // Over several buckets, and more in one bucket than one request may name.
    let written: Vec<i32> = (0..1_200).collect();
    let writes: Vec<_> = written
        .iter()
        .map(|seq| step_write(&session, *seq, step(*seq, 0, &seq.to_string(), 7)))
        .collect();
    f.apply(&writes).await;
    for every in [1, 2, 3, 7, 255, 256, 257] {
        let mut wanted: Vec<i32> = written.iter().copied().step_by(every).collect();
        wanted.reverse();
        let found = f.bodies("s", &wanted).await;
        wanted.reverse();
        let seqs: Vec<_> = found.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(seqs, wanted, "every {every}");
        for (seq, bodies) in found {
            assert_eq!(bodies.steps, [step(seq, 0, &seq.to_string(), 7)]);
        }
    }
}

pub(super) async fn what_is_not_there_is_left_out(f: Fixture) {
    f.apply(&[Write::Header(whole(f.session("there", 0, 1)))])
        .await;
    let uids = [f.key("there"), f.key("not there")];
    assert_eq!(f.store.sessions(&uids).await.unwrap().len(), 1);
    assert_eq!(f.store.graphs(&uids).await.unwrap().len(), 1);
    assert!(f.store.sessions(&[]).await.unwrap().is_empty());
    assert!(f.bodies("not there", &[0, 1, 300]).await.is_empty());
    assert!(f.bodies("there", &[]).await.is_empty());
    let account = f.key("nobody");
    assert!(
        f.store
            .listing(&account, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}
