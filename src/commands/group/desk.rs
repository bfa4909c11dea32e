//! What a group has loaded: its sessions, where turns are, which keys are taken.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::sheet::Sheet;
use crate::domain::Uid;

/// See the module. Everything is empty at first.
#[derive(Default)]
pub(in crate::commands) struct Desk {
    /// In the order of their keys.
    pub(super) sheets: BTreeMap<Uid, Sheet>,
    /// Sessions of turns by (account, turn).
    pub(super) places: HashMap<(Uid, Uid), Uid>,
    /// Keys, of those that were claimed, that turns have.
    pub(super) taken: HashSet<Uid>,
    /// Indices of the steps of agent turns.
    pub(super) idxs: HashMap<Uid, Vec<i32>>,
}

impl Desk {
    /// A session that is locked or created.
    pub(in crate::commands) fn sheet(&mut self, uid: &Uid) -> Option<&mut Sheet> {
        self.sheets.get_mut(uid)
    }

    /// Adds a session.
    pub(in crate::commands) fn put(&mut self, sheet: Sheet) {
        self.sheets.insert(sheet.session().uid.clone(), sheet);
    }

    /// The session of a turn of an account.
    pub(in crate::commands) fn session_of(&self, account: &Uid, turn: &Uid) -> Option<&Uid> {
        self.places.get(&(account.clone(), turn.clone()))
    }

    /// Whether a turn has, or gets by this group, a key that was claimed.
    pub(in crate::commands) fn is_taken(&self, uid: &Uid) -> bool {
        self.taken.contains(uid) || self.sheets.values().any(|sheet| sheet.adds(uid))
    }

    /// Indices of the steps of an agent turn, those of this group included.
    pub(in crate::commands) fn idxs_of(&self, session: &Uid, turn: &Uid) -> Vec<i32> {
        let mut idxs = self.idxs.get(turn).cloned().unwrap_or_default();
        if let Some(sheet) = self.sheets.get(session) {
            idxs.extend(sheet.new_idxs(turn));
        }
        idxs
    }
}
