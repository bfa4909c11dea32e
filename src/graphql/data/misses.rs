//! `Misses`: what a walk wanted and did not find.

use std::collections::HashSet;

use crate::domain::Uid;
use crate::reads::{BodyKind, ListingRequest, SearchRequest, SessionFilter};

/// The wants of one walk. Asking twice for the same costs nothing more.
#[derive(Debug, Default)]
pub(crate) struct Misses {
    /// Sessions by key.
    pub(crate) sessions: HashSet<Uid>,
    /// Sessions whose turns are wanted too.
    pub(crate) graphs: HashSet<Uid>,
    /// Turns whose session is not known.
    pub(crate) turns: HashSet<Uid>,
    /// Content of turns: kind, place of the session, index of the turn.
    pub(crate) bodies: Vec<(BodyKind, usize, usize)>,
    /// Pages of the account's sessions.
    pub(crate) listings: Vec<ListingRequest>,
    /// Counts of the account's sessions, with the number to stop at.
    pub(crate) counts: Vec<(SessionFilter, usize)>,
    /// Searches.
    pub(crate) searches: Vec<SearchRequest>,
    /// How the stores are.
    pub(crate) status: bool,
    /// Receipts of erasures.
    pub(crate) erasures: Vec<Uid>,
}

impl Misses {
    /// Whether the walk found everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
            && self.graphs.is_empty()
            && self.turns.is_empty()
            && self.bodies.is_empty()
            && self.listings.is_empty()
            && self.counts.is_empty()
            && self.searches.is_empty()
            && !self.status
            && self.erasures.is_empty()
    }
}

/// Adds `wanted` unless it is there; for wants of which there are few.
pub(crate) fn want<T: PartialEq>(wants: &mut Vec<T>, wanted: T) {
    if !wants.contains(&wanted) {
        wants.push(wanted);
    }
}
