//! Sessions, from the first store that can vouch for them: cache, projections, record store.

pub(super) mod bodies;
mod cached;
mod content;
pub(super) mod flights;
mod listed;
mod record;
mod whole;

use std::collections::HashMap;
use std::sync::Arc;

use super::context::{Origin, ReadContext, Route};
use super::fill::{Gathered, What};
use super::watermark::{reaches, vouches};
use super::{ReadError, ReadErrorKind, Reads, Source};
use crate::domain::{Consistency, Revision, SessionGraph, SessionRow, Uid, Watermark};
use crate::stores::projection::ProjectedSession;

/// What is wanted of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Want {
    Row,
    Graph,
}

/// A session that was read.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) row: Arc<SessionRow>,
    /// Always there where it was wanted.
    pub(super) graph: Option<Arc<SessionGraph>>,
    pub(super) origin: Origin,
}

pub(super) type Answers = HashMap<Uid, Result<Loaded, ReadErrorKind>>;

/// Says in the log why a read failed, and what callers may know of it.
pub(super) fn logged(error: &ReadError) -> ReadErrorKind {
    tracing::error!(error = %error, kind = ?error.kind, "a read failed");
    error.kind
}

/// What a client is told when a copy could not be asked.
pub(super) fn missed(error: &ReadError) -> String {
    tracing::warn!(error = %error, kind = ?error.kind, "a store could not be read");
    let what = match error.kind {
        ReadErrorKind::Timeout => "did not answer in time",
        _ => "cannot be read",
    };
    format!("{} {what}", error.store.name())
}

impl Reads {
    /// The sessions of the context's account with these keys.
    pub(super) async fn load(&self, ctx: &ReadContext, uids: &[Uid], want: Want) -> Answers {
        let mut pass = Pass::new(self, ctx, want);
        pass.left = uids.to_vec();
        if ctx.consistency() == Consistency::Eventual && self.stores.has_copies() {
            pass.copies().await;
        }
        pass.record().await;
        // Said of sessions that the account has only: of others not even that may be known.
        let owned = |uid: &Uid| matches!(pass.answers.get(uid), Some(Ok(_)));
        if pass.held.iter().any(owned) {
            ctx.degraded("CQL has a session that waits for its repair");
        }
        super::guard::meter::answered(ctx, &pass.answers);
        pass.answers
    }

    /// A session's graph from the stores behind the cache, noted for the cache.
    pub(super) async fn load_past_cache(
        &self,
        ctx: &ReadContext,
        uid: &Uid,
    ) -> Option<Arc<SessionGraph>> {
        let mut pass = Pass::new(self, ctx, Want::Graph);
        pass.left.push(uid.clone());
        pass.ask_projection(&[]).await;
        pass.left.append(&mut pass.held);
        pass.record().await;
        pass.answers.remove(uid)?.ok()?.graph
    }

    /// The revisions that the projections have not reached as far as is known.
    pub(super) fn unreached(&self, ctx: &ReadContext) -> Vec<Revision> {
        behind(ctx, self.progress.known().as_deref())
    }

    /// The revisions that the cache has not said of itself to have reached: the projections may be
    /// ahead of a cache that the projector cannot tell of changes.
    pub(super) fn unreached_by_cache(&self, ctx: &ReadContext) -> Vec<Revision> {
        behind(ctx, self.progress.told_by_cache().as_deref())
    }

    /// Whether the projections reach these while the operation has patience.
    pub(super) async fn await_reached(&self, ctx: &ReadContext, revisions: &[Revision]) -> bool {
        let patience = ctx.take_patience();
        !patience.is_zero() && self.progress.wait(&self.stores, revisions, patience).await
    }
}

/// The revisions that a copy which has come so far has not reached.
fn behind(ctx: &ReadContext, come: Option<&Watermark>) -> Vec<Revision> {
    let asked = ctx.revisions().iter();
    let open = asked.filter(|revision| !reaches(come, revision));
    open.cloned().collect()
}

/// One look-up of sessions.
struct Pass<'a> {
    reads: &'a Reads,
    ctx: &'a ReadContext,
    want: Want,
    /// What is not answered yet.
    left: Vec<Uid>,
    /// What waits for a repair, so that no copy is asked for it.
    held: Vec<Uid>,
    answers: Answers,
}

impl<'a> Pass<'a> {
    fn new(reads: &'a Reads, ctx: &'a ReadContext, want: Want) -> Self {
        Self {
            reads,
            ctx,
            want,
            left: Vec::new(),
            held: Vec::new(),
            answers: HashMap::new(),
        }
    }
}

