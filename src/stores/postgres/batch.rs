//! Rows as columns of arrays, in batches that stay far below the limit of a message.

use std::collections::HashMap;

use crate::domain::score::{MetadataRow, ScoreRow, Target};
use crate::domain::{SessionRow, TurnRole, Uid};
use crate::stores::record::{NewStep, NewTurn, fork_origin_json};
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::score::{source_column, target_columns, value_columns};

/// Bytes of text in one statement, about; a single row may have more.
const BATCH_BYTES: usize = 32 * 1024 * 1024;

/// Declares columns of arrays for one kind of row.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident<$life:lifetime> { $($field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name<$life> { $(pub $field: Vec<$ty>,)* }
    };
}

columns! {
    /// Sessions.
    SessionColumns<'a> {
        uid: &'a str,
        account_uid: &'a str,
        title: Option<&'a str>,
        created_at: DbTime,
        deleted_at: Option<DbTime>,
        active_root: Option<&'a str>,
        next_seq: i32,
        last_activity_at: DbTime,
        forked_from: Option<String>,
        rev: i64,
    }
}

columns! {
    /// Human turns.
    HumanColumns<'a> {
        session_uid: &'a str,
        uid: &'a str,
        parent_uid: Option<&'a str>,
        active_child: Option<&'a str>,
        prompt: &'a str,
        created_at: DbTime,
        seq: i32,
        deleted_at: Option<DbTime>,
        rev: i64,
    }
}

columns! {
    /// Agent turns.
    AgentColumns<'a> {
        session_uid: &'a str,
        uid: &'a str,
        parent_uid: Option<&'a str>,
        active_child: Option<&'a str>,
        liked: Option<bool>,
        created_at: DbTime,
        seq: i32,
        deleted_at: Option<DbTime>,
        model: Option<&'a str>,
        status: Option<&'a str>,
        finished_at: Option<DbTime>,
        usage: Option<&'a str>,
        rev: i64,
    }
}

columns! {
    /// Steps.
    StepColumns<'a> {
        session_uid: &'a str,
        turn_uid: &'a str,
        idx: i32,
        tpe: i32,
        content: &'a str,
        created_at: DbTime,
        turn_seq: i32,
        rev: i64,
    }
}

columns! {
    /// Scores.
    ScoreColumns<'a> {
        uid: &'a str,
        target_kind: &'a str,
        target_uid: &'a str,
        target_idx: i32,
        name: &'a str,
        source: &'a str,
        value_type: &'a str,
        number: Option<f64>,
        label: Option<&'a str>,
        text: Option<&'a str>,
        comment: Option<&'a str>,
        evaluator: Option<&'a str>,
        created_at: DbTime,
    }
}

columns! {
    /// Metadata.
    MetadataColumns<'a> {
        target_kind: &'a str,
        target_uid: &'a str,
        target_idx: i32,
        key: &'a str,
        value: &'a str,
    }
}

pub(super) use columns;

/// Cuts rows into runs of about [`BATCH_BYTES`].
pub(super) fn runs<T>(rows: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut runs = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (ix, row) in rows.iter().enumerate() {
        let row = bytes(row);
        if ix > start && size + row > BATCH_BYTES {
            runs.push(&rows[start..ix]);
            (start, size) = (ix, 0);
        }
        size += row;
    }
    if start < rows.len() {
        runs.push(&rows[start..]);
    }
    runs
}

/// Bytes of a turn's own text.
pub(super) fn turn_bytes((_, turn): &(&Uid, &NewTurn)) -> usize {
    turn.prompt.as_ref().map_or(0, String::len)
}

fn text(uid: Option<&Uid>) -> Option<&str> {
    uid.map(Uid::as_str)
}

/// Sessions.
pub(super) fn sessions<'a>(rows: &[&'a SessionRow]) -> SessionColumns<'a> {
    let mut columns = SessionColumns::default();
    for row in rows {
        columns.uid.push(row.uid.as_str());
        columns.account_uid.push(row.account_uid.as_str());
        columns.title.push(row.title.as_deref());
        columns.created_at.push(DbTime(row.created_at));
        columns.deleted_at.push(row.deleted_at.map(DbTime));
        columns.active_root.push(text(row.active_root.as_ref()));
        columns.next_seq.push(row.next_seq);
        columns.last_activity_at.push(DbTime(row.last_activity_at));
        columns
            .forked_from
            .push(row.forked_from.as_ref().map(fork_origin_json));
        columns.rev.push(row.rev);
    }
    columns
}

