//! Views: small copies of references that the plan carries from a session to its turns and steps.

use std::borrow::Cow;

use crate::domain::revision::REVISION_ROWS_MAX;
use crate::domain::step::StepHead;
use crate::domain::step::content::StepContent;
use crate::domain::{Revision, SessionGraph, SessionRow, StepRow, StepType, TurnRole, TurnRow};
use crate::graphql::engine::Failure;
use crate::graphql::error::{STORE_FAILURE, failure_of};
use crate::graphql::ids::IdOf;
use crate::reads::BodyKind;

use super::env::Env;
use super::session::{Loaded, SessionData, Turns};

/// A session.
#[derive(Clone, Copy)]
pub(crate) struct SessionView<'a> {
    pub(crate) env: &'a Env<'a>,
    pub(super) slot: usize,
}

/// A turn of a session.
#[derive(Clone, Copy)]
pub(crate) struct TurnView<'a> {
    pub(crate) session: SessionView<'a>,
    pub(crate) ix: usize,
}

/// A step of an agent turn.
#[derive(Clone, Copy)]
pub(crate) struct StepView<'a> {
    pub(crate) turn: TurnView<'a>,
    pub(crate) row: &'a StepRow,
    /// Place among the turn's steps.
    pub(crate) at: usize,
}

impl<'a> SessionView<'a> {
    pub(crate) fn data(self) -> &'a SessionData {
        self.env.data.session(self.slot)
    }

    pub(crate) fn row(self) -> &'a SessionRow {
        &self.data().row
    }

    /// Whether its turns can be had; `Ok` also while they are being loaded.
    pub(crate) fn loaded(self) -> Result<(), Failure<'a>> {
        match &self.data().graph {
            Turns::Failed(kind) => Err(failure_of(*kind)),
            Turns::Here(_) | Turns::Unknown => Ok(()),
        }
    }

    /// Its turns; none while they are being loaded, or where that failed (ask [`Self::loaded`]).
    pub(crate) fn graph(self) -> &'a SessionGraph {
        self.env.graph(self.data())
    }

    /// What this answer holds of the session: its own row and its newest turns.
    pub(crate) fn revision(self) -> &'a Revision {
        let mut rows = vec![(self.row().uid.clone(), self.row().rev)];
        let newest = self
            .graph()
            .turns()
            .iter()
            .rev()
            .take(REVISION_ROWS_MAX - 1);
        rows.extend(newest.map(|turn| (turn.uid.clone(), turn.rev)));
        self.env.keep_revision(Revision {
            position: None,
            rows,
        })
    }

    pub(crate) fn turn(self, ix: usize) -> TurnView<'a> {
        TurnView { session: self, ix }
    }
}

impl<'a> TurnView<'a> {
    pub(crate) fn graph(self) -> &'a SessionGraph {
        self.session.graph()
    }

    pub(crate) fn row(self) -> &'a TurnRow {
        self.graph().turn(self.ix)
    }

    pub(crate) fn is_human(self) -> bool {
        self.row().role == TurnRole::Human
    }

    /// The prompt; empty for agent turns and while it is being loaded.
    pub(crate) fn prompt(self) -> Result<&'a str, Failure<'a>> {
        match self.session.data().prompt(self.ix) {
            Loaded::Here(prompt) => Ok(prompt),
            Loaded::Failed => Err(STORE_FAILURE),
            Loaded::Unknown => {
                if self.is_human() {
                    self.miss(BodyKind::Prompt);
                }
                Ok("")
            }
        }
    }

    /// The steps by `idx`; empty for human turns and while they are being loaded.
    pub(crate) fn steps(self) -> Result<&'a [StepRow], Failure<'a>> {
        match self.session.data().steps(self.ix) {
            Loaded::Here(steps) => Ok(steps),
            Loaded::Failed => Err(STORE_FAILURE),
            Loaded::Unknown => {
                if !self.is_human() {
                    self.miss(BodyKind::Steps);
                }
                Ok(&[])
            }
        }
    }

    /// Index and type of the steps by `idx`.
    pub(crate) fn heads(self) -> Result<&'a [StepHead], Failure<'a>> {
        match self.session.data().heads(self.ix) {
            Loaded::Here(heads) => Ok(heads),
            Loaded::Failed => Err(STORE_FAILURE),
            Loaded::Unknown => {
                if !self.is_human() {
                    self.miss(BodyKind::Heads);
                }
                Ok(&[])
            }
        }
    }

    pub(crate) fn step(self, at: usize, row: &'a StepRow) -> StepView<'a> {
        StepView {
            turn: self,
            row,
            at,
        }
    }

    /// What a person reads of the turn: the prompt, or all text steps one below the other.
    pub(crate) fn text(self) -> Result<Cow<'a, str>, Failure<'a>> {
        if self.is_human() {
            return self.prompt().map(Cow::Borrowed);
        }
        let steps = self.steps()?;
        let is_text = |step: &&StepRow| step.tpe == StepType::Text.number();
        let texts = steps.iter().filter(is_text).map(|step| {
            StepContent::parse(step.tpe, &step.content)
                .plain_text()
                .into_owned()
        });
        // What is malformed or empty reads as nothing and leaves no gap.
        let mut texts = texts.filter(|text| !text.is_empty());
        let Some(first) = texts.next() else {
            return Ok(Cow::Borrowed(""));
        };
        Ok(Cow::Owned(texts.fold(first, |mut all, text| {
            all.push_str("\n\n");
            all.push_str(&text);
            all
        })))
    }

    fn miss(self, body: BodyKind) {
        self.session.env.miss_body(body, self.session.slot, self.ix);
    }
}

impl<'a> StepView<'a> {
    pub(crate) fn id(self) -> IdOf<'a> {
        IdOf {
            kind: "Step",
            uid: &self.row.turn_uid,
            idx: Some(self.row.idx),
        }
    }

    /// The typed content, where the plan asked for it.
    pub(crate) fn content(self) -> Option<&'a StepContent<'a>> {
        let session = self.turn.session;
        session.env.content(session.slot, self.turn.ix, self.at)
    }
}
