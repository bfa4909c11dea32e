//! Sessions from the cache: one round trip, and what it lacks is noted for a fill.

use std::sync::Arc;

use super::{Loaded, Pass, Want, missed};
use crate::domain::{Revision, SessionGraph, Timestamp, Uid};
use crate::reads::context::{Origin, Route};
use crate::reads::fill::{Gathered, Pending, What};
use crate::reads::renew::Age;
use crate::reads::watermark::vouches;
use crate::stores::cache::{Cached, Generation, HotSession};

impl Pass<'_> {
    pub(super) async fn ask_cache(&mut self) {
        let Some((cache, hop)) = &self.reads.stores.cache else {
            return;
        };
        // Asked before the entries are: what was invalidated up to here is in none of them.
        let told = self.reads.progress.told_by_cache();
        let unreached = &self.reads.unreached_by_cache(self.ctx)[..];
        self.hold();
        let asked = std::mem::take(&mut self.left);
        let asked: Vec<Uid> = asked
            .into_iter()
            .filter(|uid| !self.already_hot(uid, unreached))
            .collect();
        if asked.is_empty() {
            return;
        }
        let found = match hop.ask(self.ctx.deadline(), cache.get(&asked)).await {
            Ok(found) => found,
            Err(error) => {
                self.ctx.degraded(missed(&error));
                self.left = asked;
                return;
            }
        };
        let mut hits = 0;
        let all = found.len();
        for (uid, cached) in asked.into_iter().zip(found) {
            match cached {
                // A foreign session looks like a missing one, so the record store is asked for both.
                Cached::Hit(hot, _) if hot.row.account_uid != *self.ctx.account() => {
                    self.left.push(uid);
                }
                Cached::Hit(hot, generation) => match self.reads.age_of(&hot) {
                    Age::Young => {
                        hits += 1;
                        let as_of = told.as_ref().map_or(hot.as_of, |w| hot.as_of.max(w.as_of));
                        let origin = self.cache_origin(as_of);
                        self.hit(uid, hot, generation, (origin, unreached));
                    }
                    Age::Stale if self.ctx.revisions().is_empty() => {
                        hits += 1;
                        self.ctx.count_stale();
                        self.hit_stale(uid, hot, generation);
                    }
                    Age::Stale | Age::Old => self.miss(uid, generation),
                },
                // What is to be seen at least may be the very creation of it.
                Cached::Absent if unreached.is_empty() => {}
                Cached::Absent => self.left.push(uid),
                Cached::Miss(generation) => self.miss(uid, generation),
            }
        }
        self.ctx.count_cache(hits, all - hits);
    }

    fn cache_origin(&self, as_of: Timestamp) -> Origin {
        let now = self.reads.clock.now();
        Origin::new(self.reads.stores.cache_kind, Some(as_of), now)
    }

    fn miss(&mut self, uid: Uid, generation: Generation) {
        let what = What::Missed;
        let pending = Pending { generation, what };
        self.ctx.notes().fills.insert(uid.clone(), pending);
        self.left.push(uid);
    }

    /// Shows an entry past its age; whoever is first reads it anew afterwards. What the projector
    /// says of the cache does not make it younger: its age is there for when that is wrong.
    fn hit_stale(&mut self, uid: Uid, hot: Arc<HotSession>, generation: Generation) {
        let origin = Origin {
            stale: true,
            ..self.cache_origin(hot.as_of)
        };
        self.answer_hot(&uid, &hot, origin);
        let renewal = self.reads.renewals.begin(&uid);
        let mut notes = self.ctx.notes();
        let renewal = renewal.map(|renewal| renewal.of(&hot, generation));
        notes.stale.extend(renewal);
        notes.routes.insert(uid, Route::Hot(hot, origin));
    }

    /// Answers from what this operation has found in the cache before.
    fn already_hot(&mut self, uid: &Uid, unreached: &[Revision]) -> bool {
        let route = self.ctx.notes().routes.get(uid).cloned();
        let Some(Route::Hot(hot, origin)) = route else {
            return false;
        };
        let vouched = unreached.iter().all(|r| vouches(r, &hot.row, &hot.turns));
        if vouched {
            self.answer_hot(uid, &hot, origin);
        }
        vouched
    }

    fn hit(
        &mut self,
        uid: Uid,
        hot: Arc<HotSession>,
        generation: Generation,
        (origin, unreached): (Origin, &[Revision]),
    ) {
        if !unreached.iter().all(|r| vouches(r, &hot.row, &hot.turns)) {
            self.left.push(uid);
            return;
        }
        self.answer_hot(&uid, &hot, origin);
        let gathered = Gathered::hot(&hot, hot.as_of);
        let mut notes = self.ctx.notes();
        let what = What::Read(gathered);
        notes
            .fills
            .insert(uid.clone(), Pending { generation, what });
        notes.routes.insert(uid, Route::Hot(hot, origin));
    }

    fn answer_hot(&mut self, uid: &Uid, hot: &Arc<HotSession>, origin: Origin) {
        let graph = (self.want == Want::Graph).then(|| {
            let root = hot.row.active_root.clone();
            Arc::new(SessionGraph::build(hot.turns.clone(), root))
        });
        let row = Arc::new(hot.row.clone());
        let loaded = Loaded { row, graph, origin };
        self.answers.insert(uid.clone(), Ok(loaded));
    }
}
