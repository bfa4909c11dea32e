//! How much memory a hot session takes, and what is left out of one that is too large.

use std::mem::size_of;
use std::sync::Arc;

use super::{HotBodies, HotSession};
use crate::domain::{StepRow, TurnRow};

/// A reference-counted key with its text: two counters and a UUID, as nearly all keys are.
const KEY: usize = 2 * size_of::<usize>() + 36;

impl HotSession {
    /// Memory in bytes, nearly: structures, texts, keys counted once.
    pub fn bytes(&self) -> usize {
        self.graph_bytes() + self.bodies.values().map(HotBodies::bytes).sum::<usize>()
    }

    /// The same without bodies.
    fn graph_bytes(&self) -> usize {
        let turn = |turn: &TurnRow| {
            let texts = [&turn.model, &turn.usage].into_iter().flatten();
            size_of::<TurnRow>() + KEY + texts.map(|text| text.len()).sum::<usize>()
        };
        let title = self.row.title.as_ref().map_or(0, |title| title.len());
        size_of::<Self>() + 2 * KEY + title + self.turns.iter().map(turn).sum::<usize>()
    }

    /// The session in at most `limit` bytes: bodies of the highest numbers, as many as fit, since
    /// a conversation is mostly read at its end. `None` when the turns alone are too large.
    pub fn within(session: Arc<Self>, limit: usize) -> Option<Arc<Self>> {
        let mut room = limit.checked_sub(session.graph_bytes())?;
        let mut fits = |bodies: &HotBodies| match room.checked_sub(bodies.bytes()) {
            Some(rest) => {
                room = rest;
                true
            }
            None => false,
        };
        let kept = session.bodies.iter().rev().take_while(|(_, b)| fits(b));
        let kept: Vec<i32> = kept.map(|(&seq, _)| seq).collect();
        if kept.len() == session.bodies.len() {
            return Some(session);
        }
        let bodies = kept
            .iter()
            .map(|seq| (*seq, session.bodies[seq].clone()))
            .collect();
        Some(Arc::new(Self {
            row: session.row.clone(),
            turns: session.turns.clone(),
            bodies,
            as_of: session.as_of,
        }))
    }
}

impl HotBodies {
    /// Memory in bytes, nearly.
    pub fn bytes(&self) -> usize {
        let inner = match self {
            Self::Prompt(prompt) => prompt.len(),
            Self::Steps(steps) => {
                let contents: usize = steps.iter().map(|step| step.content.len()).sum();
                steps.len() * size_of::<StepRow>() + contents
            }
        };
        // With its place in the tree.
        size_of::<Self>() + 2 * size_of::<usize>() + inner
    }
}
