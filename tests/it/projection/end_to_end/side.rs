//! One of several feeds out of one record: a worker on it has its own lease and its own notes of
//! progress, as if it were alone with the record.

use std::sync::Arc;

use async_trait::async_trait;
use turngraph::domain::change::Purge;
use turngraph::domain::{Position, SessionRow, Uid};
use turngraph::stores::ProjectionSource;
use turngraph::stores::record::StoreResult;
use turngraph::stores::source::{DeadLetter, Lease, SourceTurn, TurnAddress};

/// The record as one worker sees it.
pub(super) struct Side {
    pub(super) name: &'static str,
    pub(super) record: Arc<dyn ProjectionSource>,
}

impl Side {
    fn named(&self, what: &str) -> String {
        format!("{}:{what}", self.name)
    }
}

#[async_trait]
impl ProjectionSource for Side {
    async fn progress(&self, job: &str) -> StoreResult<Option<String>> {
        self.record.progress(&self.named(job)).await
    }

    async fn set_progress(&self, job: &str, progress: Option<&str>) -> StoreResult<()> {
        self.record.set_progress(&self.named(job), progress).await
    }

    async fn lease(&self, role: &str) -> StoreResult<Option<Box<dyn Lease>>> {
        self.record.lease(&self.named(role)).await
    }

    async fn position(&self) -> StoreResult<Position> {
        self.record.position().await
    }

    async fn addresses(&self, turn_uids: &[Uid]) -> StoreResult<Vec<TurnAddress>> {
        self.record.addresses(turn_uids).await
    }

    async fn session_rows(&self, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        self.record.session_rows(uids).await
    }

    async fn turns(&self, session: &Uid, from: i32, to: i32) -> StoreResult<Vec<SourceTurn>> {
        self.record.turns(session, from, to).await
    }

    async fn session_uids(&self, after: Option<&Uid>, limit: usize) -> StoreResult<Vec<Uid>> {
        self.record.session_uids(after, limit).await
    }

    async fn session_count_estimate(&self) -> StoreResult<u64> {
        self.record.session_count_estimate().await
    }

    async fn touch(&self, session_uid: &Uid) -> StoreResult<()> {
        self.record.touch(session_uid).await
    }

    async fn purges(&self, session_uid: &Uid) -> StoreResult<Vec<Purge>> {
        self.record.purges(session_uid).await
    }

    async fn dead_letter_insert(&self, letter: &DeadLetter) -> StoreResult<()> {
        self.record.dead_letter_insert(letter).await
    }

    async fn dead_letters(&self, limit: usize) -> StoreResult<Vec<DeadLetter>> {
        self.record.dead_letters(limit).await
    }

    async fn dead_letters_resolve(&self, session_uid: &Uid, up_to_id: i64) -> StoreResult<()> {
        self.record
            .dead_letters_resolve(session_uid, up_to_id)
            .await
    }

    async fn dead_letter_tried(&self, id: i64) -> StoreResult<()> {
        self.record.dead_letter_tried(id).await
    }
}
