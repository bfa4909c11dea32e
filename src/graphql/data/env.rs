//! `Env`: loaded data as a walk sees it, with the notes of what the walk missed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use typed_arena::Arena;

use crate::domain::step::content::StepContent;
use crate::domain::{Revision, SessionGraph, Uid};
use crate::graphql::engine::{Failure, Needs};
use crate::graphql::error::failure_of;
use crate::graphql::mutation::{Command, Outcome};
use crate::reads::{
    BodyKind, Erasure, ListingPage, ListingRequest, Origin, SearchPage, SearchRequest,
    SessionFilter, SystemState,
};

use super::load::{Data, Known};
use super::misses::{Misses, want};
use super::session::{SessionData, Turns};
use super::views::SessionView;

/// Answer to a look-up: `Ok(None)` is "no such thing", also while it is being loaded.
pub(crate) type Looked<'a, T> = Result<Option<T>, Failure<'a>>;

/// Pages of sessions, counts and searches in one operation, each at most: every one is a statement
/// of its own, and a document has room for thousands of aliases.
const LISTS_MAX: usize = 32;

fn within_lists(asked: usize) -> Result<(), Failure<'static>> {
    if asked < LISTS_MAX {
        return Ok(());
    }
    Err(Failure {
        code: "BAD_USER_INPUT",
        message: "The operation asks for more than 32 lists, counts or searches of this kind; \
                  split it into several requests.",
    })
}

/// The environment of one walk.
pub(crate) struct Env<'a> {
    /// What is loaded.
    pub(crate) data: &'a Data,
    /// What the plan wants at once.
    needs: Needs,
    misses: RefCell<Misses>,
    /// Typed contents by session and turn; only where the plan reads them.
    contents: HashMap<(usize, usize), Vec<StepContent<'a>>>,
    /// Places of turns on pages, which connections refer to.
    pages: Arena<usize>,
    /// Texts that were put together while walking.
    texts: Arena<String>,
    /// Revisions that were put together while walking.
    revisions: Arena<Revision>,
    no_turns: SessionGraph,
    /// What the mutation field that is being written has done.
    pub(crate) outcome: Option<&'a Outcome>,
    command: RefCell<Option<Command>>,
    /// The root field that is being written, and what each of them showed.
    root: Cell<usize>,
    touched: RefCell<Vec<(usize, Touched)>>,
}

/// A part that a root field showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Touched {
    /// The session at this slot.
    Session(usize),
    /// A list, a count or a search that came from there.
    Other(Origin),
}

impl<'a> Env<'a> {
    pub(crate) fn new(data: &'a Data, needs: Needs, outcome: Option<&'a Outcome>) -> Self {
        let mut contents = HashMap::new();
        if needs.step_contents {
            for (slot, session) in data.sessions().enumerate() {
                for (ix, steps) in session.loaded_steps() {
                    let parsed = steps
                        .iter()
                        .map(|step| StepContent::parse(step.tpe, &step.content));
                    contents.insert((slot, ix), parsed.collect());
                }
            }
        }
        Self {
            data,
            needs,
            misses: RefCell::default(),
            contents,
            pages: Arena::new(),
            texts: Arena::new(),
            revisions: Arena::new(),
            outcome,
            command: RefCell::new(None),
            root: Cell::new(0),
            touched: RefCell::default(),
            no_turns: SessionGraph::build(Vec::new(), None),
        }
    }

    /// Notes the command that the mutation field wants run.
    pub(crate) fn want(&self, command: Command) {
        self.command.borrow_mut().get_or_insert(command);
    }

    /// From now on the root field of this index is written.
    pub(crate) fn enter_root(&self, index: usize) {
        self.root.set(index);
    }

    fn touch(&self, what: Touched) {
        let touch = (self.root.get(), what);
        let mut touched = self.touched.borrow_mut();
        if touched.last() != Some(&touch) {
            touched.push(touch);
        }
    }

    /// Takes what each root field showed.
    pub(crate) fn take_touched(&self) -> Vec<(usize, Touched)> {
        self.touched.take()
    }

    /// How the stores are; none while they are asked.
    pub(crate) fn status(&'a self) -> Looked<'a, &'a SystemState> {
        let known = self.data.status();
        self.misses.borrow_mut().status |= known.is_none();
        Ok(known)
    }

    /// Ends the walk of a mutation field and returns what it missed and wants run.
    pub(crate) fn into_wants(self) -> (Misses, Option<Command>) {
        (self.misses.into_inner(), self.command.into_inner())
    }

    /// Ends the walk and returns what it missed.
    pub(crate) fn into_misses(self) -> Misses {
        self.misses.into_inner()
    }

