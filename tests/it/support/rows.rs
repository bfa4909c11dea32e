//! Rows of the record with plausible values; a test changes what it is about.

use turngraph::domain::score::{MetadataRow, ScoreRow, ScoreSource, ScoreValue, Target};
use turngraph::domain::{SessionRow, StepRow, Timestamp, TurnRole, TurnRow, Uid};
use turngraph::stores::record::NewTurn;

use super::sqlite::START;

/// A key.
pub(crate) fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

/// Keys.
pub(crate) fn uids(texts: &[&str]) -> Vec<Uid> {
    texts.iter().map(|text| uid(text)).collect()
}

/// A session of `account` that begins at [`START`].
pub(crate) fn session(account: &str, key: &str) -> SessionRow {
    SessionRow {
        uid: uid(key),
        account_uid: uid(account),
        title: None,
        created_at: START,
        deleted_at: None,
        active_root: None,
        next_seq: 0,
        last_activity_at: START,
        forked_from: None,
        rev: START.0,
    }
}

/// A session with other times.
pub(crate) fn session_at(account: &str, key: &str, created: i64, active: i64) -> SessionRow {
    SessionRow {
        created_at: Timestamp(created),
        last_activity_at: Timestamp(active),
        ..session(account, key)
    }
}

fn turn(role: TurnRole, key: &str, parent: Option<&str>, seq: i32) -> TurnRow {
    TurnRow {
        uid: uid(key),
        role,
        parent_uid: parent.map(uid),
        active_child: None,
        seq,
        created_at: START,
        deleted_at: None,
        liked: None,
        model: None,
        status: None,
        finished_at: None,
        usage: None,
        rev: START.0,
    }
}

/// A human turn with a prompt.
pub(crate) fn human(key: &str, parent: Option<&str>, seq: i32, prompt: &str) -> NewTurn {
    NewTurn {
        turn: turn(TurnRole::Human, key, parent, seq),
        prompt: Some(prompt.to_owned()),
    }
}

/// An agent turn.
pub(crate) fn agent(key: &str, parent: Option<&str>, seq: i32) -> NewTurn {
    NewTurn {
        turn: turn(TurnRole::Agent, key, parent, seq),
        prompt: None,
    }
}

/// A text step.
pub(crate) fn step(turn: &str, idx: i32, content: &str) -> StepRow {
    StepRow {
        turn_uid: uid(turn),
        idx,
        tpe: 1,
        content: content.into(),
        created_at: START,
        rev: START.0,
    }
}

/// A score by a reviewer.
pub(crate) fn score(key: &str, target: Target, value: ScoreValue) -> ScoreRow {
    ScoreRow {
        uid: uid(key),
        target,
        name: "quality".to_owned(),
        source: ScoreSource::Reviewer,
        value,
        comment: None,
        evaluator: None,
        created_at: START,
    }
}

/// A metadata entry.
pub(crate) fn metadata(target: Target, key: &str, value: &str) -> MetadataRow {
    MetadataRow {
        target,
        key: key.to_owned(),
        value: value.to_owned(),
    }
}
