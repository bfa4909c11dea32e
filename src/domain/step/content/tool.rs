//! Steps that do something: `Code`, and the tool call that a step of any type may carry.

use std::borrow::Cow;

use super::fields::{Fields, Read};
use super::json::Json;
use super::lines;
use super::media::Media;

/// A tool that the agent used in a step, with its result where it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall<'a> {
    /// The call's key in the model's protocol.
    pub call_id: Option<Cow<'a, str>>,
    /// Name of the tool.
    pub name: Cow<'a, str>,
    /// What the tool was given; any JSON, often an object or a string that holds one.
    pub arguments: Option<Json<'a>>,
    /// What it gave back; any JSON.
    pub result: Option<Json<'a>>,
    /// Whether the tool succeeded; none while it runs or where nobody says.
    pub success: Option<bool>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i32>,
}

impl<'a> ToolCall<'a> {
    /// The `tool` of a step's content.
    pub(super) fn of(step: &Fields<'a, '_>) -> Read<Option<Self>> {
        let tool = step.get("tool").map(|value| Self::read(&value.fields()?));
        tool.transpose()
    }

    fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            call_id: fields.text("callId")?,
            name: fields.required_text("name")?,
            arguments: fields.json("arguments"),
            result: fields.json("result"),
            success: fields.boolean("success")?,
            duration_ms: fields.int("durationMs")?,
        })
    }

    /// The call on one line, its result below.
    pub(super) fn plain_text(&self) -> String {
        let mut text = self.name.to_string();
        if let Some(arguments) = self.arguments {
            text.push(' ');
            text.push_str(&arguments.plain_text());
        }
        if let Some(result) = self.result {
            text.push('\n');
            text.push_str(&result.plain_text());
        }
        text
    }
}

/// A program and what it printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Code<'a> {
    /// Its language, e.g. `python`.
    pub language: Option<Cow<'a, str>>,
    /// The program.
    pub source: Cow<'a, str>,
    /// What it wrote to standard output.
    pub stdout: Option<Cow<'a, str>>,
    /// What it wrote to standard error.
    pub stderr: Option<Cow<'a, str>>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// How long it ran, in milliseconds.
    pub duration_ms: Option<i32>,
    /// Files that it made.
    pub artifacts: Vec<Media<'a>>,
    /// Tool that was used.
    pub tool: Option<ToolCall<'a>>,
}

impl<'a> Code<'a> {
    pub(super) fn read(fields: &Fields<'a, '_>) -> Read<Self> {
        Ok(Self {
            language: fields.text("language")?,
            source: fields.required_text("source")?,
            stdout: fields.text("stdout")?,
            stderr: fields.text("stderr")?,
            exit_code: fields.int("exitCode")?,
            duration_ms: fields.int("durationMs")?,
            artifacts: fields.list("artifacts", |value, _| Media::read(&value.fields()?))?,
            tool: ToolCall::of(fields)?,
        })
    }

    pub(super) fn bare(source: Cow<'a, str>) -> Self {
        Self {
            language: None,
            source,
            stdout: None,
            stderr: None,
            exit_code: None,
            duration_ms: None,
            artifacts: Vec::new(),
            tool: None,
        }
    }

    pub(super) fn plain_text(&self) -> Cow<'_, str> {
        lines([Some(&self.source), self.stdout.as_ref()])
    }
}
