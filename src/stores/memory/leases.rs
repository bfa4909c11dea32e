//! Generations of keys that were missed: what a fill must still hold. Checking one and filling
//! under it is one step, as is revoking one and dropping the entry.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::Uid;

const SHARDS: usize = 32;

/// Leases of a shard at most. When there are more all of them go, which refuses the fills under
/// way and nothing else.
const HELD_MAX: usize = 4_096;

type Shard = Mutex<HashMap<Uid, u64>>;

/// See the module.
#[derive(Default)]
pub(super) struct Leases {
    shards: [Shard; SHARDS],
    hasher: RandomState,
    /// Counts, so that no generation is given twice.
    next: AtomicU64,
}

impl Leases {
    /// The key's generation; a new one where there is none.
    pub(super) fn take(&self, uid: &Uid) -> u64 {
        let mut held = self.shard(uid);
        if let Some(generation) = held.get(uid) {
            return *generation;
        }
        if held.len() >= HELD_MAX {
            held.clear();
        }
        let generation = self.next.fetch_add(1, Ordering::Relaxed);
        held.insert(uid.clone(), generation);
        generation
    }

    /// Calls `fill` if the key still has this generation; where none is held, that of the entry
    /// counts, which `entry` tells.
    pub(super) fn if_held(
        &self,
        uid: &Uid,
        generation: u64,
        entry: impl FnOnce() -> Option<u64>,
        fill: impl FnOnce(),
    ) -> bool {
        let held = self.shard(uid);
        let valid = held.get(uid).copied().or_else(entry) == Some(generation);
        if valid {
            fill();
        }
        valid
    }

    /// Ends the key's generation and calls `remove`.
    pub(super) fn revoke(&self, uid: &Uid, remove: impl FnOnce()) {
        let mut held = self.shard(uid);
        held.remove(uid);
        remove();
    }

    /// Ends every generation and calls `remove`. Nothing is filled meanwhile.
    pub(super) fn revoke_all(&self, remove: impl FnOnce()) {
        let shards = self.shards.iter();
        let mut held: Vec<_> = shards
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
            .collect();
        for shard in &mut held {
            shard.clear();
        }
        remove();
    }

    fn shard(&self, uid: &Uid) -> MutexGuard<'_, HashMap<Uid, u64>> {
        let shard = self.hasher.hash_one(uid) as usize % SHARDS;
        self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
