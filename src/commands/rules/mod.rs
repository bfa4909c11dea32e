//! Rules on input alone, checked before the store is asked. Pure.
//!
//! A [`Faults`] collects everything that is wrong with one input, so that the caller can put it
//! all right at once.

mod json;
mod steps;
mod text;

pub use json::{JSON_DEPTH_MAX, USAGE_BYTES_MAX};
pub use steps::{STEPS_PER_INPUT_MAX, StepInput};
pub use text::{IDEMPOTENCY_KEY_BYTES_MAX, MODEL_BYTES_MAX};

pub(super) use json::{content, usage};
pub(super) use steps::{StepDraft, places, steps};
pub(super) use text::{idempotency_key, model, prompt, title, uid};

use super::outcome::{UserError, UserErrorCode};

/// What is wrong with an input so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<UserError>);

impl Faults {
    /// Notes one more.
    pub(super) fn add(
        &mut self,
        code: UserErrorCode,
        path: &[&str],
        message: impl std::fmt::Display,
    ) {
        self.0.push(UserError::new(code, path, message));
    }

    /// What was noted; none when all is well.
    pub(super) fn refusal(self) -> Option<Vec<UserError>> {
        (!self.0.is_empty()).then_some(self.0)
    }
}
