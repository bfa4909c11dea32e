//! The typed content of a step, read from its JSON text without copying what needs no copy.
//!
//! `docs/step-types.md` describes every type with an example that a test reads. Keys are the
//! camelCase names of the GraphQL fields; unknown keys are left alone, the raw content passes
//! them through. This module knows how content is shaped, not how it is stored or served.

mod check;
mod fields;
mod json;
mod labels;
mod media;
mod search;
mod table;
mod text;
mod tool;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use check::{JSON_DEPTH_MAX, JsonProblem, JsonProblemKind, check_json};
pub use json::Json;
pub use labels::{LabelScore, LangDetection, TurnClassifier};
pub use media::{Audio, Card, CardAction, Document, Media, PLOT_FORMAT_IMAGE, Plot};
pub use search::{Retrieval, RetrievedDocument, WebResult, WebSearch};
pub use table::{Table, TableColumn};
pub use text::{Citation, InputRequest, TEXT_FORMAT_DEFAULT, Text, Think};
pub use tool::{Code, ToolCall};

use super::StepType;
use fields::{Read, Value};

/// What a step holds, by its type.
#[derive(Debug, Clone, PartialEq)]
pub enum StepContent<'a> {
    /// Reasoning that is not part of the answer.
    Think(Think<'a>),
    /// A part of the answer.
    Text(Text<'a>),
    /// Documents fetched from an index.
    Retrieval(Retrieval<'a>),
    /// A program and what it printed.
    Code(Code<'a>),
    /// A search on the web.
    WebSearch(WebSearch<'a>),
    /// A card with actions.
    Card(Card<'a>),
    /// Sound.
    Audio(Audio<'a>),
    /// A chart.
    Plot(Plot<'a>),
    /// Rows and columns.
    Table(Table<'a>),
    /// A document.
    Document(Document<'a>),
    /// A question back to the person.
    InputRequest(InputRequest<'a>),
    /// Labels that a classifier gave to the prompt.
    TurnClassifier(TurnClassifier<'a>),
    /// The language of the prompt.
    LangDetection(LangDetection<'a>),
    /// Content that does not fit its type.
    Malformed(Malformed<'a>),
}

/// Content that does not fit its type; the raw content still carries it whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Malformed<'a> {
    /// What does not fit and where, by key path, e.g. ``` `results[2].url` is missing```. It never
    /// quotes the content.
    pub problem: String,
    /// The tool call, where that part can be read.
    pub tool: Option<ToolCall<'a>>,
}

impl<'a> StepContent<'a> {
    /// Reads the content of a step of type `tpe` (as stored in `steps.tpe`) from its JSON text.
    ///
    /// A bare JSON string stands for the one text that the type cannot do without (`text`,
    /// `source`, `query`, `question`, `language`). Whatever cannot be read, an unknown `tpe`
    /// included, is [`StepContent::Malformed`].
    pub fn parse(tpe: i32, json: &'a str) -> Self {
        let raw = json.trim_matches([' ', '\t', '\n', '\r']);
        let value = Value::at_root(raw);
        let Some(known) = StepType::from_number(tpe) else {
            let last = StepType::ALL.len() - 1;
            // A store gives -1 where the column is null.
            let problem = match tpe {
                -1 => format!("the step has no type; types are 0 to {last}"),
                _ => format!("{tpe} is not a step type, which are 0 to {last}"),
            };
            return Self::malformed(value, problem);
        };
        let read = match value.is_object() {
            true => Self::read(known, value),
            false => Self::read_bare(known, value),
        };
        read.unwrap_or_else(|problem| Self::malformed(value, problem))
    }

    fn read(tpe: StepType, value: Value<'a, '_>) -> Read<Self> {
        let fields = value.fields()?;
        Ok(match tpe {
            StepType::Think => Self::Think(Think::read(&fields)?),
            StepType::Text => Self::Text(Text::read(&fields)?),
            StepType::Retrieval => Self::Retrieval(Retrieval::read(&fields)?),
            StepType::Code => Self::Code(Code::read(&fields)?),
            StepType::WebSearch => Self::WebSearch(WebSearch::read(&fields)?),
            StepType::Card => Self::Card(Card::read(&fields)?),
            StepType::Audio => Self::Audio(Audio::read(&fields)?),
            StepType::Plot => Self::Plot(Plot::read(&fields)?),
            StepType::Table => Self::Table(Table::read(&fields)?),
            StepType::Document => Self::Document(Document::read(&fields)?),
            StepType::InputRequest => Self::InputRequest(InputRequest::read(&fields)?),
            StepType::TurnClassifier => Self::TurnClassifier(TurnClassifier::read(&fields)?),
            StepType::LangDetection => Self::LangDetection(LangDetection::read(&fields)?),
        })
    }

    fn read_bare(tpe: StepType, value: Value<'a, '_>) -> Read<Self> {
        let of_text: fn(Cow<'a, str>) -> Self = match tpe {
            StepType::Think => |text| Self::Think(Think::bare(text)),
            StepType::Text => |text| Self::Text(Text::bare(text)),
            StepType::Code => |text| Self::Code(Code::bare(text)),
            StepType::WebSearch => |text| Self::WebSearch(WebSearch::bare(text)),
            StepType::InputRequest => |text| Self::InputRequest(InputRequest::bare(text)),
            StepType::LangDetection => |text| Self::LangDetection(LangDetection::bare(text)),
            _ => return Err(value.not("an object")),
        };
        // Unlike an object, a bare value has not been read by `serde_json` yet.
        match value.is_text() && check_json(value.json().as_str()).is_ok() {
            true => Ok(of_text(value.text()?)),
            false => Err(value.not("an object or a string")),
        }
    }

    /// `problem` holds if the text is JSON at all; otherwise that is the problem.
    fn malformed(value: Value<'a, '_>, problem: String) -> Self {
        let fields = value.fields().ok();
        let tool = fields.and_then(|fields| ToolCall::of(&fields).ok().flatten());
        let problem = match check_json(value.json().as_str()) {
            Ok(()) => problem,
            Err(not_json) => format!("the content is not valid JSON: {not_json}"),
        };
        Self::Malformed(Malformed { problem, tool })
    }

    /// The tool that the agent used in this step.
    pub fn tool(&self) -> Option<&ToolCall<'a>> {
        match self {
            Self::Think(step) => step.tool.as_ref(),
            Self::Text(step) => step.tool.as_ref(),
            Self::Retrieval(step) => step.tool.as_ref(),
            Self::Code(step) => step.tool.as_ref(),
            Self::WebSearch(step) => step.tool.as_ref(),
            Self::Card(step) => step.tool.as_ref(),
            Self::Audio(step) => step.tool.as_ref(),
            Self::Plot(step) => step.tool.as_ref(),
            Self::Table(step) => step.tool.as_ref(),
            Self::Document(step) => step.tool.as_ref(),
            Self::InputRequest(step) => step.tool.as_ref(),
            Self::TurnClassifier(step) => step.tool.as_ref(),
            Self::LangDetection(step) => step.tool.as_ref(),
            Self::Malformed(step) => step.tool.as_ref(),
        }
    }

    /// What a person would read of this step, for previews and search; empty where there is
    /// nothing to read. A step that has nothing but a tool call reads as the call and its result.
    pub fn plain_text(&self) -> Cow<'_, str> {
        let own = match self {
            Self::Think(step) => Cow::Borrowed(&*step.text),
            Self::Text(step) => Cow::Borrowed(&*step.text),
            Self::Retrieval(step) => step.plain_text(),
            Self::Code(step) => step.plain_text(),
            Self::WebSearch(step) => step.plain_text(),
            Self::Card(step) => step.plain_text(),
            Self::Audio(step) => step.plain_text(),
            Self::Plot(step) => step.plain_text(),
            Self::Table(step) => step.plain_text(),
            Self::Document(step) => step.plain_text(),
            Self::InputRequest(step) => step.plain_text(),
            Self::TurnClassifier(step) => step.plain_text(),
            Self::LangDetection(step) => Cow::Borrowed(&*step.language),
            Self::Malformed(_) => Cow::Borrowed(""),
        };
        match self.tool() {
            Some(tool) if own.is_empty() => Cow::Owned(tool.plain_text()),
            _ => own,
        }
    }
}

/// The parts that are there and not empty, one a line; borrowed when there is only one.
fn lines<'t>(parts: impl IntoIterator<Item = Option<&'t Cow<'t, str>>>) -> Cow<'t, str> {
    let mut parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    let Some(first) = parts.next() else {
        return Cow::Borrowed("");
    };
    let mut text = Cow::Borrowed(&**first);
    for part in parts {
        let text = text.to_mut();
        text.push('\n');
        text.push_str(part);
    }
    text
}
