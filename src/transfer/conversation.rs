//! The neutral conversation between a file and the record store, in two forms.
//!
//! A format reads a file into [`Source`], messages as they stand there. `normalise` makes a
//! [`Conversation`] of it, rows that keep turngraph's rules. The own format yields rows at once.
//! Nothing here knows a file or a store.

use serde_json::{Map, Value};

use crate::domain::score::{MetadataRow, ScoreRow, ScoreSource, ScoreValue};
use crate::domain::{SessionRow, StepRow, StepType, Timestamp, TurnStatus};
use crate::stores::record::NewTurn;

/// Rows of one session, ready to write. Every `rev` is given when it is written.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::transfer) struct Conversation {
    /// Where it was found, for the report.
    pub place: String,
    /// Nodes of the source that went into it.
    pub nodes: usize,
    /// The session.
    pub session: SessionRow,
    /// Its turns in the order of `seq`.
    pub turns: Vec<NewTurn>,
    /// Steps by turn and `idx`.
    pub steps: Vec<StepRow>,
    /// Judgements on it and its parts.
    pub scores: Vec<ScoreRow>,
    /// Metadata of it and its parts.
    pub metadata: Vec<MetadataRow>,
}

/// A conversation as a chat program or a data set wrote it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::transfer) struct Source {
    /// What makes it the same conversation in another file, e.g. its id there.
    pub identity: String,
    /// The id in the file, where there is one.
    pub id: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// Messages; siblings stand in their order.
    pub messages: Vec<Message>,
    /// Id of the message that was shown last.
    pub current: Option<String>,
    /// Which child is shown where nothing says it.
    pub prefer: Prefer,
    /// What else is worth keeping about the session.
    pub metadata: Vec<(String, String)>,
    /// What the format had to put right, with the message it concerns.
    pub repairs: Vec<(Option<String>, String)>,
}

/// Which of several children is shown where neither a pointer nor a rank says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::transfer) enum Prefer {
    /// The last one: the newest answer of a chat.
    #[default]
    Last,
    /// The first one: the order of a data set.
    First,
}

/// One node of a source.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::transfer) struct Message {
    /// Id in the source.
    pub id: String,
    /// Id of its parent.
    pub parent: Option<String>,
    /// What it is.
    pub body: Body,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// Model that wrote it.
    pub model: Option<String>,
    /// How an answer ended, where it did not end well.
    pub status: Option<TurnStatus>,
    /// The person's vote.
    pub liked: Option<bool>,
    /// Deleted in the source.
    pub deleted: bool,
    /// Place among its siblings by quality, 0 is the best.
    pub rank: Option<f64>,
    /// Judgements.
    pub scores: Vec<Judgement>,
    /// What else is worth keeping.
    pub metadata: Vec<(String, String)>,
}

impl Message {
    /// A message with nothing but id, parent and body.
    pub(in crate::transfer) fn new(id: String, parent: Option<String>, body: Body) -> Self {
        Self {
            id,
            parent,
            body,
            at: None,
            model: None,
            status: None,
            liked: None,
            deleted: false,
            rank: None,
            scores: Vec::new(),
            metadata: Vec::new(),
        }
    }
}

/// What a message is.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::transfer) enum Body {
    /// Nothing that a person saw: dropped, its children move up. Says why.
    Technical(&'static str),
    /// A prompt.
    Human(String),
    /// A part of an answer.
    Agent(Vec<Part>),
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::transfer) enum Part {
    /// A step of its own.
    Step(StepType, Map<String, Value>),
    /// A call of a tool.
    Call(Call),
    /// What a tool gave back.
    Result(ToolResult),
}

/// A call of a tool; its result joins it in one step.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::transfer) struct Call {
    /// Key of the call.
    pub call_id: Option<String>,
    /// Name of the tool.
    pub name: String,
    /// What it was given.
    pub arguments: Value,
    /// Type of the step.
    pub tpe: StepType,
    /// Content of the step without `tool`.
    pub content: Map<String, Value>,
}

/// What a tool gave back.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::transfer) struct ToolResult {
    /// Key of the call.
    pub call_id: Option<String>,
    /// Name of the tool.
    pub name: Option<String>,
    /// The result as it stands in the source.
    pub value: Value,
    /// Whether the tool succeeded.
    pub success: Option<bool>,
    /// What it adds to the content of the step of its call, by the type of that step.
    pub adds: Vec<(StepType, &'static str, Value)>,
    /// The step that it becomes when its call is not there.
    pub alone: (StepType, Map<String, Value>),
}

/// A judgement as a source holds it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::transfer) struct Judgement {
    /// What is measured.
    pub name: String,
    /// Who judged.
    pub source: ScoreSource,
    /// The judgement.
    pub value: ScoreValue,
}