    /// Keeps places for the rest of the walk.
    pub(crate) fn keep(&'a self, places: impl IntoIterator<Item = usize>) -> &'a [usize] {
        self.pages.alloc_extend(places)
    }

    /// Keeps a text for the rest of the walk.
    pub(crate) fn keep_text(&'a self, text: String) -> &'a str {
        self.texts.alloc(text)
    }

    /// Keeps a revision for the rest of the walk.
    pub(crate) fn keep_revision(&'a self, revision: Revision) -> &'a Revision {
        self.revisions.alloc(revision)
    }

    /// A session of the account by key.
    pub(crate) fn session(&'a self, uid: &Uid) -> Looked<'a, SessionView<'a>> {
        match self.data.session_slot(uid) {
            Some(Known::Here(slot)) => {
                self.touch(Touched::Session(*slot));
                Ok(Some(SessionView {
                    env: self,
                    slot: *slot,
                }))
            }
            Some(Known::Missing) => Ok(None),
            Some(Known::Failed(kind)) => Err(failure_of(*kind)),
            None => {
                let mut misses = self.misses.borrow_mut();
                let wants = if self.needs.graph {
                    &mut misses.graphs
                } else {
                    &mut misses.sessions
                };
                wants.insert(uid.clone());
                Ok(None)
            }
        }
    }

    /// The session of a turn of the account, by the turn's key.
    pub(crate) fn session_of_turn(&'a self, turn: &Uid) -> Looked<'a, SessionView<'a>> {
        match self.data.session_of_turn(turn) {
            Some(Known::Here(session)) => self.session(session),
            Some(Known::Missing) => Ok(None),
            Some(Known::Failed(kind)) => Err(failure_of(*kind)),
            None => {
                self.misses.borrow_mut().turns.insert(turn.clone());
                Ok(None)
            }
        }
    }

    /// A page of the account's sessions.
    pub(crate) fn listing(&'a self, request: &ListingRequest) -> Looked<'a, &'a ListingPage> {
        match self.data.listing(request) {
            Some(Ok(page)) => {
                self.touch(Touched::Other(page.origin));
                Ok(Some(page))
            }
            Some(Err(kind)) => Err(failure_of(*kind)),
            None => {
                let mut misses = self.misses.borrow_mut();
                within_lists(self.data.listings_len() + misses.listings.len())?;
                want(&mut misses.listings, request.clone());
                Ok(None)
            }
        }
    }

    /// How many sessions pass a filter, counted to `up_to`.
    pub(crate) fn count(&'a self, filter: &SessionFilter, up_to: usize) -> Looked<'a, usize> {
        match self.data.count(filter, up_to) {
            Some(Ok((count, origin))) => {
                self.touch(Touched::Other(*origin));
                Ok(Some(*count))
            }
            Some(Err(kind)) => Err(failure_of(*kind)),
            None => {
                let mut misses = self.misses.borrow_mut();
                within_lists(self.data.counts_len() + misses.counts.len())?;
                want(&mut misses.counts, (filter.clone(), up_to));
                Ok(None)
            }
        }
    }

    /// A page of a search.
    pub(crate) fn search(
        &'a self,
        request: &SearchRequest,
    ) -> Looked<'a, (&'a SearchPage, Origin)> {
        match self.data.search(request) {
            Some(Ok((page, origin))) => {
                self.touch(Touched::Other(*origin));
                Ok(Some((page, *origin)))
            }
            Some(Err(kind)) => Err(failure_of(*kind)),
            None => {
                let mut misses = self.misses.borrow_mut();
                within_lists(self.data.searches_len() + misses.searches.len())?;
                want(&mut misses.searches, request.clone());
                Ok(None)
            }
        }
    }

    /// A receipt of the account.
    pub(crate) fn erasure(&'a self, uid: &Uid) -> Looked<'a, &'a Erasure> {
        match self.data.erasure(uid) {
            Some(Known::Here(erasure)) => Ok(Some(erasure)),
            Some(Known::Missing) => Ok(None),
            Some(Known::Failed(kind)) => Err(failure_of(*kind)),
            None => {
                let mut misses = self.misses.borrow_mut();
                within_lists(self.data.erasures_len() + misses.erasures.len())?;
                want(&mut misses.erasures, uid.clone());
                Ok(None)
            }
        }
    }

    /// The turns of a session; none while they are being loaded.
    pub(super) fn graph(&'a self, session: &'a SessionData) -> &'a SessionGraph {
        match &session.graph {
            Turns::Here(graph) => graph,
            // Whoever shows turns has asked `SessionView::loaded` before.
            Turns::Failed(_) => &self.no_turns,
            Turns::Unknown => {
                let uid = session.row.uid.clone();
                self.misses.borrow_mut().graphs.insert(uid);
                &self.no_turns
            }
        }
    }

    /// Notes that content of a turn is wanted.
    pub(super) fn miss_body(&self, body: BodyKind, slot: usize, ix: usize) {
        // Not deduplicated here: a list of ten thousand would be searched ten thousand times. The
        // loader sorts and removes repeats.
        self.misses.borrow_mut().bodies.push((body, slot, ix));
    }

    /// The typed content of a step, where the plan reads it.
    pub(super) fn content(
        &'a self,
        slot: usize,
        ix: usize,
        at: usize,
    ) -> Option<&'a StepContent<'a>> {
        self.contents.get(&(slot, ix))?.get(at)
    }
}
