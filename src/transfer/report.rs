//! What an import did: counts that add up to what the files hold, and every departure by place.

use serde::Serialize;

/// The report of an import.
///
/// `nodes` is the number of messages that the readable parts of the files hold; each is in
/// `nodes_imported` or counted in one entry of `skipped`. Counts are of rows that this import
/// added, so that a repeated import reports none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Sessions added.
    pub sessions: usize,
    /// Sessions that were there and got turns or steps that were missing.
    pub sessions_completed: usize,
    /// Human turns added.
    pub human_turns: usize,
    /// Agent turns added.
    pub agent_turns: usize,
    /// Steps added.
    pub steps: usize,
    /// Scores added.
    pub scores: usize,
    /// Messages that the files hold.
    pub nodes: usize,
    /// Messages that are in the sessions added or completed.
    pub nodes_imported: usize,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// What was put right.
    pub repaired: Vec<Repaired>,
}

impl ImportReport {
    /// Whether something could not be imported because it is broken.
    pub fn has_broken(&self) -> bool {
        self.skipped.iter().any(|s| s.kind == SkipKind::Broken)
    }

    /// Number of entries of a kind.
    pub fn skipped_of(&self, kind: SkipKind) -> usize {
        self.skipped.iter().filter(|s| s.kind == kind).count()
    }

    pub(super) fn skip(&mut self, place: String, kind: SkipKind, nodes: usize, reason: String) {
        self.skipped.push(Skipped {
            place,
            reason,
            kind,
            nodes,
        });
    }

    pub(super) fn repair(&mut self, place: String, reason: String) {
        self.repaired.push(Repaired { place, reason });
    }
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// File, conversation and message, as far as they apply.
    #[serde(rename = "where")]
    pub place: String,
    /// Why.
    pub reason: String,
    /// Whether it matters.
    pub kind: SkipKind,
    /// Messages that this entry stands for; 0 where they cannot be counted.
    pub nodes: usize,
}

/// Why something was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SkipKind {
    /// Nothing that a person saw, e.g. the technical root of a ChatGPT export.
    Technical,
    /// It is in the store already.
    Present,
    /// It cannot be read or stored.
    Broken,
    /// Its account was erased for good.
    Erased,
}

/// Something that was put right and imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// File, conversation and message, as far as they apply.
    #[serde(rename = "where")]
    pub place: String,
    /// What was wrong and what was done.
    pub reason: String,
}
