//! Steps: what an agent did, in 13 types, with their content as JSON text.
//!
//! This file has the stored form; `content` reads it into the typed form of each type.

pub mod content;

use super::{Timestamp, Uid};
pub use content::{JsonProblem, StepContent, check_json};

/// Longest content of one step in bytes (16 MiB).
pub const CONTENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Declares the closed set once: number, GraphQL name.
macro_rules! step_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// The 13 kinds of step. The numbers are stored in `steps.tpe` and never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum StepType {
            $($(#[$doc])* $name = $number,)*
        }

        impl StepType {
            /// All types in the order of their numbers.
            pub const ALL: [Self; 13] = [$(Self::$name,)*];

            /// The name in GraphQL and in exports, e.g. `WEB_SEARCH`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

step_types! {
    /// Reasoning that is not part of the answer.
    Think = 0 "THINK",
    /// A part of the answer.
    Text = 1 "TEXT",
    /// Documents fetched from an index.
    Retrieval = 2 "RETRIEVAL",
    /// A program and what it printed.
    Code = 3 "CODE",
    /// A search on the web.
    WebSearch = 4 "WEB_SEARCH",
    /// A card with actions.
    Card = 5 "CARD",
    /// Sound.
    Audio = 6 "AUDIO",
    /// A chart.
    Plot = 7 "PLOT",
    /// Rows and columns.
    Table = 8 "TABLE",
    /// A document.
    Document = 9 "DOCUMENT",
    /// A question back to the person.
    InputRequest = 10 "INPUT_REQUEST",
    /// Labels that a classifier gave to the prompt.
    TurnClassifier = 11 "TURN_CLASSIFIER",
    /// The language of the prompt.
    LangDetection = 12 "LANG_DETECTION",
}

impl StepType {
    /// The number in `steps.tpe`.
    pub fn number(self) -> i32 {
        i32::from(self as u8)
    }

    /// Reads `steps.tpe`; other numbers are `None`.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Reads the name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

/// A step as the record store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRow {
    /// Key of the agent turn.
    pub turn_uid: Uid,
    /// Place within the turn; unique, ascending, gaps allowed.
    pub idx: i32,
    /// Number of the type as stored; see [`StepType::from_number`].
    pub tpe: i32,
    /// JSON text, kept byte for byte. Rows of other programs may hold anything.
    pub content: Box<str>,
    /// When it was written.
    pub created_at: Timestamp,
    /// Version of this row in microseconds (hybrid logical clock).
    pub rev: i64,
}

/// What an outline needs of a step: everything but its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepHead {
    /// Key of the agent turn.
    pub turn_uid: Uid,
    /// Place within the turn.
    pub idx: i32,
    /// Number of the type as stored.
    pub tpe: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_go_there_and_back() {
        for (n, t) in (0..).zip(StepType::ALL) {
            assert_eq!((t.number(), StepType::from_number(n)), (n, Some(t)));
            assert_eq!(StepType::from_name(t.name()), Some(t));
        }
        assert_eq!(
            (StepType::from_number(13), StepType::from_number(-1)),
            (None, None)
        );
    }
}
