//! The loader of one request: what a walk missed, in one batch a kind. Lists of keys go through
//! a `dataloader` a kind, which removes repeats and gives every key its answer.
//!
//! Deadlines are kept by the reads themselves: a loader whose leading future is dropped panics its
//! followers.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use dataloader::BatchFn;
use dataloader::non_cached::Loader as Batches;
use futures_util::future::join;

use crate::domain::Uid;
use crate::reads::{
    Answers, ReadContext, ReadError, ReadErrorKind, Reads, SessionFound, SessionWithGraph,
};

use super::super::misses::Misses;
use super::{Data, Known, LoadFailure};

/// Keys in one statement at most.
const KEYS_MAX: usize = 10_000;

type Answer<T> = Result<Option<T>, LoadFailure>;

/// One kind of batch.
struct Batch<F>(F);

impl<K, V, F, Fut> BatchFn<K, Answer<V>> for Batch<F>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + 'static,
    F: FnMut(Vec<K>) -> Fut + Send,
    Fut: Future<Output = HashMap<K, Result<V, LoadFailure>>> + Send,
{
    async fn load(&mut self, keys: &[K]) -> HashMap<K, Answer<V>> {
        let mut loaded = (self.0)(keys.to_vec()).await;
        // Every key gets an entry: a missing one would leave its waiter without an answer.
        let answer = |key: &K| (key.clone(), loaded.remove(key).transpose());
        keys.iter().map(answer).collect()
    }
}

/// Loads what walks miss, for one operation.
pub(crate) struct Loader {
    reads: Arc<Reads>,
    ctx: ReadContext,
}

/// What the log says of a list that could not be read.
fn failed(error: ReadError) -> ReadErrorKind {
    tracing::error!(error = %error, kind = ?error.kind, "a read failed");
    error.kind
}

impl Loader {
    pub(crate) fn new(reads: Arc<Reads>, ctx: ReadContext) -> Self {
        Self { reads, ctx }
    }

    /// Loads everything that `misses` names into `data`.
    pub(crate) async fn load(&self, misses: Misses, data: &mut Data) {
        self.load_turn_sessions(&misses, data).await;
        let (sessions, graphs) =
            join(self.sessions(&misses.sessions), self.graphs(&misses.graphs)).await;
        for (uid, answer) in sessions {
            match answer {
                Ok(Some(session)) => {
                    data.put_row(session.row, session.origin);
                }
                Ok(None) => data.put_missing(&[uid], None),
                Err(kind) => data.put_missing(&[uid], Some(kind)),
            }
        }
        for (uid, answer) in graphs {
            match answer {
                Ok(Some(session)) => data.put_graph(session),
                Ok(None) => data.put_gone(&uid),
                Err(kind) => data.put_failed(&uid, kind),
            }
        }
        self.load_lists(&misses, data).await;
        self.load_bodies(&misses, data).await;
        if misses.status {
            data.status = Some(self.reads.status().await);
        }
        let reasons = self.ctx.reasons();
        data.reason = (!reasons.is_empty()).then(|| reasons.join("; "));
    }

    async fn load_turn_sessions(&self, misses: &Misses, data: &mut Data) {
        let (reads, ctx) = (Arc::clone(&self.reads), self.ctx.clone());
        let read = move |turns: Vec<Uid>| {
            let (reads, ctx) = (Arc::clone(&reads), ctx.clone());
            async move {
                match reads.sessions_by_turn(&ctx, &turns).await {
                    Ok(found) => found.into_iter().map(|(t, s)| (t, Ok(s))).collect(),
                    Err(error) => {
                        let kind = failed(error);
                        turns.into_iter().map(|turn| (turn, Err(kind))).collect()
                    }
                }
            }
        };
        for (turn, answer) in run::<Uid, Uid, _, _>(&misses.turns, read).await {
            let known = match answer {
                Ok(Some(session)) => Known::Here(session),
                Ok(None) => Known::Missing,
                Err(kind) => Known::Failed(kind),
            };
            data.turns.insert(turn, known);
        }
    }

    async fn sessions(&self, uids: &HashSet<Uid>) -> HashMap<Uid, Answer<SessionFound>> {
        let (reads, ctx) = (Arc::clone(&self.reads), self.ctx.clone());
        let read = move |uids: Vec<Uid>| {
            let (reads, ctx) = (Arc::clone(&reads), ctx.clone());
            async move { reads.sessions(&ctx, &uids).await }
        };
        run::<Uid, SessionFound, _, _>(uids, read).await
    }

    async fn graphs(&self, uids: &HashSet<Uid>) -> HashMap<Uid, Answer<SessionWithGraph>> {
        let (reads, ctx) = (Arc::clone(&self.reads), self.ctx.clone());
        let read = move |uids: Vec<Uid>| {
            let (reads, ctx) = (Arc::clone(&reads), ctx.clone());
            async move { reads.graphs(&ctx, &uids).await as Answers<SessionWithGraph> }
        };
        run(uids, read).await
    }

    /// Lists are few and differ in more than keys, so each is its own statement.
    async fn load_lists(&self, misses: &Misses, data: &mut Data) {
        for request in &misses.listings {
            let page = self.reads.listing(&self.ctx, request).await.map_err(failed);
            if let Ok(page) = &page {
                for (row, _) in &page.sessions {
                    data.put_row(Arc::new(row.clone()), page.origin);
                }
            }
            data.listings.push((request.clone(), page));
        }
        for (filter, up_to) in &misses.counts {
            let count = self.reads.count(&self.ctx, filter, *up_to).await;
            data.counts
                .push((filter.clone(), *up_to, count.map_err(failed)));
        }
        for request in &misses.searches {
            let page = self.reads.search(&self.ctx, request).await;
            data.searches.push((request.clone(), page.map_err(failed)));
        }
        for uid in &misses.erasures {
            let read = self.reads.erasure(&self.ctx, uid).await;
            let known = match read.map_err(failed) {
                Ok(Some(erasure)) => Known::Here(erasure),
                Ok(None) => Known::Missing,
                Err(kind) => Known::Failed(kind),
            };
            data.erasures.insert(uid.clone(), known);
        }
    }

    async fn load_bodies(&self, misses: &Misses, data: &mut Data) {
        let (places, wants) = data.mark_bodies(misses);
        if wants.is_empty() {
            return;
        }
        let answers = self.reads.bodies(&self.ctx, &wants).await;
        for ((place, want), answer) in places.into_iter().zip(wants).zip(answers) {
            data.put_body(place, want.kind, answer);
        }
    }
}

/// Loads all `keys` through one loader.
async fn run<'k, K, V, F, Fut>(
    keys: impl IntoIterator<Item = &'k K>,
    read: F,
) -> HashMap<K, Answer<V>>
where
    K: Eq + Hash + Clone + std::fmt::Debug + Send + Sync + 'static,
    V: Clone + Send + 'static,
    F: FnMut(Vec<K>) -> Fut + Send + 'static,
    Fut: Future<Output = HashMap<K, Result<V, LoadFailure>>> + Send,
{
    let keys: Vec<K> = keys.into_iter().cloned().collect();
    if keys.is_empty() {
        return HashMap::new();
    }
    let loader = Batches::new(Batch(read))
        .with_yield_count(1)
        .with_max_batch_size(KEYS_MAX);
    let loaded = loader.try_load_many(keys.clone()).await;
    loaded.unwrap_or_else(|error| {
        tracing::error!(error = %error, "a loader gave no answer");
        keys.iter()
            .map(|key| (key.clone(), Err(ReadErrorKind::Bug)))
            .collect()
    })
}
