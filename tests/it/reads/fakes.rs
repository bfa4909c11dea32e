//! Copies in memory: they note what they are asked, and fail or hang when a test says so.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use turngraph::domain::{SessionRow, Timestamp, Uid, Watermark};
use turngraph::stores::cache::{Cached, Generation, HotSession};
use turngraph::stores::projection::{
    BodyPart, ListedSession, ProjectedBodies, ProjectedSession, Write,
};
use turngraph::stores::record::StoreResult;
use turngraph::stores::{ProjectionStore, SessionCache, StoreError, StoreErrorKind, StoreKind};

/// How a copy behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mood {
    #[default]
    Up,
    Down,
    /// Takes calls and never answers.
    BlackHole,
}

#[derive(Default)]
struct Watch {
    mood: Mutex<Mood>,
    /// How often it was asked how far it has come.
    polls: AtomicUsize,
    calls: Mutex<Vec<String>>,
}

impl Watch {
    async fn call(&self, kind: StoreKind, call: String) -> StoreResult<()> {
        self.calls.lock().unwrap().push(call);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Up => Ok(()),
            Mood::BlackHole => std::future::pending().await,
            Mood::Down => Err(StoreError {
                kind: StoreErrorKind::Unavailable,
                store: kind,
                action: "fake",
                message: "secret address refused".into(),
                source: None,
            }),
        }
    }
}

fn joined<'a>(uids: impl IntoIterator<Item = &'a Uid>) -> String {
    let mut all: Vec<&str> = uids.into_iter().map(Uid::as_str).collect();
    all.sort_unstable();
    all.join(" ")
}

/// Projections.
#[derive(Default)]
pub(super) struct FakeProjection {
    watch: Watch,
    pub(super) sessions: Mutex<HashMap<Uid, ProjectedSession>>,
    pub(super) bodies: Mutex<HashMap<(Uid, i32), ProjectedBodies>>,
    /// Account and row, newest first.
    pub(super) listed: Mutex<Vec<(Uid, ListedSession)>>,
    pub(super) marks: Mutex<HashSet<Uid>>,
    pub(super) watermark: Mutex<Option<Watermark>>,
}

impl FakeProjection {
    pub(super) fn be(&self, mood: Mood) {
        *self.watch.mood.lock().unwrap() = mood;
    }

    /// What it was asked since this was last asked, polls of the watermark left out.
    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.watch.calls.lock().unwrap())
    }

    pub(super) fn calls_so_far(&self) -> usize {
        self.watch.calls.lock().unwrap().len()
    }

    async fn call(&self, call: String) -> StoreResult<()> {
        self.watch.call(StoreKind::Cql, call).await
    }
}

#[async_trait]
impl ProjectionStore for FakeProjection {
    async fn apply(&self, _: &[Write]) -> StoreResult<()> {
        unreachable!("the router writes nothing")
    }

    async fn sessions(&self, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        self.call(format!("sessions {}", joined(uids))).await?;
        let all = self.sessions.lock().unwrap();
        let found = uids.iter().filter_map(|uid| all.get(uid));
        Ok(found.map(|session| session.row.clone()).collect())
    }

    async fn graphs(&self, uids: &[Uid]) -> StoreResult<Vec<ProjectedSession>> {
        self.call(format!("graphs {}", joined(uids))).await?;
        let all = self.sessions.lock().unwrap();
        Ok(uids
            .iter()
            .filter_map(|uid| all.get(uid))
            .cloned()
            .collect())
    }

    async fn bodies(
        &self,
        session_uid: &Uid,
        seqs: &[i32],
        part: BodyPart,
    ) -> StoreResult<Vec<(i32, ProjectedBodies)>> {
        self.call(format!("bodies {session_uid} {seqs:?} {part:?}"))
            .await?;
        let all = self.bodies.lock().unwrap();
        let of = |seq: &i32| Some((*seq, all.get(&(session_uid.clone(), *seq))?.clone()));
        Ok(seqs.iter().filter_map(of).collect())
    }

    async fn listing(
        &self,
        account: &Uid,
        after: Option<&(Timestamp, Uid)>,
        limit: usize,
    ) -> StoreResult<Vec<ListedSession>> {
        self.call(format!("listing {account}")).await?;
        let all = self.listed.lock().unwrap();
        let rows = all.iter().filter(|(of, row)| {
            of == account
                && after.is_none_or(|(at, uid)| (row.created_at, &row.session_uid) < (*at, uid))
        });
        Ok(rows.map(|(_, row)| row.clone()).take(limit).collect())
    }

