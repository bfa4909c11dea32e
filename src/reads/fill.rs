//! What an operation has read and the cache lacked, entered after the answer: nobody waits for
//! it, and the generation that the look-up told refuses it where something changed meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::ReadContext;
use super::{Body, Reads};
use crate::domain::graph::Damage;
use crate::domain::{SessionGraph, SessionRow, StepRow, Timestamp, Uid};
use crate::stores::cache::{Generation, HotBodies, HotSession};

/// One session to be entered.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) generation: Generation,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// The look-up missed; nothing is known yet.
    Missed,
    /// The record store has no such session for this account.
    NotFound,
    /// What was read.
    Read(Gathered),
}

#[derive(Debug)]
pub(super) struct Gathered {
    row: Arc<SessionRow>,
    turns: Turns,
    bodies: BTreeMap<i32, HotBodies>,
    /// The oldest of its parts.
    as_of: Timestamp,
    /// Whether there is anything that the cache does not have.
    news: bool,
    bytes: usize,
}

#[derive(Debug)]
enum Turns {
    Graph(Arc<SessionGraph>),
    Hot(Arc<HotSession>),
}

impl Gathered {
    /// A session that was read elsewhere; none when a copy of it would not be the same.
    pub(super) fn fresh(
        row: &Arc<SessionRow>,
        graph: &Arc<SessionGraph>,
        as_of: Timestamp,
    ) -> Option<Self> {
        // The graph leaves out all but one turn of the same key, and the copy would have no damage.
        let same = |damage: &Damage| matches!(damage, Damage::Duplicate { .. });
        (!graph.damage().iter().any(same)).then(|| Self {
            row: Arc::clone(row),
            turns: Turns::Graph(Arc::clone(graph)),
            bodies: BTreeMap::new(),
            as_of,
            news: true,
            bytes: 0,
        })
    }

    /// A session that the cache has, perhaps without all bodies.
    pub(super) fn hot(hot: &Arc<HotSession>, as_of: Timestamp) -> Self {
        Self {
            row: Arc::new(hot.row.clone()),
            turns: Turns::Hot(Arc::clone(hot)),
            bodies: BTreeMap::new(),
            as_of,
            news: false,
            bytes: hot.bodies.values().map(size).sum(),
        }
    }

    /// Adds what was read of one turn, as far as it fits.
    pub(super) fn add(&mut self, seq: i32, body: &Body, as_of: Timestamp, bytes_max: usize) {
        let body = match body {
            Body::Prompt(prompt) => HotBodies::Prompt(prompt.clone()),
            Body::Steps(steps) => HotBodies::Steps(steps.clone()),
            Body::Heads(_) => return,
        };
        let bytes = self.bytes + size(&body);
        if bytes <= bytes_max && self.bodies.insert(seq, body).is_none() {
            self.bytes = bytes;
            self.news = true;
            self.as_of = self.as_of.min(as_of);
        }
    }

    fn into_entry(self) -> HotSession {
        let (turns, mut bodies) = match &self.turns {
            Turns::Graph(graph) => (graph.turns().to_vec(), BTreeMap::new()),
            Turns::Hot(hot) => (hot.turns.clone(), hot.bodies.clone()),
        };
        bodies.extend(self.bodies);
        HotSession {
            row: SessionRow::clone(&self.row),
            turns,
            bodies,
            as_of: self.as_of,
        }
    }
}

fn size(body: &HotBodies) -> usize {
    match body {
        HotBodies::Prompt(prompt) => prompt.len(),
        HotBodies::Steps(steps) => steps.iter().map(|step: &StepRow| step.content.len()).sum(),
    }
}

impl Reads {
    /// Ends an operation: what it read is entered into the cache, what it was shown past its age is
    /// read anew, and a sample of it compared with the record store; nothing of it is waited for.
    pub fn finish(self: &Arc<Self>, ctx: &ReadContext) {
        let fills = std::mem::take(&mut ctx.notes().fills);
        let stale = std::mem::take(&mut ctx.notes().stale);
        let sampled = self.sample(ctx);
        if fills.is_empty() && stale.is_empty() && sampled.is_empty() {
            return;
        }
        let (reads, account) = (Arc::clone(self), ctx.account().clone());
        tokio::spawn(async move {
            reads.fill(fills.into_iter().collect()).await;
            for entry in stale {
                reads.renew(&account, entry).await;
            }
            for (uid, origin) in sampled {
                reads.compare(&account, &uid, origin).await;
            }
        });
    }

    pub(super) async fn fill(&self, fills: Vec<(Uid, Pending)>) {
        let Some((cache, hop)) = &self.stores.cache else {
            return;
        };
        let absent = self.absent(&fills).await;
        for (uid, pending) in fills {
            let session = match pending.what {
                What::Read(read) if read.news => Some(Arc::new(read.into_entry())),
                What::NotFound if absent.contains(&uid) => None,
                _ => continue,
            };
            let deadline = tokio::time::Instant::now() + super::context::DEADLINE;
            let fill = cache.fill(&uid, pending.generation, session);
            let filled = hop.ask(deadline, fill).await;
            super::guard::meter::filled(filled.as_ref().ok().copied());
            if let Err(error) = filled {
                tracing::debug!(error = %error, "a session could not be entered into the cache");
            }
        }
    }

    /// Of the sessions that were not found for the asking account, those that no account has: only
    /// of these may the cache say to everybody that they do not exist.
    async fn absent(&self, fills: &[(Uid, Pending)]) -> Vec<Uid> {
        let missing = fills
            .iter()
            .filter(|(_, pending)| matches!(pending.what, What::NotFound));
        let missing: Vec<Uid> = missing.map(|(uid, _)| uid.clone()).collect();
        let (false, Some(all)) = (missing.is_empty(), &self.stores.all_accounts) else {
            return Vec::new();
        };
        let Ok(rows) = all.session_rows(&missing).await else {
            return Vec::new();
        };
        let exists = |uid: &Uid| rows.iter().any(|row| row.uid == *uid);
        missing.into_iter().filter(|uid| !exists(uid)).collect()
    }
}
