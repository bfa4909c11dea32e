//! The loaders of one request: one `dataloader` per kind, which cuts long key lists into
//! statements of bounded size and runs each with a deadline.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use dataloader::BatchFn;
use dataloader::non_cached::Loader as Batches;
use futures_util::future::{join, join3};

use crate::domain::step::StepHead;
use crate::domain::{SessionRow, StepRow, Uid};
use crate::reads::{ReadErrorKind, ReadResult, Reads, SessionWithGraph};

use super::super::misses::{Body, Misses};
use super::super::session::SessionData;
use super::{Data, Known, LoadFailure};

/// Keys in one statement at most.
const KEYS_MAX: usize = 10_000;
/// A statement that takes longer is given up; kept inside the batch function, because a loader
/// whose leading future is dropped panics its followers.
const DEADLINE: Duration = Duration::from_secs(10);

type Answer<T> = Result<Option<T>, LoadFailure>;

/// One kind of batch: which read, and how its rows belong to the keys.
struct Batch<F>(F);

impl<K, V, F, Fut> BatchFn<K, Answer<V>> for Batch<F>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + 'static,
    F: FnMut(Vec<K>) -> Fut + Send,
    Fut: Future<Output = ReadResult<HashMap<K, V>>> + Send,
{
    async fn load(&mut self, keys: &[K]) -> HashMap<K, Answer<V>> {
        let loaded = match tokio::time::timeout(DEADLINE, (self.0)(keys.to_vec())).await {
            Ok(Ok(loaded)) => Ok(loaded),
            Ok(Err(error)) => {
                tracing::error!(error = %error, kind = ?error.kind, "a read failed");
                Err(error.kind)
            }
            Err(_) => {
                tracing::error!(deadline_ms = DEADLINE.as_millis(), "a read timed out");
                Err(ReadErrorKind::Timeout)
            }
        };
        // Every key gets an entry: a missing one would leave its waiter without an answer.
        match loaded {
            Ok(mut loaded) => keys
                .iter()
                .map(|k| (k.clone(), Ok(loaded.remove(k))))
                .collect(),
            Err(kind) => keys.iter().map(|k| (k.clone(), Err(kind))).collect(),
        }
    }
}

/// Loads what walks miss, for one account.
pub(crate) struct Loader {
    reads: Arc<Reads>,
    account: Uid,
}

impl Loader {
    pub(crate) fn new(reads: Arc<Reads>, account: Uid) -> Self {
        Self { reads, account }
    }

