//! `Data` and `Loader`: all misses of a walk are loaded together, one statement a kind.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{SessionRow, Uid};
use crate::reads::{
    ListingPage, ListingRequest, ReadErrorKind, SearchPage, SearchRequest, SessionFilter,
    SessionWithGraph,
};

use super::misses::{Body, Misses};
use super::session::{SessionData, Turns};

mod loaders;
pub(crate) use loaders::Loader;

/// Why something could not be loaded, without what only the log may know.
pub(crate) type LoadFailure = ReadErrorKind;

/// What is known of a key that was asked for.
#[derive(Debug)]
pub(crate) enum Known<T> {
    /// It is this.
    Here(T),
    /// There is no such thing, or it is another account's.
    Missing,
    /// The store failed.
    Failed(LoadFailure),
}

/// Everything that one operation (or one mutation field) has loaded.
#[derive(Debug)]
pub(crate) struct Data {
    /// The caller's account.
    pub(crate) account: Uid,
    sessions: Vec<SessionData>,
    slots: HashMap<Uid, Known<usize>>,
    turns: HashMap<Uid, Known<Uid>>,
    listings: Vec<(ListingRequest, Result<ListingPage, LoadFailure>)>,
    counts: Vec<(SessionFilter, usize, Result<usize, LoadFailure>)>,
    searches: Vec<(SearchRequest, Result<SearchPage, LoadFailure>)>,
}

impl Data {
    pub(crate) fn new(account: Uid) -> Self {
        Self {
            account,
            sessions: Vec::new(),
            slots: HashMap::new(),
            turns: HashMap::new(),
            listings: Vec::new(),
            counts: Vec::new(),
            searches: Vec::new(),
        }
    }

    /// Sessions by slot.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &SessionData> {
        self.sessions.iter()
    }

    /// The session at a slot.
    pub(crate) fn session(&self, slot: usize) -> &SessionData {
        &self.sessions[slot]
    }

    pub(super) fn session_slot(&self, uid: &Uid) -> Option<&Known<usize>> {
        self.slots.get(uid)
    }

    pub(super) fn session_of_turn(&self, turn: &Uid) -> Option<&Known<Uid>> {
        self.turns.get(turn)
    }

    pub(super) fn listing(
        &self,
        request: &ListingRequest,
    ) -> Option<&Result<ListingPage, LoadFailure>> {
        self.listings
            .iter()
            .find(|(known, _)| known == request)
            .map(|(_, page)| page)
    }

    pub(super) fn listings_len(&self) -> usize {
        self.listings.len()
    }

    pub(super) fn counts_len(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn searches_len(&self) -> usize {
        self.searches.len()
    }

    pub(super) fn count(
        &self,
        filter: &SessionFilter,
        up_to: usize,
    ) -> Option<&Result<usize, LoadFailure>> {
        let mut known = self.counts.iter();
        known
            .find(|(f, n, _)| f == filter && *n == up_to)
            .map(|(_, _, count)| count)
    }

    pub(super) fn search(
        &self,
        request: &SearchRequest,
    ) -> Option<&Result<SearchPage, LoadFailure>> {
        self.searches
            .iter()
            .find(|(known, _)| known == request)
            .map(|(_, page)| page)
    }

    /// Enters a session that a command has just written, with its turns.
    pub(crate) fn put_graph(&mut self, session: SessionWithGraph) {
        let slot = self.put_row(session.row);
        self.sessions[slot].graph = Turns::Here(session.graph);
    }

    fn put_row(&mut self, row: Arc<SessionRow>) -> usize {
        if let Some(Known::Here(slot)) = self.slots.get(&row.uid) {
            return *slot;
        }
        let slot = self.sessions.len();
        self.slots.insert(row.uid.clone(), Known::Here(slot));
        self.sessions.push(SessionData::new(row));
        slot
    }

    fn put_missing(&mut self, asked: &[Uid], failed: Option<LoadFailure>) {
        for uid in asked {
            let known = failed.map_or(Known::Missing, Known::Failed);
            self.slots.entry(uid.clone()).or_insert(known);
        }
    }

    /// Marks the content that is about to be loaded and returns the turns' keys with their places.
    fn mark_bodies(&mut self, misses: &Misses, body: Body) -> HashMap<Uid, (usize, usize)> {
        let mut places = HashMap::new();
        for &(_, slot, ix) in misses.bodies.iter().filter(|(b, _, _)| *b == body) {
            let session = &mut self.sessions[slot];
            let Turns::Here(graph) = &session.graph else {
                continue;
            };
            let turn = graph.turn(ix).uid.clone();
            if places.insert(turn, (slot, ix)).is_none() {
                session.mark(body, ix, false);
            }
        }
        places
    }

    /// Enters what was loaded for one turn; a turn without rows stays marked as empty.
    fn put_body<T>(
        &mut self,
        body: Body,
        (slot, ix): (usize, usize),
        answer: Result<Option<T>, LoadFailure>,
        put: fn(&mut SessionData, usize, T),
    ) {
        match answer {
            Ok(Some(loaded)) => put(&mut self.sessions[slot], ix, loaded),
            Ok(None) => {}
            Err(_) => self.sessions[slot].mark(body, ix, true),
        }
    }

    /// Enters that the turns of a session cannot be had. A session whose row is here stays here:
    /// only what needs its turns fails.
    fn put_failed(&mut self, uid: &Uid, kind: LoadFailure) {
        match self.slots.get(uid) {
            Some(Known::Here(slot)) => self.sessions[*slot].graph = Turns::Failed(kind),
            _ => {
                self.slots.insert(uid.clone(), Known::Failed(kind));
            }
        }
    }

    /// Enters that a session whose turns were asked for does not exist.
    fn put_gone(&mut self, uid: &Uid) {
        match self.slots.get(uid) {
            // Its row was read, and it was purged before its turns were.
            Some(Known::Here(_)) => self.put_failed(uid, LoadFailure::Conflict),
            _ => self.put_missing(std::slice::from_ref(uid), None),
        }
    }
}
