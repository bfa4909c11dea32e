//! Which store answers a read. Today every read is answered by the record store, so every answer
//! is STRONG; the API asks here and nowhere else, and knows no store.

mod listing;
mod search;

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::step::StepHead;
use crate::domain::{Clock, SessionGraph, SessionRow, StepRow, TurnRow, Uid};
use crate::stores::RecordStore;

pub use crate::stores::error::{StoreError as ReadError, StoreErrorKind as ReadErrorKind};
pub use crate::stores::listing::{SessionFilter, SessionOrder};
pub use listing::{ListingCursor, ListingPage, ListingRequest};
pub use search::{SearchCursor, SearchHit, SearchPage, SearchRequest};

/// Result of a read.
pub type ReadResult<T> = Result<T, ReadError>;

/// A session and its turns.
#[derive(Debug, Clone)]
pub struct SessionWithGraph {
    /// The session's own row.
    pub row: Arc<SessionRow>,
    /// Its turns.
    pub graph: Arc<SessionGraph>,
}

/// Reads, batched: every method takes many keys and needs one round trip (two at once where
/// said), however many they are. Keys that do not exist, or belong to another account, are left
/// out of the answer.
pub struct Reads {
    record: Arc<dyn RecordStore>,
    clock: Arc<dyn Clock>,
}

impl Reads {
    /// Reads from the record store.
    pub fn new(record: Arc<dyn RecordStore>, clock: Arc<dyn Clock>) -> Self {
        Self { record, clock }
    }

    /// Sessions without their turns.
    pub async fn sessions(&self, account: &Uid, uids: &[Uid]) -> ReadResult<Vec<SessionRow>> {
        self.record.sessions_by_uid(account, uids).await
    }

    /// Sessions with their turns; two statements at once.
    pub async fn graphs(&self, account: &Uid, uids: &[Uid]) -> ReadResult<Vec<SessionWithGraph>> {
        let (rows, turns) = futures_util::future::try_join(
            self.record.sessions_by_uid(account, uids),
            self.record.turns_by_session(account, uids),
        )
        .await?;
        let mut turns_of: HashMap<Uid, Vec<TurnRow>> = HashMap::with_capacity(rows.len());
        for turn in turns {
            turns_of
                .entry(turn.session_uid)
                .or_default()
                .push(turn.turn);
        }
        let with_graph = |row: SessionRow| {
            let turns = turns_of.remove(&row.uid).unwrap_or_default();
            let graph = Arc::new(SessionGraph::build(turns, row.active_root.clone()));
            SessionWithGraph {
                row: Arc::new(row),
                graph,
            }
        };
        Ok(rows.into_iter().map(with_graph).collect())
    }

    /// Sessions of turns, as (turn, session).
    pub async fn sessions_by_turn(
        &self,
        account: &Uid,
        turn_uids: &[Uid],
    ) -> ReadResult<Vec<(Uid, Uid)>> {
        self.record.sessions_by_turn(account, turn_uids).await
    }

    /// Prompts of human turns that were found in a graph, as (turn, prompt).
    pub async fn prompts(&self, turn_uids: &[Uid]) -> ReadResult<Vec<(Uid, String)>> {
        self.record.prompts(turn_uids).await
    }

    /// Steps of agent turns that were found in a graph, by turn and `idx`.
    pub async fn steps(&self, turn_uids: &[Uid]) -> ReadResult<Vec<StepRow>> {
        self.record.steps(turn_uids).await
    }

    /// Index and type of the steps of agent turns that were found in a graph.
    pub async fn step_heads(&self, turn_uids: &[Uid]) -> ReadResult<Vec<StepHead>> {
        self.record.step_heads(turn_uids).await
    }

    /// Number of an account's sessions that pass `filter`, counted to `up_to` at most.
    pub async fn count(
        &self,
        account: &Uid,
        filter: &SessionFilter,
        up_to: usize,
    ) -> ReadResult<usize> {
        self.record.sessions_count(account, filter, up_to).await
    }

    /// One page of an account's sessions.
    pub async fn listing(
        &self,
        account: &Uid,
        request: &ListingRequest,
    ) -> ReadResult<ListingPage> {
        listing::page(&*self.record, &*self.clock, account, request).await
    }

    /// One page of turns whose prompt or text contains all words.
    pub async fn search(&self, account: &Uid, request: &SearchRequest) -> ReadResult<SearchPage> {
        search::page(&*self.record, account, request).await
    }
}
