//! What a command answers: the entities after the write, or what the caller must put right.
//!
//! Everything the API renders a payload from is in here, so that no answer needs a second read of
//! the graph. Knows neither GraphQL nor stores.

use std::fmt;
use std::sync::Arc;

use crate::domain::graph::Ix;
use crate::domain::{Revision, SessionGraph, SessionRow};

/// Answer of a command that the store could carry out or the rules refused.
#[derive(Debug, Clone)]
pub enum Outcome<T> {
    /// It is written (or was written before, see [`Written::replayed`]).
    Done(T),
    /// Nothing was written. Never empty; in the order of the input.
    Refused(Vec<UserError>),
}

impl<T> Outcome<T> {
    /// Changes what was done, leaves a refusal as it is.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Done(done) => Outcome::Done(f(done)),
            Self::Refused(errors) => Outcome::Refused(errors),
        }
    }
}

/// A session after a write, and what of it the command was about.
#[derive(Debug, Clone)]
pub struct Written<T> {
    /// The session's row after the write.
    pub session: SessionRow,
    /// The session's turns after the write, deleted ones included.
    pub graph: Arc<SessionGraph>,
    /// What the command was about; places are those in `graph`.
    pub subject: T,
    /// Reading at least this shows the write. A replay names the same rows at the same versions
    /// and a position that is not lower than the first answer's.
    pub revision: Revision,
    /// Every copy (projection, cache) held the write when the command answered.
    pub copied: bool,
    /// The idempotency key was known: nothing was written now, `subject` is that of the first
    /// call, `session` and `graph` are as they are at present.
    pub replayed: bool,
}

impl<T> Written<T> {
    /// Changes the subject; `f` sees the graph that the places are of.
    pub fn map_subject<U>(self, f: impl FnOnce(&SessionGraph, T) -> U) -> Written<U> {
        let subject = f(&self.graph, self.subject);
        Written {
            session: self.session,
            graph: self.graph,
            subject,
            revision: self.revision,
            copied: self.copied,
            replayed: self.replayed,
        }
    }
}

/// Steps of one agent turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepsOf {
    /// The agent turn.
    pub turn: Ix,
    /// `idx` of the steps that were written, in the order of the input.
    pub idxs: Vec<i32>,
}

/// One thing that the caller must put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserError {
    /// What kind of thing.
    pub code: UserErrorCode,
    /// What is wrong and what to do, in words. Never holds prompts or step content.
    pub message: String,
    /// Where in the mutation's arguments, e.g. `["input", "steps", "3", "idx"]`.
    pub path: Vec<String>,
}

impl UserError {
    /// An error at `path`.
    pub fn new(code: UserErrorCode, path: &[&str], message: impl fmt::Display) -> Self {
        Self {
            code,
            message: message.to_string(),
            path: path.iter().map(|&part| part.to_owned()).collect(),
        }
    }
}

/// Declares the closed set once: variant, GraphQL name, meaning.
macro_rules! user_error_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)*) => {
        /// Kinds of [`UserError`]; clients branch on them, so they never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum UserErrorCode {
            $($(#[doc = $doc])+ $name,)*
        }

        impl UserErrorCode {
            /// All codes in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in GraphQL, e.g. `NOT_FOUND`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

user_error_codes! {
    /// There is no such session, turn or step, or it belongs to another account: the two cannot
    /// be told apart.
    NotFound = "NOT_FOUND",
    /// The value has a form that is not accepted.
    Invalid = "INVALID",
    /// A value that must be given is missing or empty.
    Required = "REQUIRED",
    /// The text is longer than its limit.
    TooLong = "TOO_LONG",
    /// The key or index is taken.
    Conflict = "CONFLICT",
    /// The parent is of the wrong kind: a human turn follows an agent turn or nothing, an agent
    /// turn follows a human turn.
    ParentRoleMismatch = "PARENT_ROLE_MISMATCH",
    /// The parent, or a turn above it, is deleted.
    ParentDeleted = "PARENT_DELETED",
    /// The turn, or a turn above it, is deleted.
    TurnDeleted = "TURN_DELETED",
    /// The session is deleted.
    SessionDeleted = "SESSION_DELETED",
    /// The idempotency key was used before with another mutation or another input.
    IdempotencyMismatch = "IDEMPOTENCY_MISMATCH",
    /// More than one request, or one session, may hold.
    LimitExceeded = "LIMIT_EXCEEDED",
    /// The account was erased for good, and nothing can be created in it any more.
    AccountErased = "ACCOUNT_ERASED",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_codes_are_those_of_the_variants() {
        for code in UserErrorCode::ALL {
            let mut name = String::new();
            for letter in format!("{code:?}").chars() {
                if letter.is_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.push(letter.to_ascii_uppercase());
            }
            assert_eq!(code.name(), name);
        }
    }
}
