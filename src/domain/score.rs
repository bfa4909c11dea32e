//! A judgement on a session, turn or step.

use serde::{Deserialize, Serialize};

use super::{Timestamp, Uid};

/// What a score or a metadata entry is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Target {
    /// The whole session.
    Session {
        /// Session key.
        uid: Uid,
    },
    /// One turn.
    Turn {
        /// Turn key.
        uid: Uid,
    },
    /// One step of an agent turn.
    Step {
        /// Key of the agent turn.
        uid: Uid,
        /// Index of the step.
        idx: i32,
    },
}

/// Who judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreSource {
    /// The person in the conversation.
    EndUser,
    /// A person who reads conversations afterwards.
    Reviewer,
    /// A program, e.g. a test or a reward function.
    Code,
    /// A model as judge.
    Llm,
}

/// The value of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoreValue {
    /// A number, e.g. a rating.
    Number(f64),
    /// Yes or no.
    Bool(bool),
    /// One of a set of labels.
    Label(String),
    /// Free text.
    Text(String),
}

/// A score as stored. Several of one name on one target are normal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// Key.
    pub uid: Uid,
    /// What is judged.
    pub target: Target,
    /// What is measured, e.g. `rank`.
    pub name: String,
    /// Who judged.
    pub source: ScoreSource,
    /// The judgement.
    pub value: ScoreValue,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Name of the judge, e.g. a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluator: Option<String>,
    /// When it was judged.
    pub created_at: Timestamp,
}

/// One key and value on a target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MetadataRow {
    /// What it is about.
    pub target: Target,
    /// Name, e.g. `source_id`.
    pub key: String,
    /// Text.
    pub value: String,
}
