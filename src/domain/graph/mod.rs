//! `SessionGraph`: the forest of one session, answering every question of navigation.
//!
//! Built once from the session's turn rows in O(n log n) and then immutable. Every walk is
//! iterative and bounded by the number of turns, whatever the rows hold: a parent that is missing
//! makes its child a root, a cycle is cut at its lowest key, and both are reported as [`Damage`].
//! The graph knows no content; bodies are loaded apart from it.

mod build;
mod navigate;
#[cfg(test)]
mod properties;

use std::sync::OnceLock;

use super::{TurnRow, Uid};
pub use navigate::Branch;

/// Index of a turn in its graph: its place in the order of `seq`.
pub type Ix = usize;

/// What was wrong with the rows of a session. Navigation works all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The parent is not a turn of this session; the turn is treated as a root.
    Orphan {
        /// The turn.
        uid: Uid,
        /// Its parent, as stored.
        parent_uid: Uid,
    },
    /// The turn is its own ancestor; its link to the parent was cut.
    Cycle {
        /// The turn with the lowest key of the cycle, where it was cut.
        uid: Uid,
    },
    /// A human turn below a human turn, an agent turn below an agent turn, or an agent root.
    Role {
        /// The turn.
        uid: Uid,
    },
    /// Two turns have the same key; the one with the higher `seq` was left out.
    Duplicate {
        /// The key.
        uid: Uid,
    },
}

/// The forest of turns of one session.
#[derive(Debug)]
pub struct SessionGraph {
    turns: Vec<TurnRow>,
    /// Indices in the order of keys, for look-ups by binary search.
    by_uid: Vec<u32>,
    /// Parent of each turn, [`NONE`] for roots.
    parent: Vec<u32>,
    /// Children of all turns one after another, each run in the order of `seq`; run `n` (the
    /// last) holds the roots.
    children: Vec<u32>,
    /// Where each run begins; one more than there are runs.
    child_runs: Vec<u32>,
    /// Number of ancestors.
    depth: Vec<u32>,
    /// Deleted itself or below a deleted turn.
    deleted: Vec<bool>,
    active_root: Option<Uid>,
    active_path: OnceLock<Vec<Ix>>,
    damage: Vec<Damage>,
}

/// Stands for "no turn" in the index columns.
const NONE: u32 = u32::MAX;
