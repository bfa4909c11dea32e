//! One line of turngraph's own format, as `docs/interchange.md` describes it.
//!
//! The order of the fields is that of the keys in a file. Whatever a store can hold goes there and
//! back: content that is sound JSON on one line is embedded byte for byte, other content is a
//! string in the field of the same name with `Text` at its end.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::score::{ScoreSource, ScoreValue, Target};
use crate::domain::step::check_json;
use crate::domain::{TurnRole, TurnStatus, Uid};

/// Version of the format that this program writes and reads.
pub(in crate::transfer) const VERSION: u32 = 1;

/// A session. Times are microseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::transfer) struct SessionLine {
    /// [`VERSION`]; marks the format.
    pub turngraph: u32,
    /// Key.
    pub uid: Uid,
    /// Title.
    pub title: Option<String>,
    /// When it began.
    pub created_at: i64,
    /// When something was last added.
    pub last_activity_at: i64,
    /// Soft deletion.
    pub deleted_at: Option<i64>,
    /// Root that is shown.
    pub active_root: Option<Uid>,
    /// Number that the next turn gets.
    pub next_seq: i32,
    /// Where it was forked from.
    pub forked_from: Option<ForkLine>,
    /// Turns in the order of `seq`.
    pub turns: Vec<TurnLine>,
    /// Scores on the session, its turns and steps.
    pub scores: Vec<ScoreLine>,
    /// Metadata of the session, its turns and steps.
    pub metadata: Vec<MetadataLine>,
}

/// The origin of a fork.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::transfer) struct ForkLine {
    /// Session that was copied from.
    pub session: Uid,
    /// Turn that was forked at.
    pub turn: Uid,
    /// When.
    pub at: i64,
}

/// A turn.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::transfer) struct TurnLine {
    /// Key.
    pub uid: Uid,
    /// Human or agent.
    pub role: TurnRole,
    /// The turn that it answers.
    pub parent: Option<Uid>,
    /// The child that is shown.
    pub active_child: Option<Uid>,
    /// Number within the session.
    pub seq: i32,
    /// When it was written.
    pub created_at: i64,
    /// Soft deletion.
    pub deleted_at: Option<i64>,
    /// Prompt of a human turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What only agent turns have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentLine>,
}

/// What only agent turns have.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::transfer) struct AgentLine {
    /// The person's vote.
    pub liked: Option<bool>,
    /// Model.
    pub model: Option<String>,
    /// Progress.
    pub status: Option<TurnStatus>,
    /// When it was done.
    pub finished_at: Option<i64>,
    /// Token usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Box<RawValue>>,
    /// Token usage that is not JSON on one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_text: Option<String>,
    /// Steps by `idx`.
    pub steps: Vec<StepLine>,
}

/// A step.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::transfer) struct StepLine {
    /// Place within the turn.
    pub idx: i32,
    /// Number of the type.
    #[serde(rename = "type")]
    pub tpe: i32,
    /// When it was written.
    pub created_at: i64,
    /// Content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Box<RawValue>>,
    /// Content that is not JSON on one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_text: Option<String>,
}

/// A score.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::transfer) struct ScoreLine {
    /// Key.
    pub uid: Uid,
    /// What is judged.
    pub target: Target,
    /// What is measured.
    pub name: String,
    /// Who judged.
    pub source: ScoreSource,
    /// The judgement.
    pub value: ValueLine,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Name of the judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluator: Option<String>,
    /// When it was judged.
    pub created_at: i64,
}

/// A judgement: an object with one key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::transfer) enum ValueLine {
    /// A number; `"NaN"`, `"inf"` and `"-inf"` are strings.
    Number(Box<RawValue>),
    /// Yes or no.
    Bool(bool),
    /// A label.
    Label(String),
    /// Text.
    Text(String),
}

/// A metadata entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::transfer) struct MetadataLine {
    /// What it is about.
    pub target: Target,
    /// Name.
    pub key: String,
    /// Text.
    pub value: String,
}

/// JSON text as the pair of fields that hold it.
pub(in crate::transfer) fn embedded(text: &str) -> (Option<Box<RawValue>>, Option<String>) {
    // A reader drops white space around a value and takes null for a field that is not there.
    let plain = text.trim_matches([' ', '\t']) == text
        && text != "null"
        && !text.contains(['\n', '\r'])
        && check_json(text).is_ok();
    let raw = plain
        .then(|| RawValue::from_string(text.to_owned()).ok())
        .flatten();
    let other = raw.is_none().then(|| text.to_owned());
    (raw, other)
}

/// The text that a pair of fields holds; none when neither is there.
pub(in crate::transfer) fn text_of(
    raw: Option<Box<RawValue>>,
    text: Option<String>,
) -> Option<Box<str>> {
    raw.map(Box::<str>::from)
        .or(text.map(String::into_boxed_str))
}

impl ValueLine {
    /// A value as it is written.
    pub(in crate::transfer) fn of(value: &ScoreValue) -> Self {
        match value {
            ScoreValue::Number(number) => {
                let text = match number.is_finite() {
                    true => serde_json::to_string(number).expect("a finite number is JSON"),
                    false => format!("\"{number}\""),
                };
                Self::Number(RawValue::from_string(text).expect("a number or a string is JSON"))
            }
            ScoreValue::Bool(yes) => Self::Bool(*yes),
            ScoreValue::Label(label) => Self::Label(label.clone()),
            ScoreValue::Text(text) => Self::Text(text.clone()),
        }
    }

    /// The value as it was; none where it is no number.
    pub(in crate::transfer) fn read(self) -> Option<ScoreValue> {
        Some(match self {
            // The standard library reads the nearest double, which `serde_json` may miss by one.
            Self::Number(raw) => ScoreValue::Number(raw.get().trim_matches('"').parse().ok()?),
            Self::Bool(yes) => ScoreValue::Bool(yes),
            Self::Label(label) => ScoreValue::Label(label),
            Self::Text(text) => ScoreValue::Text(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_goes_there_and_back(text in prop_oneof![any::<String>(), "[ \\n\\t]{0,2}(null|\\{\"a\" *: *1e400\\}|\\[1,\\n2\\]|\"\\\\u0000\")[ \\n]{0,2}"]) {
            let (content, content_text) = embedded(&text);
            let line = StepLine { idx: 0, tpe: 0, created_at: 0, content, content_text };
            let written = serde_json::to_string(&line).unwrap();
            prop_assert!(!written.contains('\n'));
            let read: StepLine = serde_json::from_str(&written).unwrap();
            let content = text_of(read.content, read.content_text);
            prop_assert_eq!(content.as_deref(), Some(&*text));
        }

        #[test]
        fn any_number_goes_there_and_back(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            let written = serde_json::to_string(&ValueLine::of(&ScoreValue::Number(number))).unwrap();
            let read: ValueLine = serde_json::from_str(&written).unwrap();
            let Some(ScoreValue::Number(read)) = read.read() else { panic!("{written}") };
            prop_assert!(read.to_bits() == bits || (read.is_nan() && number.is_nan()), "{}", written);
        }
    }
}
