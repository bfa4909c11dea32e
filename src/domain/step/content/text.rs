//! Steps that are words: `Think`, `Text` with its citations, and `InputRequest`.

use std::borrow::Cow;

use super::fields::{Fields, Read};
use super::json::Json;
use super::tool::ToolCall;

/// Reasoning that is not part of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Think<'a> {
    /// The reasoning.
    pub text: Cow<'a, str>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i32>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

impl<'a> Think<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            text: fields.required_text("text")?,
            duration_ms: fields.int("durationMs")?,
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn bare(text: Cow<'a, str>) -> Self {
        Self {
            text,
            duration_ms: None,
            tool: None,
        }
    }
}

/// The format of a text that does not name its own: what models write.
pub const TEXT_FORMAT_DEFAULT: &str = "markdown";

/// A part of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Text<'a> {
    /// The words.
    pub text: Cow<'a, str>,
    /// How they are marked up: `markdown` (the default), `plain`, `html` …
    pub format: Cow<'a, str>,
    /// Where statements come from.
    pub citations: Vec<Citation<'a>>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

impl<'a> Text<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            text: fields.required_text("text")?,
            format: fields
                .text("format")?
                .unwrap_or(Cow::Borrowed(TEXT_FORMAT_DEFAULT)),
            citations: fields.list("citations", |value, _| Citation::read(&value.fields()?))?,
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn bare(text: Cow<'a, str>) -> Self {
        Self {
            text,
            format: Cow::Borrowed(TEXT_FORMAT_DEFAULT),
            citations: Vec::new(),
            tool: None,
        }
    }
}

/// A mark in a text that names a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Citation<'a> {
    /// What is shown, e.g. `[1]`.
    pub label: Option<Cow<'a, str>>,
    /// Where the cited stretch begins, in the unit that its writer counts in.
    pub start: Option<i32>,
    /// Where it ends, exclusive, in the same unit.
    pub end: Option<i32>,
    /// The source's address.
    pub url: Option<Cow<'a, str>>,
    /// Step that brought the source.
    pub step_id: Option<Cow<'a, str>>,
}

impl<'a> Citation<'a> {
    fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            label: fields.text("label")?,
            start: fields.int("start")?,
            end: fields.int("end")?,
            url: fields.text("url")?,
            step_id: fields.text("stepId")?,
        })
    }
}

/// A question back to the person.
#[derive(Debug, Clone, PartialEq)]
pub struct InputRequest<'a> {
    /// The question.
    pub question: Cow<'a, str>,
    /// Answers to choose from; none when the answer is free.
    pub options: Vec<Cow<'a, str>>,
    /// JSON Schema of the answer.
    pub json_schema: Option<Json<'a>>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

impl<'a> InputRequest<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            question: fields.required_text("question")?,
            options: fields.list("options", |value, _| value.text())?,
            json_schema: fields.json("jsonSchema"),
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn bare(question: Cow<'a, str>) -> Self {
        Self {
            question,
            options: Vec::new(),
            json_schema: None,
            tool: None,
        }
    }

    pub(super) fn plain_text(&self) -> Cow<'_, str> {
        if self.options.is_empty() {
            return Cow::Borrowed(&self.question);
        }
        let mut text = self.question.to_string();
        for option in &self.options {
            text.push_str("\n- ");
            text.push_str(option);
        }
        Cow::Owned(text)
    }
}
