//! The record store on the same data, for comparison.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::sample::Sample;
use super::{AppendCost, Layout, Operation, PAGE};
use crate::domain::{StepRow, Uid};
use crate::stores::cql::error::failure;
use crate::stores::record::{NewTurn, StoreResult};
use crate::stores::{RecordStore, SessionFilter, SessionListing, SessionOrder, StoreErrorKind};

/// Steps in one statement.
const PIECE: usize = 5_000;

pub(super) struct Record {
    store: Arc<dyn RecordStore>,
    calls: AtomicU64,
}

impl Record {
    pub(super) fn new(store: Arc<dyn RecordStore>) -> Self {
        Self {
            store,
            calls: AtomicU64::new(0),
        }
    }

    /// Counts statements: each call that follows is one.
    fn calls(&self, count: u64) {
        self.calls.fetch_add(count, Ordering::Relaxed);
    }

    /// Inserts a session with some of its turns and steps.
    async fn insert(
        &self,
        sample: &Sample,
        turns: &[NewTurn],
        steps: &[&(i32, StepRow)],
    ) -> StoreResult<()> {
        let mut transaction = self.store.begin().await?;
        if transaction.session_insert(&sample.session).await?.is_none() {
            let message = "the sample is there already; use another database";
            return Err(failure(StoreErrorKind::Conflict, "bench", message));
        }
        transaction.turns_insert(&sample.session.uid, turns).await?;
        for piece in steps.chunks(PIECE) {
            let rows: Vec<StepRow> = piece.iter().map(|(_, step)| step.clone()).collect();
            let seqs: Vec<i32> = piece.iter().map(|(seq, _)| *seq).collect();
            transaction
                .steps_insert(&sample.session.uid, &rows, &seqs)
                .await?;
        }
        transaction.commit().await.map(drop)
    }
}

#[async_trait]
impl Layout for Record {
    fn name(&self) -> &'static str {
        self.store.kind().name()
    }

    /// All but the last exchange, which [`Layout::append`] adds.
    async fn load(&self, sample: &Sample) -> StoreResult<()> {
        let (last, _) = sample.last_exchange();
        // A short conversation of the history is not appended to.
        let end = if sample.turns.len() > 2 {
            last[0].turn.seq
        } else {
            sample.session.next_seq
        };
        let turns = sample.turns.iter().filter(|new| new.turn.seq < end);
        let turns: Vec<NewTurn> = turns.cloned().collect();
        let steps: Vec<_> = sample.steps.iter().filter(|(seq, _)| *seq < end).collect();
        self.insert(sample, &turns, &steps).await
    }

    async fn append(&self, sample: &Sample) -> StoreResult<AppendCost> {
        let (turns, steps) = sample.last_exchange();
        let (session, now) = (&sample.session, sample.session.last_activity_at);
        let mut transaction = self.store.begin().await?;
        let lock = transaction.session_lock(&session.account_uid, &session.uid);
        lock.await?;
        transaction.turns_insert(&session.uid, turns).await?;
        let rows: Vec<StepRow> = steps.iter().map(|(_, step)| step.clone()).collect();
        let seqs: Vec<i32> = steps.iter().map(|(seq, _)| *seq).collect();
        transaction.steps_insert(&session.uid, &rows, &seqs).await?;
        let patch = crate::stores::record::SessionPatch {
            next_seq: Some(session.next_seq),
            last_activity_at: Some(now),
            ..Default::default()
        };
        transaction
            .session_update(&session.uid, &patch, now)
            .await?;
        transaction.commit().await?;
        Ok(AppendCost {
            rows: turns.len() + rows.len() + 1,
            // Begin, lock, human turn, agent turn, steps, session, commit.
            requests: 7,
            ..AppendCost::default()
        })
    }

    async fn read(&self, operation: Operation, sample: &Sample) -> StoreResult<usize> {
        let (account, uid) = (&sample.session.account_uid, &sample.session.uid);
        let uids = std::slice::from_ref(uid);
        match operation {
            Operation::Conversation => {
                self.calls(3);
                let turns: Vec<Uid> = sample
                    .turns
                    .iter()
                    .map(|new| new.turn.uid.clone())
                    .collect();
                let (graph, prompts, steps) = tokio::join!(
                    self.store.turns_by_session(account, uids),
                    self.store.prompts(&turns),
                    self.store.steps(&turns)
                );
                let whole = graph?.len() == sample.turns.len();
                Ok(if whole {
                    prompts?.len() + steps?.len()
                } else {
                    0
                })
            }
            Operation::History => {
                self.calls(1);
                let listing = SessionListing {
                    order: SessionOrder::CreatedDesc,
                    after: None,
                    before: None,
                    limit: PAGE,
                    filter: SessionFilter::default(),
                };
                Ok(self.store.sessions_page(account, &listing).await?.len())
            }
            Operation::Branches => {
                self.calls(1);
                let parent = &sample.branch().parent_uid;
                let turns = self.store.turns_by_session(account, uids).await?;
                let turns = turns.iter().filter(|t| t.turn.parent_uid == *parent);
                Ok(turns.count())
            }
            Operation::Steps => {
                self.calls(1);
                let turns = [sample.agent().uid.clone()];
                Ok(self.store.steps(&turns).await?.len())
            }
        }
    }

    async fn requests(&self) -> StoreResult<u64> {
        Ok(self.calls.load(Ordering::Relaxed))
    }
}
