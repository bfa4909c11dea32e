//! The formats that can be imported, each in its own file: from JSON text to a conversation.
//!
//! A format knows the shape of its files and nothing of turns, keys and stores.

mod chatbotui;
mod chatgpt;
mod chatgpt_message;
mod detect;
mod librechat;
pub(super) mod ndjson;
mod oasst;
mod openwebui;
mod shallow;

use serde_json::{Map, Value};

use super::conversation::{Body, Conversation, Message, Source};
use crate::domain::{StepType, Timestamp};

pub(in crate::transfer) use chatgpt_message::STEP_KEY;
pub(in crate::transfer) use detect::detect;

/// A format of conversations in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Export of ChatGPT, `conversations.json`.
    Chatgpt,
    /// Export of one conversation of LibreChat.
    Librechat,
    /// Export of Chatbot UI, version 4.
    Chatbotui,
    /// Export of Open WebUI.
    Openwebui,
    /// Trees of Open Assistant, nested or flat.
    Oasst,
    /// turngraph's own lossless format.
    Ndjson,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] = [
        Self::Chatgpt,
        Self::Librechat,
        Self::Chatbotui,
        Self::Openwebui,
        Self::Oasst,
        Self::Ndjson,
    ];

    /// The name on the command line and in keys; it never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chatgpt => "chatgpt",
            Self::Librechat => "librechat",
            Self::Chatbotui => "chatbotui",
            Self::Openwebui => "openwebui",
            Self::Oasst => "oasst",
            Self::Ndjson => "ndjson",
        }
    }

    /// Reads the name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What one element of a file holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// A conversation of another program.
    Source(Source),
    /// A session of turngraph with what was put right in it.
    Rows(Box<Conversation>, Vec<String>),
    /// A single message of a list that is not yet grouped.
    Loose(Box<Message>),
}

/// Something that a format cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// Where within the element; may be empty.
    pub(super) part: String,
    /// Messages that it holds, as far as they can be counted.
    pub(super) nodes: usize,
    /// What is wrong and what to do.
    pub(super) reason: String,
}

impl Unreadable {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            part: String::new(),
            nodes: 0,
            reason: reason.into(),
        }
    }
}

pub(super) type Parsed = Vec<Result<Item, Unreadable>>;

/// Reads one element of a file.
pub(super) fn parse(format: Format, text: &str) -> Parsed {
    let one = |source: Result<Source, Unreadable>| vec![source.map(Item::Source)];
    match format {
        Format::Chatgpt => one(chatgpt::parse(text)),
        Format::Librechat => one(librechat::parse(text)),
        Format::Chatbotui => chatbotui::parse(text),
        Format::Openwebui => one(openwebui::parse(text)),
        Format::Oasst => vec![oasst::parse(text)],
        Format::Ndjson => {
            vec![ndjson::read(text).map(|(rows, notes)| Item::Rows(Box::new(rows), notes))]
        }
    }
}

/// Groups the loose messages of a file into conversations.
pub(super) fn group(messages: Vec<Message>) -> Vec<Source> {
    oasst::group(messages)
}

/// Reads an element as an object. Says where it cannot be read, never what stands there.
fn object(text: &str) -> Result<Map<String, Value>, Unreadable> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Unreadable::new("it is not a JSON object")),
        Err(error) => Err(not_json(&error)),
    }
}

fn not_json(error: &serde_json::Error) -> Unreadable {
    let (line, column) = (error.line(), error.column());
    Unreadable::new(format!(
        "it is not JSON: line {line}, column {column} of it cannot be read"
    ))
}

/// Text of a field that is there and not empty; numbers are taken as text.
fn text_of(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An instant: epoch seconds or milliseconds as a number, or ISO text with or without a zone.
fn instant(value: Option<&Value>) -> Option<Timestamp> {
    match value? {
        Value::Number(number) => {
            let number = number.as_f64()?;
            // Beyond the year 5000 in seconds, so it counts milliseconds.
            let seconds = if number.abs() > 1e11 {
                number / 1e3
            } else {
                number
            };
            let micros = (seconds * 1e6).round();
            (micros.abs() < 1e18).then_some(Timestamp(micros as i64))
        }
        Value::String(text) => Timestamp::parse_rfc3339(text).or_else(|| {
            let local: chrono::NaiveDateTime = text.parse().ok()?;
            Some(Timestamp::from_datetime(local.and_utc()))
        }),
        _ => None,
    }
}

/// Time and text of the first prompt: what tells conversations apart whose ids are not unique.
fn beginning(messages: &[Message]) -> String {
    let first = messages.iter().find_map(|message| match &message.body {
        Body::Human(prompt) => Some((message.at, prompt)),
        Body::Agent(_) | Body::Technical(_) => None,
    });
    let Some((at, prompt)) = first else {
        return String::new();
    };
    let at = at.map(|at| at.0.to_string());
    format!("{} {prompt}", at.unwrap_or_default())
}

/// A text step.
fn text_step(text: &str) -> super::conversation::Part {
    let mut content = Map::new();
    content.insert("text".to_owned(), Value::from(text));
    super::conversation::Part::Step(StepType::Text, content)
}

/// The fields of a JSON literal.
fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect(),
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_exports_have() {
        let of = |value: Value| instant(Some(&value)).map(|at| at.0);
        assert_eq!(of(json!(1733294339.556244)), Some(1_733_294_339_556_244));
        assert_eq!(of(json!(1733294339556u64)), Some(1_733_294_339_556_000));
        assert_eq!(
            of(json!("2024-04-09T14:32:05.230Z")),
            Some(1_712_673_125_230_000)
        );
        assert_eq!(
            of(json!("2024-04-09T14:32:05.230")),
            Some(1_712_673_125_230_000)
        );
        for none in [json!(null), json!("yesterday"), json!(1e300), json!([])] {
            assert_eq!(of(none), None);
        }
    }

    #[test]
    fn names_go_there_and_back() {
        for format in Format::ALL {
            assert_eq!(Format::from_name(format.name()), Some(format));
        }
    }
}