/// The human ones of these turns.
pub(super) fn human_turns<'a>(turns: &[(&'a Uid, &'a NewTurn)]) -> HumanColumns<'a> {
    let mut columns = HumanColumns::default();
    for &(session, NewTurn { turn, prompt }) in turns {
        if turn.role != TurnRole::Human {
            continue;
        }
        columns.session_uid.push(session.as_str());
        columns.uid.push(turn.uid.as_str());
        columns.parent_uid.push(text(turn.parent_uid.as_ref()));
        columns.active_child.push(text(turn.active_child.as_ref()));
        columns.prompt.push(prompt.as_deref().unwrap_or(""));
        columns.created_at.push(DbTime(turn.created_at));
        columns.seq.push(turn.seq);
        columns.deleted_at.push(turn.deleted_at.map(DbTime));
        columns.rev.push(turn.rev);
    }
    columns
}

/// The agents' ones of these turns.
pub(super) fn agent_turns<'a>(turns: &[(&'a Uid, &'a NewTurn)]) -> AgentColumns<'a> {
    let mut columns = AgentColumns::default();
    for &(session, NewTurn { turn, .. }) in turns {
        if turn.role != TurnRole::Agent {
            continue;
        }
        columns.session_uid.push(session.as_str());
        columns.uid.push(turn.uid.as_str());
        columns.parent_uid.push(text(turn.parent_uid.as_ref()));
        columns.active_child.push(text(turn.active_child.as_ref()));
        columns.liked.push(turn.liked);
        columns.created_at.push(DbTime(turn.created_at));
        columns.seq.push(turn.seq);
        columns.deleted_at.push(turn.deleted_at.map(DbTime));
        columns.model.push(turn.model.as_deref());
        columns
            .status
            .push(turn.status.map(|status| status.as_str()));
        columns.finished_at.push(turn.finished_at.map(DbTime));
        columns.usage.push(turn.usage.as_deref());
        columns.rev.push(turn.rev);
    }
    columns
}

/// Steps with the numbers of their turns.
pub(super) fn steps<'a>(rows: &[NewStep<'a>]) -> StepColumns<'a> {
    let mut columns = StepColumns::default();
    for new in rows {
        let step = new.row;
        columns.session_uid.push(new.session_uid.as_str());
        columns.turn_uid.push(step.turn_uid.as_str());
        columns.idx.push(step.idx);
        columns.tpe.push(step.tpe);
        columns.content.push(&step.content);
        columns.created_at.push(DbTime(step.created_at));
        columns.turn_seq.push(new.turn_seq);
        columns.rev.push(step.rev);
    }
    columns
}

/// Scores.
pub(super) fn scores(rows: &[ScoreRow]) -> ScoreColumns<'_> {
    let mut columns = ScoreColumns::default();
    for row in rows {
        let (kind, uid, idx) = target_columns(&row.target);
        let (value_type, number, label, text) = value_columns(&row.value);
        columns.uid.push(row.uid.as_str());
        columns.target_kind.push(kind);
        columns.target_uid.push(uid.as_str());
        columns.target_idx.push(idx);
        columns.name.push(&row.name);
        columns.source.push(source_column(row.source));
        columns.value_type.push(value_type);
        columns.number.push(number);
        columns.label.push(label);
        columns.text.push(text);
        columns.comment.push(row.comment.as_deref());
        columns.evaluator.push(row.evaluator.as_deref());
        columns.created_at.push(DbTime(row.created_at));
    }
    columns
}

/// Metadata; of entries with the same target and key the last one counts, because a statement
/// cannot replace a row twice.
pub(super) fn metadata(rows: &[MetadataRow]) -> MetadataColumns<'_> {
    let mut last: HashMap<(&Target, &str), usize> = HashMap::new();
    for (ix, row) in rows.iter().enumerate() {
        last.insert((&row.target, &row.key), ix);
    }
    let mut columns = MetadataColumns::default();
    for (ix, row) in rows.iter().enumerate() {
        if last[&(&row.target, row.key.as_str())] != ix {
            continue;
        }
        let (kind, uid, idx) = target_columns(&row.target);
        columns.target_kind.push(kind);
        columns.target_uid.push(uid.as_str());
        columns.target_idx.push(idx);
        columns.key.push(&row.key);
        columns.value.push(&row.value);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_by_their_bytes_and_a_large_one_stands_alone() {
        let half = BATCH_BYTES / 2;
        let cut = |sizes: &[usize]| -> Vec<usize> {
            runs(sizes, |&size| size)
                .iter()
                .map(|run| run.len())
                .collect()
        };
        assert_eq!(cut(&[]), Vec::<usize>::new());
        assert_eq!(cut(&[1; 1_000]), [1_000]);
        assert_eq!(cut(&[half, half, 1, BATCH_BYTES * 2, 1]), [2, 1, 1, 1]);
    }
}
