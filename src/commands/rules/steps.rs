//! Rules on the steps of one input: their number, places and content.

use std::collections::HashSet;

use super::{Faults, content};
use crate::commands::outcome::UserErrorCode;
use crate::domain::{StepRow, StepType, Timestamp, Uid};

/// Steps in one input at most.
pub const STEPS_PER_INPUT_MAX: usize = 1_000;

/// A step to write.
#[derive(Debug, Clone, PartialEq)]
pub struct StepInput {
    /// Place within the turn, from 0. Without it, one more than that of the step before it in
    /// the input; for the first step one more than the highest place that the turn has.
    pub idx: Option<i32>,
    /// Type.
    pub tpe: StepType,
    /// JSON text, stored byte for byte.
    pub content: Box<str>,
}

/// A step whose content passed the rules.
#[derive(Debug, Clone)]
pub(in crate::commands) struct StepDraft {
    idx: Option<i32>,
    tpe: StepType,
    content: Box<str>,
}

impl StepDraft {
    /// Bytes of its content.
    pub(in crate::commands) fn bytes(&self) -> usize {
        self.content.len()
    }

    /// The row of this step at its place.
    pub(in crate::commands) fn row(
        &self,
        turn: &Uid,
        idx: i32,
        at: Timestamp,
        rev: i64,
    ) -> StepRow {
        StepRow {
            turn_uid: turn.clone(),
            idx,
            tpe: self.tpe.number(),
            content: self.content.clone(),
            created_at: at,
            rev,
        }
    }
}

/// Checks everything that does not depend on the steps that the turn has. `path` is that of the
/// list.
pub(in crate::commands) fn steps(
    faults: &mut Faults,
    path: &[&str],
    given: Vec<StepInput>,
) -> Vec<StepDraft> {
    if given.len() > STEPS_PER_INPUT_MAX {
        let message = format_args!(
            "{} steps are more than the {STEPS_PER_INPUT_MAX} that one request may write; send \
             them in several requests",
            given.len()
        );
        faults.add(UserErrorCode::LimitExceeded, path, message);
        return Vec::new();
    }
    for (at, step) in given.iter().enumerate() {
        let at = at.to_string();
        content(faults, &[path, &[&at, "content"]].concat(), &step.content);
        if let Some(idx) = step.idx.filter(|&idx| idx < 0) {
            let message = format_args!("an index counts from 0, {idx} is negative");
            faults.add(
                UserErrorCode::Invalid,
                &[path, &[&at, "idx"]].concat(),
                message,
            );
        }
    }
    given
        .into_iter()
        .map(|step| StepDraft {
            idx: step.idx,
            tpe: step.tpe,
            content: step.content,
        })
        .collect()
}

/// Gives every step its place beside the `stored` ones. Notes places that are taken.
pub(in crate::commands) fn places(
    faults: &mut Faults,
    path: &[&str],
    drafts: &[StepDraft],
    stored: &[i32],
) -> Vec<i32> {
    let mut taken: HashSet<i32> = stored.iter().copied().collect();
    let mut last = stored.iter().copied().max().unwrap_or(-1);
    let mut idxs = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.iter().enumerate() {
        let at = at.to_string();
        let path = [path, &[&at, "idx"]].concat();
        let Some(idx) = draft.idx.or_else(|| last.checked_add(1)) else {
            let message = "no index is left after that of the step before; name one";
            faults.add(UserErrorCode::LimitExceeded, &path, message);
            break;
        };
        if !taken.insert(idx) {
            let where_ = if stored.contains(&idx) {
                "in the turn"
            } else {
                "in this request"
            };
            let message = format_args!("there is a step with index {idx} {where_} already");
            faults.add(UserErrorCode::Conflict, &path, message);
        }
        last = idx;
        idxs.push(idx);
    }
    idxs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafts(idxs: &[Option<i32>]) -> Vec<StepDraft> {
        let step = |&idx: &Option<i32>| StepInput {
            idx,
            tpe: StepType::Text,
            content: "{}".into(),
        };
        let mut faults = Faults::default();
        let drafts = steps(&mut faults, &["steps"], idxs.iter().map(step).collect());
        assert!(faults.refusal().is_none());
        drafts
    }

    fn placed(idxs: &[Option<i32>], stored: &[i32]) -> Result<Vec<i32>, Vec<String>> {
        let mut faults = Faults::default();
        let idxs = places(&mut faults, &["steps"], &drafts(idxs), stored);
        match faults.refusal() {
            None => Ok(idxs),
            Some(errors) => Err(errors
                .iter()
                .map(|e| e.path.join(".") + " " + e.code.name())
                .collect()),
        }
    }

    #[test]
    fn steps_without_an_index_follow_the_one_before() {
        assert_eq!(placed(&[None, None], &[]), Ok(vec![0, 1]));
        assert_eq!(placed(&[None, Some(9), None], &[4, 2]), Ok(vec![5, 9, 10]));
        assert_eq!(placed(&[Some(3), None], &[]), Ok(vec![3, 4]));
        assert_eq!(placed(&[], &[7]), Ok(vec![]));
    }

    #[test]
    fn an_index_is_taken_by_a_stored_step_or_by_one_of_the_input() {
        let conflict = |at: usize| Err(vec![format!("steps.{at}.idx CONFLICT")]);
        assert_eq!(placed(&[Some(1), Some(1)], &[]), conflict(1));
        assert_eq!(placed(&[Some(0)], &[0]), conflict(0));
        assert_eq!(placed(&[Some(1), None], &[2]), conflict(1));
        let full = Err(vec!["steps.1.idx LIMIT_EXCEEDED".to_owned()]);
        assert_eq!(placed(&[Some(i32::MAX), None], &[]), full);
    }

    #[test]
    fn every_bad_step_is_named() {
        let step = |idx, content: &str| StepInput {
            idx: Some(idx),
            tpe: StepType::Code,
            content: content.into(),
        };
        let mut faults = Faults::default();
        let given = vec![step(0, "{"), step(-1, "1"), step(-2, "")];
        steps(&mut faults, &["input", "steps"], given);
        let paths: Vec<_> = faults
            .refusal()
            .unwrap()
            .iter()
            .map(|e| e.path.join("."))
            .collect();
        let of = ["0.content", "1.idx", "2.content", "2.idx"];
        assert_eq!(paths, of.map(|p| format!("input.steps.{p}")));
    }

    #[test]
    fn too_many_steps_are_refused_as_a_whole() {
        let step = StepInput {
            idx: None,
            tpe: StepType::Text,
            content: "1".into(),
        };
        let mut faults = Faults::default();
        steps(&mut faults, &["steps"], vec![step; STEPS_PER_INPUT_MAX + 1]);
        let errors = faults.refusal().unwrap();
        assert_eq!(errors[0].code, UserErrorCode::LimitExceeded);
        assert_eq!(errors[0].path, ["steps"]);
    }
}
