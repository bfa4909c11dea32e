//! Scores and metadata as rows: a target is three columns, a value is four.
//!
//! `target_idx` is -1 where the target is no step, because a key column must not be null.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

use super::columns::{DbTime, DbUid};
use super::record::{RowError, record};
use crate::domain::Uid;
use crate::domain::score::{MetadataRow, ScoreRow, ScoreSource, ScoreValue, Target};

/// `target_idx` of a target that is no step.
pub const NO_STEP: i32 = -1;

/// A target as its columns `target_kind`, `target_uid`, `target_idx`.
pub fn target_columns(target: &Target) -> (&'static str, &Uid, i32) {
    match target {
        Target::Session { uid } => ("session", uid, NO_STEP),
        Target::Turn { uid } => ("turn", uid, NO_STEP),
        Target::Step { uid, idx } => ("step", uid, *idx),
    }
}

fn target(kind: &str, uid: DbUid, idx: i32) -> Result<Target, RowError> {
    let uid = uid.0;
    match kind {
        "session" => Ok(Target::Session { uid }),
        "turn" => Ok(Target::Turn { uid }),
        "step" => Ok(Target::Step { uid, idx }),
        other => Err(RowError {
            row: format!("target {uid}"),
            reason: format!("`target_kind` is `{other}`, not session, turn or step"),
        }),
    }
}

/// A source as the column `source`.
pub fn source_column(source: ScoreSource) -> &'static str {
    match source {
        ScoreSource::EndUser => "end_user",
        ScoreSource::Reviewer => "reviewer",
        ScoreSource::Code => "code",
        ScoreSource::Llm => "llm",
    }
}

/// A value as its columns: `value_type`, `number` (1 or 0 for a bool), `label`, `text`.
pub type ValueColumns<'a> = (&'static str, Option<f64>, Option<&'a str>, Option<&'a str>);

/// A value as its columns.
pub fn value_columns(value: &ScoreValue) -> ValueColumns<'_> {
    match value {
        ScoreValue::Number(number) => ("number", Some(*number), None, None),
        ScoreValue::Bool(yes) => ("bool", Some(f64::from(u8::from(*yes))), None, None),
        ScoreValue::Label(label) => ("label", None, Some(label), None),
        ScoreValue::Text(text) => ("text", None, None, Some(text)),
    }
}

record! {
    /// A row of `scores`.
    ScoreRecord {
        /// Session that the target belongs to.
        session_uid: DbUid,
        /// Key.
        uid: DbUid,
        /// Kind of the target.
        target_kind: String,
        /// Key of the target.
        target_uid: DbUid,
        /// Place of the step.
        target_idx: i32,
        /// What is measured.
        name: String,
        /// Who judged.
        source: String,
        /// Which of the three following columns has the value.
        value_type: String,
        /// Number, or 1 and 0 for yes and no.
        number: Option<f64>,
        /// Label.
        label: Option<String>,
        /// Free text.
        text: Option<String>,
        /// Why.
        comment: Option<String>,
        /// Name of the judge.
        evaluator: Option<String>,
        /// When.
        created_at: DbTime,
    }
}

impl TryFrom<ScoreRecord> for (Uid, ScoreRow) {
    type Error = RowError;

    fn try_from(row: ScoreRecord) -> Result<Self, RowError> {
        let uid = Uid::from(row.uid);
        let wrong = |reason: String| RowError {
            row: format!("score {uid}"),
            reason,
        };
        let source = match row.source.as_str() {
            "end_user" => ScoreSource::EndUser,
            "reviewer" => ScoreSource::Reviewer,
            "code" => ScoreSource::Code,
            "llm" => ScoreSource::Llm,
            other => return Err(wrong(format!("`source` is `{other}`"))),
        };
        let value = match (row.value_type.as_str(), row.number, row.label, row.text) {
            ("number", Some(number), ..) => ScoreValue::Number(number),
            ("bool", Some(number), ..) => ScoreValue::Bool(number != 0.0),
            ("label", _, Some(label), _) => ScoreValue::Label(label),
            ("text", _, _, Some(text)) => ScoreValue::Text(text),
            (kind, ..) => return Err(wrong(format!("no value of the type `{kind}`"))),
        };
        let score = ScoreRow {
            target: target(&row.target_kind, row.target_uid, row.target_idx)?,
            name: row.name,
            source,
            value,
            comment: row.comment,
            evaluator: row.evaluator,
            created_at: row.created_at.into(),
            uid,
        };
        Ok((row.session_uid.into(), score))
    }
}

record! {
    /// A row of `metadata`.
    MetadataRecord {
        /// Session that the target belongs to.
        session_uid: DbUid,
        /// Kind of the target.
        target_kind: String,
        /// Key of the target.
        target_uid: DbUid,
        /// Place of the step.
        target_idx: i32,
        /// Name.
        key: String,
        /// Text.
        value: String,
    }
}

impl TryFrom<MetadataRecord> for (Uid, MetadataRow) {
    type Error = RowError;

    fn try_from(row: MetadataRecord) -> Result<Self, RowError> {
        let entry = MetadataRow {
            target: target(&row.target_kind, row.target_uid, row.target_idx)?,
            key: row.key,
            value: row.value,
        };
        Ok((row.session_uid.into(), entry))
    }
}
