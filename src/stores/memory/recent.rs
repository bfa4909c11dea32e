//! An account's list of recent sessions in the process.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use crate::domain::{Timestamp, Uid};
use crate::stores::cache::{RECENT_MAX, Recent, RecentSession};

/// Every living session from the newest down to the oldest of `places`; of the account, if `whole`.
pub(super) struct RecentList {
    places: BTreeSet<RecentSession>,
    at: HashMap<Uid, Timestamp>,
    whole: bool,
    until: Timestamp,
}

impl RecentList {
    /// `None` when nothing is known of the account by it.
    pub(super) fn of(newest: &[RecentSession], whole: bool, until: Timestamp) -> Option<Self> {
        let held = &newest[..newest.len().min(RECENT_MAX)];
        let whole = whole && held.len() == newest.len();
        (whole || !held.is_empty()).then(|| Self {
            places: held.iter().cloned().collect(),
            at: held
                .iter()
                .map(|place| (place.session_uid.clone(), place.last_activity_at))
                .collect(),
            whole,
            until,
        })
    }

    /// `None` when it is too old to be shown.
    pub(super) fn page(
        &self,
        after: Option<&RecentSession>,
        limit: usize,
        now: Timestamp,
    ) -> Option<Recent> {
        if self.until <= now || (self.places.is_empty() && !self.whole) {
            return None;
        }
        let end = after.map_or(Bound::Unbounded, Bound::Excluded);
        let older = self.places.range((Bound::Unbounded, end)).rev();
        let found: Vec<_> = older.take(limit).cloned().collect();
        Some(match found.len() < limit && !self.whole {
            true => Recent::Beyond,
            false => Recent::Page(found),
        })
    }

    /// Moves a session up. Where the list is not whole, nothing comes below its oldest: there
    /// others are missing.
    pub(super) fn touch(&mut self, touched: &RecentSession) {
        let known = self.at.get(&touched.session_uid).copied();
        if known.is_some_and(|at| at >= touched.last_activity_at) {
            return;
        }
        let below = self.places.first().is_some_and(|oldest| touched < oldest);
        if !self.whole && known.is_none() && below {
            return;
        }
        if let Some(at) = known {
            self.places.remove(&RecentSession {
                last_activity_at: at,
                session_uid: touched.session_uid.clone(),
            });
        }
        self.at
            .insert(touched.session_uid.clone(), touched.last_activity_at);
        self.places.insert(touched.clone());
        if self.places.len() > RECENT_MAX
            && let Some(oldest) = self.places.pop_first()
        {
            self.at.remove(&oldest.session_uid);
            self.whole = false;
        }
    }
}
