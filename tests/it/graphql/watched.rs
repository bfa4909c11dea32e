//! A record store that notes which reads are asked of it, and fails those that a test names.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::watch;
use turngraph::domain::score::{MetadataRow, ScoreRow};
use turngraph::domain::step::StepHead;
use turngraph::domain::{SessionRow, StepRow, Uid};
use turngraph::stores::listing::{SessionFilter, SessionListing, TurnHit, TurnSearch};
use turngraph::stores::record::{IdempotencyRecord, SessionTurn, StoreHealth, StoreResult};
use turngraph::stores::{
    ErasureStore, RecordStore, RecordTransaction, StoreError, StoreErrorKind, StoreKind,
};

/// The store, watched.
pub(crate) struct Watched {
    inner: Arc<dyn RecordStore>,
    calls: Mutex<Vec<&'static str>>,
    broken: Mutex<HashSet<&'static str>>,
    /// A read with a defect.
    panicking: Mutex<Option<&'static str>>,
    /// A read that waits until its gate is dropped.
    held: Mutex<Option<(&'static str, watch::Receiver<()>)>>,
}

impl Watched {
    pub(crate) fn new(inner: Arc<dyn RecordStore>) -> Self {
        Self {
            inner,
            calls: Mutex::default(),
            broken: Mutex::default(),
            panicking: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Names of the reads since this was last asked.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// From now on these reads fail, and no others.
    pub(crate) fn break_only(&self, reads: &[&'static str]) {
        *self.broken.lock().unwrap() = reads.iter().copied().collect();
    }

    /// From now on this read waits until the gate is dropped.
    pub(crate) fn hold(&self, read: &'static str) -> watch::Sender<()> {
        let (gate, passing) = watch::channel(());
        *self.held.lock().unwrap() = Some((read, passing));
        gate
    }

    /// From now on this read panics.
    pub(crate) fn panic_in(&self, read: &'static str) {
        *self.panicking.lock().unwrap() = Some(read);
    }

    async fn note(&self, read: &'static str) -> StoreResult<()> {
        self.calls.lock().unwrap().push(read);
        let held = self.held.lock().unwrap().clone();
        if let Some((_, mut gate)) = held.filter(|(name, _)| *name == read) {
            // An error says that the gate is gone.
            let _ = gate.changed().await;
        }
        let panicking = *self.panicking.lock().unwrap();
        assert!(panicking != Some(read), "a defect that says a secret");
        if !self.broken.lock().unwrap().contains(read) {
            return Ok(());
        }
        Err(StoreError {
            kind: StoreErrorKind::Unavailable,
            store: self.inner.kind(),
            action: read,
            message: "secret detail of the driver".into(),
            source: None,
        })
    }
}

/// Declares reads that are noted and passed on.
macro_rules! reads {
    ($($name:ident($($argument:ident: $ty:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl RecordStore for Watched {
            fn kind(&self) -> StoreKind {
                self.inner.kind()
            }

            $(async fn $name(&self, $($argument: $ty),*) -> StoreResult<$answer> {
                self.note(stringify!($name)).await?;
                self.inner.$name($($argument),*).await
            })*

            fn erasures(&self) -> Option<&dyn ErasureStore> {
                self.inner.erasures()
            }

            async fn close(&self) {
                self.inner.close().await;
            }
        }
    };
}

reads! {
    sessions_by_uid(account: &Uid, uids: &[Uid]) -> Vec<SessionRow>;
    turns_by_session(account: &Uid, session_uids: &[Uid]) -> Vec<SessionTurn>;
    sessions_by_turn(account: &Uid, turn_uids: &[Uid]) -> Vec<(Uid, Uid)>;
    sessions_page(account: &Uid, listing: &SessionListing) -> Vec<SessionRow>;
    sessions_count(account: &Uid, filter: &SessionFilter, up_to: usize) -> usize;
    turns_search(account: &Uid, search: &TurnSearch) -> Vec<TurnHit>;
    prompts(turn_uids: &[Uid]) -> Vec<(Uid, String)>;
    steps(turn_uids: &[Uid]) -> Vec<StepRow>;
    step_heads(turn_uids: &[Uid]) -> Vec<StepHead>;
    scores_by_session(session_uids: &[Uid]) -> Vec<(Uid, ScoreRow)>;
    metadata_by_session(session_uids: &[Uid]) -> Vec<(Uid, MetadataRow)>;
    idempotency(account: &Uid, key: &str) -> Option<IdempotencyRecord>;
    number_pending(sessions_max: usize) -> u64;
    health() -> StoreHealth;
    begin() -> Box<dyn RecordTransaction>;
}
