//! Many rows as one JSON parameter, cut into statements of bounded size.
//!
//! Knows the order of the values in the insert statements and nothing of connections.

use serde::Serialize;

use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::{TurnRole, Uid};
use crate::stores::record::{NewStep, NewTurn};
use crate::stores::sql::score::{source_column, target_columns, value_columns};

/// Text of a statement's rows at which the next statement begins. SQLite takes up to 1 GB; this
/// bounds the memory that a copy takes on its way.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Rows as JSON lists of lists, in as few texts as their size allows.
pub(super) struct Batches {
    done: Vec<String>,
    open: Vec<u8>,
}

impl Batches {
    fn new() -> Self {
        Self {
            done: vec![],
            open: vec![],
        }
    }

    fn push(&mut self, row: &impl Serialize) {
        self.open
            .push(if self.open.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut self.open, row)
            .expect("texts and numbers are JSON, and writing to memory does not fail");
        if self.open.len() >= BATCH_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        let mut open = std::mem::take(&mut self.open);
        open.push(b']');
        self.done
            .push(String::from_utf8(open).expect("JSON is written as UTF-8"));
    }

    fn finish(mut self) -> Vec<String> {
        if !self.open.is_empty() {
            self.close();
        }
        self.done
    }
}

/// A list of keys as a JSON parameter.
pub(super) fn keys(uids: &[Uid]) -> String {
    let texts: Vec<&str> = uids.iter().map(Uid::as_str).collect();
    serde_json::to_string(&texts).expect("texts are always JSON")
}

fn of_role<'t, 'a>(
    turns: &'t [(&'a Uid, &'a NewTurn)],
    role: TurnRole,
) -> impl Iterator<Item = (&'a Uid, &'a NewTurn)> + 't {
    let of_role = move |(_, new): &(&Uid, &NewTurn)| new.turn.role == role;
    turns.iter().copied().filter(of_role)
}

/// Human turns for `HUMAN_TURNS_INSERT`.
pub(super) fn human_turns(turns: &[(&Uid, &NewTurn)]) -> Vec<String> {
    let mut batches = Batches::new();
    for (session, NewTurn { turn, prompt }) in of_role(turns, TurnRole::Human) {
        batches.push(&(
            session.as_str(),
            turn.uid.as_str(),
            turn.parent_uid.as_ref().map(Uid::as_str),
            turn.active_child.as_ref().map(Uid::as_str),
            prompt.as_deref().unwrap_or_default(),
            turn.created_at,
            turn.seq,
            turn.deleted_at,
            turn.rev,
        ));
    }
    batches.finish()
}

/// Agent turns for `AGENT_TURNS_INSERT`.
pub(super) fn agent_turns(turns: &[(&Uid, &NewTurn)]) -> Vec<String> {
    let mut batches = Batches::new();
    for (session, NewTurn { turn, .. }) in of_role(turns, TurnRole::Agent) {
        batches.push(&(
            session.as_str(),
            turn.uid.as_str(),
            turn.parent_uid.as_ref().map(Uid::as_str),
            turn.active_child.as_ref().map(Uid::as_str),
            turn.liked,
            turn.created_at,
            turn.seq,
            turn.deleted_at,
            turn.model.as_deref(),
            turn.status.map(crate::domain::TurnStatus::as_str),
            turn.finished_at,
            turn.usage.as_deref(),
            turn.rev,
        ));
    }
    batches.finish()
}

/// Steps for `STEPS_INSERT`.
pub(super) fn steps(steps: &[NewStep<'_>]) -> Vec<String> {
    let mut batches = Batches::new();
    for new in steps {
        let step = new.row;
        batches.push(&(
            new.session_uid.as_str(),
            step.turn_uid.as_str(),
            step.idx,
            step.tpe,
            &*step.content,
            step.created_at,
            new.turn_seq,
            step.rev,
        ));
    }
    batches.finish()
}

/// A score for `SCORE_INSERT`: its texts as a JSON list, and its number.
pub(super) fn score(score: &ScoreRow) -> (String, Option<f64>) {
    let (target_kind, target_uid, target_idx) = target_columns(&score.target);
    let (value_type, number, label, text) = value_columns(&score.value);
    let texts = (
        score.uid.as_str(),
        target_kind,
        target_uid.as_str(),
        target_idx,
        &score.name,
        source_column(score.source),
        value_type,
        label,
        text,
        &score.comment,
        &score.evaluator,
        score.created_at,
    );
    let texts = serde_json::to_string(&texts).expect("texts and times are always JSON");
    (texts, number)
}

/// Metadata for `METADATA_SET`.
pub(super) fn metadata(rows: &[MetadataRow]) -> Vec<String> {
    let mut batches = Batches::new();
    for row in rows {
        let (target_kind, target_uid, target_idx) = target_columns(&row.target);
        batches.push(&(
            target_kind,
            target_uid.as_str(),
            target_idx,
            &row.key,
            &row.value,
        ));
    }
    batches.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{StepRow, Timestamp};

    fn step(idx: i32, content: &str) -> StepRow {
        StepRow {
            turn_uid: Uid::stored("t"),
            idx,
            tpe: 1,
            content: content.into(),
            created_at: Timestamp(0),
            rev: 0,
        }
    }

    fn new<'a>(session_uid: &'a Uid, rows: &'a [StepRow]) -> Vec<NewStep<'a>> {
        let new = |row| NewStep {
            session_uid,
            turn_seq: 0,
            row,
        };
        rows.iter().map(new).collect()
    }

    #[test]
    fn ten_thousand_small_rows_are_one_statement_and_none_is_no_statement() {
        let rows: Vec<StepRow> = (0..10_000).map(|idx| step(idx, "{}")).collect();
        let batches = steps(&new(&Uid::stored("s"), &rows));
        assert_eq!(batches.len(), 1);
        let read: Vec<serde_json::Value> = serde_json::from_str(&batches[0]).unwrap();
        assert_eq!(read.len(), rows.len());
        assert_eq!(steps(&[]), Vec::<String>::new());
    }

    #[test]
    fn large_rows_are_cut_into_statements_of_bounded_size_with_nothing_lost() {
        let content = "x".repeat(1024 * 1024);
        let rows: Vec<StepRow> = (0..20).map(|idx| step(idx, &content)).collect();
        let batches = steps(&new(&Uid::stored("s"), &rows));
        assert_eq!(batches.len(), 3);
        let read: Vec<Vec<serde_json::Value>> = batches
            .iter()
            .map(|batch| serde_json::from_str(batch).unwrap())
            .collect();
        assert!(
            batches
                .iter()
                .all(|batch| batch.len() < BATCH_BYTES + 2 * content.len())
        );
        assert_eq!(read.iter().map(Vec::len).sum::<usize>(), rows.len());
    }
}
