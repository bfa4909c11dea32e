//! Sessions from the cache: one round trip, and what it lacks is noted for a fill.

use std::sync::Arc;

use super::{Loaded, Pass, Want, missed};
use crate::domain::{Revision, SessionGraph, Uid};
use crate::reads::context::{Origin, Route};
use crate::reads::fill::{Gathered, Pending, What};
use crate::reads::watermark::vouches;
use crate::stores::cache::{Cached, Generation, HotSession};

impl Pass<'_> {
    pub(super) async fn ask_cache(&mut self, unreached: &[Revision]) {
        let Some((cache, hop)) = &self.reads.stores.cache else {
            return;
        };
        let asked = std::mem::take(&mut self.left);
        let asked: Vec<Uid> = asked
            .into_iter()
            .filter(|uid| !self.already_hot(uid, unreached))
            .collect();
        if asked.is_empty() {
            return;
        }
        // Asked before the entries are: what was invalidated up to here is in none of them.
        let told = self.reads.progress.told_by_cache();
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
                Cached::Hit(hot, generation) => {
                    hits += 1;
                    let as_of = told.as_ref().map_or(hot.as_of, |w| hot.as_of.max(w.as_of));
                    let now = self.reads.clock.now();
                    let origin = Origin::new(self.reads.stores.cache_kind, Some(as_of), now);
                    self.hit(uid, hot, generation, (origin, unreached));
                }
                // What is to be seen at least may be the very creation of it.
                Cached::Absent if unreached.is_empty() => {}
                Cached::Absent => self.left.push(uid),
                Cached::Miss(generation) => {
                    let what = What::Missed;
                    let pending = Pending { generation, what };
                    self.ctx.notes().fills.insert(uid.clone(), pending);
                    self.left.push(uid);
                }
            }
        }
        self.ctx.count_cache(hits, all - hits);
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
