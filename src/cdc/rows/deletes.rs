//! `Deletes`: which rows went in a transaction without a row of `purge_log` that tells it.
//!
//! A deletion is told by `purge_log`, written by triggers in the same transaction. A row that went
//! without one went while the triggers were off, and must be compared with the record. Memory is
//! bounded however many rows go: beyond a number keys are kept as hashes, beyond another not at
//! all, and that is told.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::table::Table;
use crate::domain::Uid;
use crate::domain::change::{Change, Purge, PurgeKind};

/// Deleted rows whose keys are kept as text.
const NAMED_MAX: usize = 10_000;

/// Rows, deleted or logged, that are kept at all; about 50 bytes each.
const FOLLOWED_MAX: usize = 1_000_000;

/// Rows without a trace that are told one by one.
const TOLD_MAX: usize = 1_000;

/// What a deletion and its row of `purge_log` have in common. Steps count by their turn, since one
/// row tells of all steps of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Session,
    Turn,
    Steps,
}

/// Deletions and purges of one transaction, in any order.
#[derive(Debug, Default)]
pub struct Deletes {
    hasher: RandomState,
    gone: HashMap<u64, Option<Box<str>>>,
    logged: HashSet<u64>,
    overflow: bool,
}

impl Deletes {
    /// A transaction begins: what was seen of another is forgotten.
    pub fn begin(&mut self) {
        // New maps, because cleared ones would keep the room of the largest transaction ever.
        if !self.gone.is_empty() || !self.logged.is_empty() {
            self.gone = HashMap::new();
            self.logged = HashSet::new();
        }
        self.overflow = false;
    }

    /// A row of one of the four given tables went; `uid` is its key (of a step: its turn's).
    pub fn deleted(&mut self, table: Table, uid: &str) {
        let kind = match table {
            Table::Sessions => Kind::Session,
            Table::HumanTurns | Table::AgentTurns => Kind::Turn,
            Table::Steps => Kind::Steps,
            Table::PurgeLog | Table::ProjectionJobs => return,
        };
        let key = self.hasher.hash_one((kind, uid));
        if self.logged.contains(&key) || self.gone.contains_key(&key) || !self.has_room() {
            return;
        }
        let name = (self.gone.len() < NAMED_MAX).then(|| format!("{} {uid}", table.name()).into());
        self.gone.insert(key, name);
    }

    /// A row of `purge_log` was written.
    pub fn purged(&mut self, purge: &Purge) {
        let kind = match (purge.kind, purge.idx) {
            (PurgeKind::Session, _) => Kind::Session,
            (PurgeKind::Turn, _) | (PurgeKind::Address, None) => Kind::Turn,
            (PurgeKind::TurnSteps | PurgeKind::Step, _) | (PurgeKind::Address, Some(_)) => {
                Kind::Steps
            }
            (PurgeKind::Listing | PurgeKind::Account, _) => return,
        };
        let key = self.hasher.hash_one((kind, purge.uid.as_str()));
        self.gone.remove(&key);
        if self.has_room() {
            self.logged.insert(key);
        }
    }

    fn has_room(&mut self) -> bool {
        let room = self.gone.len() + self.logged.len() < FOLLOWED_MAX;
        self.overflow |= !room;
        room
    }

    /// The transaction ends: what went without a trace.
    pub fn suspects(&mut self) -> Vec<Change> {
        let gone = std::mem::take(&mut self.gone);
        let suspect = |session_uid, row| Change::Suspect { session_uid, row };
        let mut suspects = Vec::new();
        let mut unnamed = 0;
        for name in gone.into_values() {
            match name {
                Some(row) if suspects.len() < TOLD_MAX => {
                    let session = row.strip_prefix("sessions ").map(Uid::stored);
                    suspects.push(suspect(session, row.into_string()));
                }
                _ => unnamed += 1,
            }
        }
        if unnamed > 0 {
            suspects.push(suspect(
                None,
                format!("{unnamed} more rows that were deleted"),
            ));
        }
        if self.overflow {
            let row = format!("rows of a transaction that deleted more than {FOLLOWED_MAX}");
            suspects.push(suspect(None, row));
        }
        self.begin();
        suspects
    }
}
