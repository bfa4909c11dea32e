//! `SessionData`: one session with as much of its content as has been loaded.

use std::sync::Arc;

use crate::domain::step::StepHead;
use crate::domain::{SessionGraph, SessionRow, StepRow};
use crate::graphql::about::older;
use crate::reads::{Body, BodyKind, Origin, ReadErrorKind};

/// A part that may not have been asked for, or could not be loaded.
#[derive(Debug, Default)]
pub(crate) enum Loaded<T> {
    /// Nobody asked yet.
    #[default]
    Unknown,
    /// It is here.
    Here(T),
    /// The store failed.
    Failed,
}

/// The turns of a session.
#[derive(Debug)]
pub(super) enum Turns {
    /// Nobody asked yet.
    Unknown,
    /// They are here.
    Here(Arc<SessionGraph>),
    /// The store failed.
    Failed(ReadErrorKind),
}

/// A session that the account may see.
#[derive(Debug)]
pub(crate) struct SessionData {
    /// Its own row.
    pub(crate) row: Arc<SessionRow>,
    /// Its turns, once they were wanted.
    pub(super) graph: Turns,
    /// Where its row, turns and contents came from, each place once.
    origins: Vec<Origin>,
    prompts: Vec<Loaded<String>>,
    steps: Vec<Loaded<Vec<StepRow>>>,
    heads: Vec<Loaded<Vec<StepHead>>>,
}

impl SessionData {
    pub(super) fn new(row: Arc<SessionRow>, origin: Origin) -> Self {
        Self {
            row,
            origins: vec![origin],
            graph: Turns::Unknown,
            prompts: Vec::new(),
            steps: Vec::new(),
            heads: Vec::new(),
        }
    }

    /// The prompt of the turn at `ix`.
    pub(crate) fn prompt(&self, ix: usize) -> &Loaded<String> {
        self.prompts.get(ix).unwrap_or(&Loaded::Unknown)
    }

    /// The steps of the turn at `ix`.
    pub(crate) fn steps(&self, ix: usize) -> &Loaded<Vec<StepRow>> {
        self.steps.get(ix).unwrap_or(&Loaded::Unknown)
    }

    /// Index and type of the steps of the turn at `ix`.
    pub(crate) fn heads(&self, ix: usize) -> &Loaded<Vec<StepHead>> {
        self.heads.get(ix).unwrap_or(&Loaded::Unknown)
    }

    /// All loaded steps by turn.
    pub(crate) fn loaded_steps(&self) -> impl Iterator<Item = (usize, &Vec<StepRow>)> {
        self.steps
            .iter()
            .enumerate()
            .filter_map(|(ix, steps)| match steps {
                Loaded::Here(steps) => Some((ix, steps)),
                Loaded::Unknown | Loaded::Failed => None,
            })
    }

    /// Marks what was asked for as loaded and empty, so that a turn without rows is not asked for
    /// again; or as failed.
    pub(super) fn mark(&mut self, body: BodyKind, ix: usize, failed: bool) {
        fn set<T: Default>(all: &mut Vec<Loaded<T>>, ix: usize, failed: bool) {
            if all.len() <= ix {
                all.resize_with(ix + 1, Loaded::default);
            }
            all[ix] = if failed {
                Loaded::Failed
            } else {
                Loaded::Here(T::default())
            };
        }
        match body {
            BodyKind::Prompt => set(&mut self.prompts, ix, failed),
            BodyKind::Steps => set(&mut self.steps, ix, failed),
            BodyKind::Heads => set(&mut self.heads, ix, failed),
        }
    }

    /// Enters content of the turn at `ix`, which was marked before.
    pub(super) fn put(&mut self, ix: usize, body: Body) {
        match body {
            Body::Prompt(prompt) => self.prompts[ix] = Loaded::Here(prompt),
            Body::Steps(steps) => self.steps[ix] = Loaded::Here(steps),
            Body::Heads(heads) => self.heads[ix] = Loaded::Here(heads),
        }
    }

    /// Notes where a part of it came from.
    pub(super) fn came_from(&mut self, origin: Origin) {
        if !self.origins.contains(&origin) {
            self.origins.push(origin);
        }
    }

    /// Where its oldest part came from.
    pub(crate) fn oldest(&self) -> Origin {
        let all = self.origins.iter().copied();
        all.reduce(older).expect("its row came from somewhere")
    }

    /// Where its parts came from.
    pub(crate) fn origins(&self) -> &[Origin] {
        &self.origins
    }
}
