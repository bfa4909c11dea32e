//! Steps that judge the prompt: `TurnClassifier` and `LangDetection`.

use std::borrow::Cow;

use super::fields::{Fields, Read, Value};
use super::lines;
use super::tool::ToolCall;

/// A label and how sure its giver is.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelScore<'a> {
    /// The label.
    pub label: Cow<'a, str>,
    /// Its score, in the measure of its giver (mostly 0 to 1).
    pub score: Option<f64>,
}

impl<'a> LabelScore<'a> {
    /// An object, or a bare string for a label without a score.
    fn read(value: Value<'a, '_>, _: usize) -> Read<Self> {
        if value.is_text() {
            let label = value.text()?;
            return Ok(Self { label, score: None });
        }
        let fields = value.fields()?;
        Ok(Self {
            label: fields.required_text("label")?,
            score: fields.float("score")?,
        })
    }
}

/// Labels that a classifier gave to the prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnClassifier<'a> {
    /// The classifier.
    pub model: Option<Cow<'a, str>>,
    /// The labels, in the stored order.
    pub labels: Vec<LabelScore<'a>>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

impl<'a> TurnClassifier<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            model: fields.text("model")?,
            labels: fields.list("labels", LabelScore::read)?,
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn plain_text(&self) -> Cow<'_, str> {
        lines(self.labels.iter().map(|given| Some(&given.label)))
    }
}

/// The language of the prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct LangDetection<'a> {
    /// The language, as its giver names it (mostly BCP 47, e.g. `en`, `pt-BR`).
    pub language: Cow<'a, str>,
    /// How sure the giver is, mostly 0 to 1.
    pub confidence: Option<f64>,
    /// Other languages that it may be.
    pub alternatives: Vec<LabelScore<'a>>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

impl<'a> LangDetection<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            language: fields.required_text("language")?,
            confidence: fields.float("confidence")?,
            alternatives: fields.list("alternatives", LabelScore::read)?,
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn bare(language: Cow<'a, str>) -> Self {
        Self {
            language,
            confidence: None,
            alternatives: Vec::new(),
            tool: None,
        }
    }
}
