//! `Data` and `Loader`: all misses of a walk are loaded together, one statement a kind.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::{Consistency, SessionGraph, SessionRow, Uid};
use crate::reads::{
    Body, BodyKind, BodyWant, Erasure, ListingPage, ListingRequest, Origin, ReadErrorKind,
    SearchPage, SearchRequest, SessionFilter, SessionWithGraph, SystemState,
};

use super::misses::Misses;
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
    written: Origin,
    sessions: Vec<SessionData>,
    slots: HashMap<Uid, Known<usize>>,
    turns: HashMap<Uid, Known<Uid>>,
    listings: Vec<(ListingRequest, Result<ListingPage, LoadFailure>)>,
    counts: Vec<(SessionFilter, usize, Result<(usize, Origin), LoadFailure>)>,
    searches: Vec<(SearchRequest, Result<(SearchPage, Origin), LoadFailure>)>,
    status: Option<SystemState>,
    consistency: Consistency,
    reason: Option<String>,
    erasures: HashMap<Uid, Known<Erasure>>,
}

impl Data {
    /// Nothing yet; `written` is where a command's own answers come from.
    pub(crate) fn new(account: Uid, consistency: Consistency, written: Origin) -> Self {
        Self {
            account,
            written,
            sessions: Vec::new(),
            slots: HashMap::new(),
            turns: HashMap::new(),
            listings: Vec::new(),
            counts: Vec::new(),
            searches: Vec::new(),
            status: None,
            consistency,
            reason: None,
            erasures: HashMap::new(),
        }
    }

    /// How fresh its reads were asked to be.
    pub(crate) fn consistency(&self) -> Consistency {
        self.consistency
    }

    /// What was amiss so far, as one text.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub(super) fn status(&self) -> Option<&SystemState> {
        self.status.as_ref()
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

    pub(super) fn erasure(&self, uid: &Uid) -> Option<&Known<Erasure>> {
        self.erasures.get(uid)
    }

    pub(super) fn erasures_len(&self) -> usize {
        self.erasures.len()
    }

    pub(super) fn count(
        &self,
        filter: &SessionFilter,
        up_to: usize,
    ) -> Option<&Result<(usize, Origin), LoadFailure>> {
        let mut known = self.counts.iter();
        known
            .find(|(f, n, _)| f == filter && *n == up_to)
            .map(|(_, _, count)| count)
    }

    pub(super) fn search(
        &self,
        request: &SearchRequest,
    ) -> Option<&Result<(SearchPage, Origin), LoadFailure>> {
        self.searches
            .iter()
            .find(|(known, _)| known == request)
            .map(|(_, page)| page)
    }

    /// Enters a session that a command has just written, with its turns.
    pub(crate) fn put_written(&mut self, row: SessionRow, graph: Arc<SessionGraph>) {
        let (row, origin) = (Arc::new(row), self.written);
        self.put_graph(SessionWithGraph { row, graph, origin });
    }

    fn put_graph(&mut self, session: SessionWithGraph) {
        let slot = self.put_row(session.row, session.origin);
        self.sessions[slot].graph = Turns::Here(session.graph);
        self.sessions[slot].came_from(session.origin);
    }

    fn put_row(&mut self, row: Arc<SessionRow>, origin: Origin) -> usize {
        if let Some(Known::Here(slot)) = self.slots.get(&row.uid) {
            return *slot;
        }
        let slot = self.sessions.len();
        self.slots.insert(row.uid.clone(), Known::Here(slot));
        self.sessions.push(SessionData::new(row, origin));
        slot
    }

    fn put_missing(&mut self, asked: &[Uid], failed: Option<LoadFailure>) {
        for uid in asked {
            let known = failed.map_or(Known::Missing, Known::Failed);
            self.slots.entry(uid.clone()).or_insert(known);
        }
    }

    /// Marks the content that is about to be loaded and returns its places and addresses.
    fn mark_bodies(&mut self, misses: &Misses) -> (Vec<(usize, usize)>, Vec<BodyWant>) {
        let mut seen = HashSet::new();
        let (mut places, mut wants) = (Vec::new(), Vec::new());
        for &(kind, slot, ix) in &misses.bodies {
            let session = &mut self.sessions[slot];
            let Turns::Here(graph) = &session.graph else {
                continue;
            };
            if !seen.insert((kind, slot, ix)) {
                continue;
            }
            let turn = graph.turn(ix);
            wants.push(BodyWant {
                session_uid: session.row.uid.clone(),
                seq: turn.seq,
                turn_uid: turn.uid.clone(),
                kind,
            });
            places.push((slot, ix));
            session.mark(kind, ix, false);
        }
        (places, wants)
    }

    /// Enters what was loaded for one turn; a turn without rows stays marked as empty.
    fn put_body(
        &mut self,
        (slot, ix): (usize, usize),
        kind: BodyKind,
        answer: Result<Option<(Body, Origin)>, LoadFailure>,
    ) {
        let session = &mut self.sessions[slot];
        match answer {
            Ok(Some((body, origin))) => {
                session.put(ix, body);
                session.came_from(origin);
            }
            Ok(None) => {}
            Err(_) => session.mark(kind, ix, true),
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
