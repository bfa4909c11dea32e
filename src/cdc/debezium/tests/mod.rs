//! The decoder on messages that a real connector wrote (tests/data/debezium): what is told of them.

mod damage;

use std::collections::VecDeque;

use super::*;
use crate::cdc::FeedEvent;
use crate::domain::change::Change;
use crate::domain::{StepRow, Timestamp};

const FLAT: &str = include_str!("../../../../tests/data/debezium/flat.jsonl");
const SCHEMAS: &str = include_str!("../../../../tests/data/debezium/schemas.jsonl");
const SNAPSHOT: &str = include_str!("../../../../tests/data/debezium/snapshot.jsonl");

/// A minute after the recordings.
const NOW: Timestamp = Timestamp(1_795_277_300_000_000);

/// Key, value, and whether there is a header with the old key.
type Recorded = (Option<String>, Option<String>, bool);

fn recording(text: &str) -> Vec<Recorded> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Takes one message.
fn take(
    decoder: &mut Decoder,
    (key, value, has_old_key): &Recorded,
    out: &mut VecDeque<FeedEvent>,
) -> Result<Option<Ended>, FeedError> {
    let message = RawMessage {
        key: key.as_deref().map(str::as_bytes),
        value: value.as_deref().map(str::as_bytes),
        has_old_key: *has_old_key,
        offset: 7,
    };
    decoder.message(message, NOW, out)
}

/// All that is told of messages, from the first.
fn tell(messages: &[Recorded]) -> Result<Vec<FeedEvent>, FeedError> {
    let before = Ended {
        position: 23_341_656,
        at: Timestamp(0),
    };
    let mut decoder = Decoder::new(None, Some(before), true);
    let mut out = VecDeque::new();
    for message in messages {
        take(&mut decoder, message, &mut out)?;
    }
    Ok(out.into())
}

fn shown_step(step: &StepRow, absent: bool) -> String {
    let content = match absent {
        true => "absent".to_owned(),
        false => format!("{} bytes", step.content.len()),
    };
    format!(
        "step {} {} type {}, {content}",
        step.turn_uid, step.idx, step.tpe
    )
}

/// An event in a line.
fn shown(event: &FeedEvent) -> String {
    match event {
        FeedEvent::Change(Change::Session(session)) => format!(
            "session {} of {}, title {:?}, at {}",
            session.row.uid, session.row.account_uid, session.row.title, session.row.created_at.0
        ),
        FeedEvent::Change(Change::Turn(change)) => format!(
            "turn {} {:?}, prompt {:?}, at {}",
            change.turn.uid, change.turn.role, change.prompt, change.turn.created_at.0
        ),
        FeedEvent::Change(Change::Step(change)) => shown_step(&change.step, change.content_absent),
        FeedEvent::Change(Change::Purge(purge)) => {
            format!(
                "purge {} {} {:?}",
                purge.kind.as_str(),
                purge.uid,
                purge.idx
            )
        }
        FeedEvent::Change(Change::Numbered {
            session_uid,
            from_seq,
            to_seq,
        }) => format!("numbered {session_uid} {from_seq} to {to_seq}"),
        FeedEvent::Change(Change::Suspect { session_uid, row }) => {
            format!("suspect {session_uid:?}: {row}")
        }
        FeedEvent::Unreadable { row, problem, .. } => format!("unreadable {row}: {problem}"),
        FeedEvent::Commit { position, .. } => format!("commit {position}"),
        FeedEvent::Idle { position, .. } => format!("idle {position}"),
    }
}

/// What the recorded statements committed, see tests/data/debezium/statements.sql.
const TOLD: &[&str] = &[
    "idle 23341768",
    r#"session s1 of a, title Some("Title € \"quoted\" \\ back"), at 1767323045678901"#,
    r#"turn h1 Human, prompt Some("hello\n\t\"you\""), at 9223372036854775807"#,
    "turn a1 Agent, prompt None, at -63517824000000000",
    "step a1 0 type 1, 2560 bytes",
    "step a1 1 type -1, 28 bytes",
    "commit 23354280",
    "step a1 0 type 1, 2561 bytes",
    "commit 23366128",
    "step a1 0 type 3, absent",
    "commit 23366416",
    r#"suspect Some("s1"): steps (a row whose key was changed)"#,
    "step a1 5 type 3, absent",
    "purge address a1 Some(0)",
    "commit 23367016",
    "purge address h1 None",
    "commit 23367696",
    "purge turn_steps a1 None",
    "commit 23368240",
    "suspect None: human_turns h2",
    "commit 23375736",
    "numbered s1 0 to 1",
    "commit 23376440",
    "idle 23376800",
    "session s2 of a, title None, at 0",
    "commit 23385504",
    "unreadable sessions s2: the message has no column `title`; was it renamed, or left out by the \
     connector (column.include.list, column.exclude.list) or a transformation?",
    "commit 23394512",
    "suspect None: agent_turns (all rows: the table was truncated)",
    "commit 23451240",
    "session last of z, title None, at 0",
    "commit 23452400",
];

#[test]
fn what_a_connector_wrote_is_told_as_it_was_committed() {
    let told = tell(&recording(FLAT)).unwrap();
    assert_eq!(told.iter().map(shown).collect::<Vec<_>>(), TOLD);
}

#[test]
fn messages_with_their_schema_say_the_same() {
    let told = tell(&recording(SCHEMAS)).unwrap();
    let flat = tell(&recording(FLAT)).unwrap();
    assert_eq!(told.len(), 11);
    assert_eq!(told, flat[..told.len()]);
}

#[test]
fn a_snapshot_is_told_and_reaches_its_place() {
    let told = tell(&recording(SNAPSHOT)).unwrap();
    let told: Vec<_> = told.iter().map(shown).collect();
    assert_eq!(told.len(), 10, "{told:#?}");
    assert!(told[0].starts_with("session s1 of a"));
    assert_eq!(
        told[3],
        r#"turn hs Human, prompt Some("p"), at 1795277233012581"#
    );
    assert_eq!(
        told[7..],
        ["numbered s1 0 to 1", "commit 23453056", "idle 23453168"]
    );
}

#[test]
fn the_placeholder_may_be_another_and_is_text_in_a_row_that_is_new() {
    let recorded = recording(FLAT);
    let mut decoder = Decoder::new(Some("a secret"), None, true);
    let mut out = VecDeque::new();
    for message in &recorded {
        take(&mut decoder, message, &mut out).unwrap();
    }
    let told: Vec<_> = out.iter().map(shown).collect();
    assert!(told.contains(&"step a1 0 type 3, 28 bytes".to_owned()));
    assert!(told.contains(&"step a1 1 type -1, 28 bytes".to_owned()));
}