    /// Loads everything that `misses` names into `data`.
    pub(crate) async fn load(&self, misses: Misses, data: &mut Data) {
        self.load_turn_sessions(&misses, data).await;
        let (sessions, graphs) =
            join(self.sessions(&misses.sessions), self.graphs(&misses.graphs)).await;
        for (uid, answer) in sessions {
            match answer {
                Ok(Some(row)) => {
                    data.put_row(row);
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
    }

    async fn load_turn_sessions(&self, misses: &Misses, data: &mut Data) {
        let reads = Arc::clone(&self.reads);
        let account = self.account.clone();
        let read = move |turns: Vec<Uid>| {
            let (reads, account) = (Arc::clone(&reads), account.clone());
            async move {
                Ok(reads
                    .sessions_by_turn(&account, &turns)
                    .await?
                    .into_iter()
                    .collect())
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

    async fn sessions(&self, uids: &HashSet<Uid>) -> HashMap<Uid, Answer<Arc<SessionRow>>> {
        let (reads, account) = (Arc::clone(&self.reads), self.account.clone());
        let read = move |uids: Vec<Uid>| {
            let (reads, account) = (Arc::clone(&reads), account.clone());
            async move {
                let rows = reads.sessions(&account, &uids).await?;
                Ok(rows
                    .into_iter()
                    .map(|row| (row.uid.clone(), Arc::new(row)))
                    .collect())
            }
        };
        run(uids, read).await
    }

    async fn graphs(&self, uids: &HashSet<Uid>) -> HashMap<Uid, Answer<SessionWithGraph>> {
        let (reads, account) = (Arc::clone(&self.reads), self.account.clone());
        let read = move |uids: Vec<Uid>| {
            let (reads, account) = (Arc::clone(&reads), account.clone());
            async move {
                let sessions = reads.graphs(&account, &uids).await?;
                Ok(sessions
                    .into_iter()
                    .map(|s| (s.row.uid.clone(), s))
                    .collect())
            }
        };
        run(uids, read).await
    }

    /// Lists are few and differ in more than keys, so each is its own statement.
    async fn load_lists(&self, misses: &Misses, data: &mut Data) {
        let fail = |error: crate::reads::ReadError| {
            tracing::error!(error = %error, kind = ?error.kind, "a read failed");
            error.kind
        };
        for request in &misses.listings {
            let page = self
                .reads
                .listing(&self.account, request)
                .await
                .map_err(fail);
            if let Ok(page) = &page {
                for (row, _) in &page.sessions {
                    data.put_row(Arc::new(row.clone()));
                }
            }
            data.listings.push((request.clone(), page));
        }
        for (filter, up_to) in &misses.counts {
            let count = self
                .reads
                .count(&self.account, filter, *up_to)
                .await
                .map_err(fail);
            data.counts.push((filter.clone(), *up_to, count));
        }
        for request in &misses.searches {
            let page = self
                .reads
                .search(&self.account, request)
                .await
                .map_err(fail);
            data.searches.push((request.clone(), page));
        }
    }

    async fn load_bodies(&self, misses: &Misses, data: &mut Data) {
        let [prompts_at, steps_at, heads_at] = Body::ALL.map(|body| data.mark_bodies(misses, body));
        let (prompts, steps, heads) = join3(
            self.prompts(&prompts_at),
            self.steps(&steps_at),
            self.heads(&heads_at),
        )
        .await;
        for (turn, answer) in prompts {
            data.put_body(
                Body::Prompts,
                prompts_at[&turn],
                answer,
                SessionData::put_prompt,
            );
        }
        for (turn, answer) in steps {
            data.put_body(Body::Steps, steps_at[&turn], answer, SessionData::put_steps);
        }
        for (turn, answer) in heads {
            data.put_body(Body::Heads, heads_at[&turn], answer, SessionData::put_heads);
        }
    }

    async fn prompts(&self, places: &Places) -> HashMap<Uid, Answer<String>> {
        let reads = Arc::clone(&self.reads);
        let read = move |turns: Vec<Uid>| {
            let reads = Arc::clone(&reads);
            async move { Ok(reads.prompts(&turns).await?.into_iter().collect()) }
        };
        run(places.keys(), read).await
    }

    async fn steps(&self, places: &Places) -> HashMap<Uid, Answer<Vec<StepRow>>> {
        let reads = Arc::clone(&self.reads);
        let read = move |turns: Vec<Uid>| {
            let reads = Arc::clone(&reads);
            async move { Ok(grouped(reads.steps(&turns).await?, |s| s.turn_uid.clone())) }
        };
        run(places.keys(), read).await
    }

    async fn heads(&self, places: &Places) -> HashMap<Uid, Answer<Vec<StepHead>>> {
        let reads = Arc::clone(&self.reads);
        let read = move |turns: Vec<Uid>| {
            let reads = Arc::clone(&reads);
            async move {
                Ok(grouped(reads.step_heads(&turns).await?, |s| {
                    s.turn_uid.clone()
                }))
            }
        };
        run(places.keys(), read).await
    }
}

/// Session slot and turn index by turn key.
type Places = HashMap<Uid, (usize, usize)>;

fn grouped<T>(rows: Vec<T>, turn: impl Fn(&T) -> Uid) -> HashMap<Uid, Vec<T>> {
    let mut by_turn: HashMap<Uid, Vec<T>> = HashMap::new();
    for row in rows {
        by_turn.entry(turn(&row)).or_default().push(row);
    }
    by_turn
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
    Fut: Future<Output = ReadResult<HashMap<K, V>>> + Send,
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