    async fn watermark(&self) -> StoreResult<Option<Watermark>> {
        self.watch.call(StoreKind::Cql, String::new()).await?;
        self.watch.calls.lock().unwrap().pop();
        Ok(self.watermark.lock().unwrap().clone())
    }

    async fn set_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        *self.watermark.lock().unwrap() = Some(watermark.clone());
        Ok(())
    }

    async fn quarantined(&self) -> StoreResult<Vec<Uid>> {
        self.watch.call(StoreKind::Cql, String::new()).await?;
        self.watch.calls.lock().unwrap().pop();
        Ok(self.marks.lock().unwrap().iter().cloned().collect())
    }

    async fn set_quarantined(&self, _: &Uid, _: bool) -> StoreResult<()> {
        unreachable!("the router marks nothing")
    }

    async fn health(&self) -> StoreResult<String> {
        self.call("health".into()).await.map(|()| "Fake 1".into())
    }

    async fn close(&self) {}
}

/// A cache.
#[derive(Default)]
pub(super) struct FakeCache {
    watch: Watch,
    entries: Mutex<HashMap<Uid, Entry>>,
    pub(super) watermark: Mutex<Option<Watermark>>,
}

#[derive(Default)]
struct Entry {
    generation: u64,
    filled: Option<Option<Arc<HotSession>>>,
}

impl FakeCache {
    pub(super) fn be(&self, mood: Mood) {
        *self.watch.mood.lock().unwrap() = mood;
    }

    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.watch.calls.lock().unwrap())
    }

    pub(super) fn calls_so_far(&self) -> usize {
        self.watch.calls.lock().unwrap().len()
    }

    /// How often it was asked how far it has come.
    pub(super) fn polls(&self) -> usize {
        self.watch.polls.load(Ordering::Relaxed)
    }

    /// What is there: none where nothing is.
    pub(super) fn entry(&self, uid: &Uid) -> Option<Option<Arc<HotSession>>> {
        self.entries.lock().unwrap().get(uid)?.filled.clone()
    }

    /// Waits until a fill has been tried for this session.
    pub(super) async fn filled(&self, uid: &Uid) {
        let wanted = format!("fill {uid}");
        while !self.watch.calls.lock().unwrap().contains(&wanted) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

#[async_trait]
impl SessionCache for FakeCache {
    async fn get(&self, uids: &[Uid]) -> StoreResult<Vec<Cached>> {
        let call = format!("get {}", joined(uids));
        self.watch.call(StoreKind::Redis, call).await?;
        let mut all = self.entries.lock().unwrap();
        let mut of = |uid: &Uid| {
            let entry = all.entry(uid.clone()).or_default();
            let generation = Generation(entry.generation);
            match &entry.filled {
                Some(Some(hot)) => Cached::Hit(Arc::clone(hot), generation),
                Some(None) => Cached::Absent,
                None => Cached::Miss(generation),
            }
        };
        Ok(uids.iter().map(&mut of).collect())
    }

    async fn clear(&self) -> StoreResult<()> {
        for entry in self.entries.lock().unwrap().values_mut() {
            entry.generation += 1;
            entry.filled = None;
        }
        self.watch.call(StoreKind::Redis, "clear".to_owned()).await
    }

    async fn fill(
        &self,
        uid: &Uid,
        generation: Generation,
        session: Option<Arc<HotSession>>,
    ) -> StoreResult<bool> {
        let taken = {
            let mut all = self.entries.lock().unwrap();
            let entry = all.entry(uid.clone()).or_default();
            let same = entry.generation == generation.0;
            if same {
                entry.filled = Some(session);
            }
            same
        };
        self.watch
            .call(StoreKind::Redis, format!("fill {uid}"))
            .await?;
        Ok(taken)
    }

    async fn invalidate(&self, uids: &[Uid]) -> StoreResult<()> {
        let mut all = self.entries.lock().unwrap();
        for uid in uids {
            let entry = all.entry(uid.clone()).or_default();
            entry.generation += 1;
            entry.filled = None;
        }
        Ok(())
    }

    async fn set_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        *self.watermark.lock().unwrap() = Some(watermark.clone());
        Ok(())
    }

    async fn watermark(&self) -> StoreResult<Option<Watermark>> {
        self.watch.polls.fetch_add(1, Ordering::Relaxed);
        self.watch.call(StoreKind::Redis, String::new()).await?;
        self.watch.calls.lock().unwrap().pop();
        Ok(self.watermark.lock().unwrap().clone())
    }

    async fn health(&self) -> StoreResult<String> {
        let call = self.watch.call(StoreKind::Redis, "health".into()).await;
        call.map(|()| "Fake 1".into())
    }

    async fn close(&self) {}
}
