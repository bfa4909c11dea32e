//! What a lane knows of its sessions' places in the lists, so that a place is not written again
//! with every turn: a list and the months of an account are partitions of their own, and cost a
//! store as much as the turn itself.
//!
//! A place has no other values than where it is and whether its session is deleted, and all changes
//! of a session pass one lane in the order of the feed. So what this lane has written is still
//! there, unless one of its own changes took it away.

use quick_cache::unsync::Cache;

use crate::domain::{Timestamp, Uid};
use crate::projection::writes::session_of;
use crate::stores::projection::Write;

/// Sessions that a lane remembers.
const SESSIONS_MAX: usize = 16_384;

/// Account, creation time and deletion.
type Place = (Uid, Timestamp, bool);

/// Places that were written. Of one run of the projector and one set of stores.
pub(super) struct Listed {
    places: Cache<Uid, Place>,
    /// [`crate::projection::targets::Targets::epoch`] of the stores that have them.
    epoch: u64,
}

impl Listed {
    pub(super) fn new() -> Self {
        Self {
            places: Cache::new(SESSIONS_MAX),
            epoch: 0,
        }
    }

    /// Takes out places that the stores of this epoch have as they are.
    pub(super) fn take_known(&mut self, writes: &mut Vec<Write>, epoch: u64) {
        if self.epoch != epoch {
            self.forget();
            self.epoch = epoch;
        }
        writes.retain(|write| match write {
            Write::Listing(session) => {
                let row = &session.row;
                let deleted = row.deleted_at.is_some();
                let place = (row.account_uid.clone(), row.created_at, deleted);
                let known = self.places.get(&row.uid) == Some(&place);
                if !known {
                    self.places.insert(row.uid.clone(), place);
                }
                !known
            }
            Write::ListingGone { .. } | Write::SessionGone { .. } => {
                self.places.remove(session_of(write));
                true
            }
            _ => true,
        });
    }

    /// Nothing is known any more: a write was refused, perhaps one of these.
    pub(super) fn forget(&mut self) {
        self.places.clear();
    }
}

#[cfg(test)]
mod tests;
