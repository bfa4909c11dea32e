//! Idempotency keys: what one stands for, and the answer that is given again.
//!
//! Only successes are stored, in the transaction of the write itself, so that a key is known
//! exactly when its write is there. The stored answer names keys and versions, never content;
//! the entities are read again.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::draft::{Draft, Subject};
use super::rules::{self, Faults};
use crate::domain::Uid;
use crate::domain::revision::REVISION_ROWS_MAX;

/// A key that passed the rules, with the hash of the input it came with.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) input_hash: String,
}

impl Key {
    /// Checks the key; the hash is made only where there is one.
    pub(super) fn check(
        faults: &mut Faults,
        text: Option<&str>,
        hash: impl FnOnce() -> InputHash,
    ) -> Option<Self> {
        let text = text?;
        rules::idempotency_key(faults, text);
        Some(Self {
            text: text.to_owned(),
            input_hash: hash().finish(),
        })
    }
}

/// SHA-256 over a command's name and input. Every field is written with its kind and length, so
/// that two inputs never flow into the same bytes; the order of fields is part of the hash.
pub(super) struct InputHash(Sha256);

impl InputHash {
    /// Begins with the name of the mutation.
    pub(super) fn of(command: &'static str) -> Self {
        Self(Sha256::new()).text(command)
    }

    /// A text.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.update(b"t");
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
        self
    }

    /// A text or nothing, which differs from an empty text.
    pub(super) fn option(self, text: Option<&str>) -> Self {
        match text {
            None => self.nothing(),
            Some(text) => self.text(text),
        }
    }

    /// A number, or a choice as a number.
    pub(super) fn number(mut self, number: i64) -> Self {
        self.0.update(b"n");
        self.0.update(number.to_be_bytes());
        self
    }

    /// A number or nothing.
    pub(super) fn option_number(self, number: Option<i64>) -> Self {
        match number {
            None => self.nothing(),
            Some(number) => self.number(number),
        }
    }

    /// Steps, each with all it holds.
    pub(super) fn steps(self, steps: &[rules::StepInput]) -> Self {
        let start = self.number(steps.len() as i64);
        steps.iter().fold(start, |hash, step| {
            hash.option_number(step.idx.map(i64::from))
                .number(i64::from(step.tpe.number()))
                .text(&step.content)
        })
    }

    fn nothing(mut self) -> Self {
        self.0.update(b"-");
        self
    }

    fn finish(self) -> String {
        use std::fmt::Write as _;
        let mut hex = String::with_capacity(64);
        for byte in self.0.finalize() {
            write!(hex, "{byte:02x}").expect("writing to a string does not fail");
        }
        hex
    }
}

/// The stored answer of a command.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) session: Uid,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) turns: Vec<Uid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) idxs: Vec<i32>,
    /// Rows and versions of the revision; none where they were too many to be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rows: Vec<(Uid, i64)>,
}

impl Answer {
    /// What is stored of a draft whose rows have these versions.
    pub(super) fn of(draft: &Draft, rows: Vec<(Uid, i64)>) -> Self {
        let few = rows.len() <= REVISION_ROWS_MAX;
        Self {
            session: draft.session.clone(),
            turns: draft.subject.turns.clone(),
            idxs: draft.subject.idxs.clone(),
            rows: if few { rows } else { Vec::new() },
        }
    }

    /// As JSON text.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("keys and numbers are always JSON")
    }

    /// Turns and steps that the command was about.
    pub(super) fn subject(&self) -> Subject {
        Subject {
            turns: self.turns.clone(),
            idxs: self.idxs.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::StepType;

    #[test]
    fn answers_go_there_and_back() {
        let key = |text: &str| Uid::parse(text).unwrap();
        let answer = Answer {
            session: key("s"),
            turns: vec![key("t")],
            idxs: vec![0, 3],
            rows: vec![(key("t"), i64::MAX)],
        };
        assert_eq!(
            serde_json::from_str::<Answer>(&answer.to_json()).unwrap(),
            answer
        );
        let least: Answer = serde_json::from_str(r#"{"session":"s"}"#).unwrap();
        assert_eq!(least.to_json(), r#"{"session":"s"}"#);
    }

    #[test]
    fn inputs_that_look_alike_have_different_hashes() {
        let step = |idx, content: &str| rules::StepInput {
            idx,
            tpe: StepType::Think,
            content: content.into(),
        };
        let of = || InputHash::of("a");
        let hashes = [
            of(),
            InputHash::of("ab"),
            of().text("b"),
            of().text(""),
            of().option(None),
            of().option(Some("b")).text(""),
            of().text("b").text("c"),
            of().text("bc").text(""),
            of().option_number(Some(0)),
            of().option_number(Some(1)),
            of().steps(&[step(None, "1")]),
            of().steps(&[step(Some(0), "1")]),
            of().steps(&[step(None, "1"), step(None, "1")]),
        ]
        .map(InputHash::finish);
        let mut distinct = hashes.to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), hashes.len());
        assert!(hashes.iter().all(|hash| hash.len() == 64));
    }
}