impl Pass<'_> {
    async fn copies(&mut self) {
        self.ask_cache().await;
        let unreached = self.reads.unreached(self.ctx);
        self.ask_projection(&unreached).await;
        let waits = !unreached.is_empty() && !self.left.is_empty();
        if waits && self.reads.await_reached(self.ctx, &unreached).await {
            self.ask_cache().await;
            self.ask_projection(&[]).await;
        }
        self.left.extend(self.held.iter().cloned());
    }

    /// Puts the sessions aside that wait for a repair. To be called after a watermark was looked
    /// at: with it came the sessions for which it does not hold.
    fn hold(&mut self) {
        let quarantined = self.reads.progress.quarantined();
        let (mut held, left) = std::mem::take(&mut self.left)
            .into_iter()
            .partition::<Vec<_>, _>(|uid| quarantined.contains(uid));
        self.held.append(&mut held);
        self.left = left;
    }

    async fn ask_projection(&mut self, unreached: &[Revision]) {
        let Some((projection, hop)) = &self.reads.stores.projection else {
            return;
        };
        if self.left.is_empty() {
            return;
        }
        // Asked before the rows are, so that they are at least as new as it says.
        let told = self.reads.progress.current(&self.reads.stores).await;
        self.hold();
        let (asked, others) = std::mem::take(&mut self.left)
            .into_iter()
            .partition::<Vec<_>, _>(|uid| self.reads.route.projects(uid));
        self.left = others;
        if asked.is_empty() {
            return;
        }
        let deadline = self.ctx.deadline();
        let found = match self.want {
            Want::Graph => hop.ask(deadline, projection.graphs(&asked)).await,
            Want::Row => hop
                .ask(deadline, projection.sessions(&asked))
                .await
                .map(|rows| rows.into_iter().map(without_turns).collect()),
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.ctx.degraded(missed(&error));
                self.left.extend(asked);
                return;
            }
        };
        let as_of = told.map(|watermark| watermark.as_of);
        let origin = Origin::new(Source::Cql, as_of, self.reads.clock.now());
        let mut found: HashMap<Uid, ProjectedSession> =
            found.into_iter().map(|s| (s.row.uid.clone(), s)).collect();
        for uid in asked {
            match found.remove(&uid) {
                Some(session) => self.projected(uid, session, (origin, unreached)),
                // That a copy has no such session is no proof that there is none.
                None => self.left.push(uid),
            }
        }
    }

    fn projected(
        &mut self,
        uid: Uid,
        session: ProjectedSession,
        (origin, unreached): (Origin, &[Revision]),
    ) {
        if session.row.account_uid != *self.ctx.account() {
            // It looks like a missing one, for which the record store is asked as well.
            self.left.push(uid);
            return;
        }
        if !session.complete {
            self.ctx.degraded("CQL has a session with gaps");
            self.left.push(uid);
            return;
        }
        let vouched = |r: &Revision| vouches(r, &session.row, &session.turns);
        if !unreached.iter().all(vouched) {
            self.left.push(uid);
            return;
        }
        if origin.as_of.is_none() {
            self.ctx
                .degraded("how far the projections have come is not known");
        }
        let root = session.row.active_root.clone();
        let graph =
            (self.want == Want::Graph).then(|| Arc::new(SessionGraph::build(session.turns, root)));
        let row = Arc::new(session.row);
        self.note(&uid, (&row, graph.as_ref()), origin);
        let loaded = Loaded { row, graph, origin };
        self.answers.insert(uid, Ok(loaded));
    }

    /// Notes the way a session took, and that the cache lacks it.
    fn note(
        &self,
        uid: &Uid,
        read: (&Arc<SessionRow>, Option<&Arc<SessionGraph>>),
        origin: Origin,
    ) {
        let (row, Some(graph)) = read else { return };
        let mut notes = self.ctx.notes();
        let route = match origin.source {
            Source::Cql => Route::Projection(origin),
            _ => Route::Record,
        };
        notes.routes.insert(uid.clone(), route);
        let Some(pending) = notes.fills.get_mut(uid) else {
            return;
        };
        // How old the copy would be must be known.
        let gathered = origin
            .as_of
            .and_then(|as_of| Gathered::fresh(row, graph, as_of));
        match gathered {
            Some(gathered) => pending.what = What::Read(gathered),
            None => {
                notes.fills.remove(uid);
            }
        }
    }
}

fn without_turns(row: SessionRow) -> ProjectedSession {
    ProjectedSession {
        row,
        turns: Vec::new(),
        complete: true,
    }
}
