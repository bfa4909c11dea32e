//! A record store in between: notes what commands ask of the one behind it, and fails when told.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use turngraph::domain::score::{MetadataRow, ScoreRow};
use turngraph::domain::step::StepHead;
use turngraph::domain::{Position, SessionRow, StepRow, Timestamp, TurnRole, TurnRow, Uid};
use turngraph::stores::listing::{SessionFilter, SessionListing, TurnHit, TurnSearch};
use turngraph::stores::record::{
    IdempotencyRecord, NewTurn, SessionPatch, SessionTurn, StoreHealth, StoreResult, TurnPatch,
};
use turngraph::stores::{RecordStore, RecordTransaction, StoreError, StoreErrorKind, StoreKind};

/// What was asked so far, and what fails next.
#[derive(Debug, Default)]
struct Script {
    asked: Vec<&'static str>,
    failing: Option<(&'static str, StoreErrorKind)>,
    times: usize,
}

/// The store in between.
#[derive(Clone)]
pub(crate) struct Proxy {
    inner: Arc<dyn RecordStore>,
    script: Arc<Mutex<Script>>,
}

impl Proxy {
    pub(crate) fn before(inner: Arc<dyn RecordStore>) -> Self {
        Self {
            inner,
            script: Arc::default(),
        }
    }

    /// Lets the next calls of a method fail before they are carried out.
    pub(crate) fn fail(&self, method: &'static str, kind: StoreErrorKind, times: usize) {
        let mut script = self.script.lock().unwrap();
        (script.failing, script.times) = (Some((method, kind)), times);
    }

    /// The methods that were called since the last time, in their order.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.script.lock().unwrap().asked)
    }

    fn ask(&self, method: &'static str) -> StoreResult<()> {
        let mut script = self.script.lock().unwrap();
        script.asked.push(method);
        match script.failing {
            Some((failing, kind)) if failing == method && script.times > 0 => {
                script.times -= 1;
                Err(StoreError {
                    kind,
                    store: self.inner.kind(),
                    action: method,
                    message: "told to fail".into(),
                    source: None,
                })
            }
            _ => Ok(()),
        }
    }
}

/// A transaction in between.
struct ProxyTransaction {
    inner: Box<dyn RecordTransaction>,
    proxy: Proxy,
}

#[async_trait]
impl RecordStore for Proxy {
    fn kind(&self) -> StoreKind {
        self.inner.kind()
    }

    async fn sessions_by_uid(&self, account: &Uid, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        self.ask("sessions_by_uid")?;
        self.inner.sessions_by_uid(account, uids).await
    }

    async fn turns_by_session(
        &self,
        account: &Uid,
        session_uids: &[Uid],
    ) -> StoreResult<Vec<SessionTurn>> {
        self.ask("turns_by_session")?;
        self.inner.turns_by_session(account, session_uids).await
    }

    async fn sessions_by_turn(
        &self,
        account: &Uid,
        turn_uids: &[Uid],
    ) -> StoreResult<Vec<(Uid, Uid)>> {
        self.ask("sessions_by_turn")?;
        self.inner.sessions_by_turn(account, turn_uids).await
    }

    async fn sessions_page(
        &self,
        account: &Uid,
        listing: &SessionListing,
    ) -> StoreResult<Vec<SessionRow>> {
        self.ask("sessions_page")?;
        self.inner.sessions_page(account, listing).await
    }

    async fn sessions_count(
        &self,
        account: &Uid,
        filter: &SessionFilter,
        up_to: usize,
    ) -> StoreResult<usize> {
        self.ask("sessions_count")?;
        self.inner.sessions_count(account, filter, up_to).await
    }

    async fn turns_search(&self, account: &Uid, search: &TurnSearch) -> StoreResult<Vec<TurnHit>> {
        self.ask("turns_search")?;
        self.inner.turns_search(account, search).await
    }

    async fn prompts(&self, turn_uids: &[Uid]) -> StoreResult<Vec<(Uid, String)>> {
        self.ask("prompts")?;
        self.inner.prompts(turn_uids).await
    }

    async fn steps(&self, turn_uids: &[Uid]) -> StoreResult<Vec<StepRow>> {
        self.ask("steps")?;
        self.inner.steps(turn_uids).await
    }

    async fn step_heads(&self, turn_uids: &[Uid]) -> StoreResult<Vec<StepHead>> {
        self.ask("step_heads")?;
        self.inner.step_heads(turn_uids).await
    }

    async fn scores_by_session(&self, session_uids: &[Uid]) -> StoreResult<Vec<(Uid, ScoreRow)>> {
        self.ask("scores_by_session")?;
        self.inner.scores_by_session(session_uids).await
    }

    async fn metadata_by_session(
        &self,
        session_uids: &[Uid],
    ) -> StoreResult<Vec<(Uid, MetadataRow)>> {
        self.ask("metadata_by_session")?;
        self.inner.metadata_by_session(session_uids).await
    }

    async fn idempotency(
        &self,
        account: &Uid,
        key: &str,
    ) -> StoreResult<Option<IdempotencyRecord>> {
        self.ask("idempotency")?;
        self.inner.idempotency(account, key).await
    }

    async fn number_pending(&self, sessions_max: usize) -> StoreResult<u64> {
        self.ask("number_pending")?;
        self.inner.number_pending(sessions_max).await
    }

    async fn health(&self) -> StoreResult<StoreHealth> {
        self.ask("health")?;
        self.inner.health().await
    }

    async fn begin(&self) -> StoreResult<Box<dyn RecordTransaction>> {
        self.ask("begin")?;
        Ok(Box::new(ProxyTransaction {
            inner: self.inner.begin().await?,
            proxy: self.clone(),
        }))
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl RecordTransaction for ProxyTransaction {
    async fn session_lock(&mut self, account: &Uid, uid: &Uid) -> StoreResult<Option<SessionRow>> {
        self.proxy.ask("session_lock")?;
        self.inner.session_lock(account, uid).await
    }

    async fn session_insert(&mut self, session: &SessionRow) -> StoreResult<Option<i64>> {
        self.proxy.ask("session_insert")?;
        self.inner.session_insert(session).await
    }

    async fn session_update(
        &mut self,
        uid: &Uid,
        patch: &SessionPatch,
        now: Timestamp,
    ) -> StoreResult<i64> {
        self.proxy.ask("session_update")?;
        self.inner.session_update(uid, patch, now).await
    }

    async fn turns(&mut self, session_uid: &Uid) -> StoreResult<Vec<TurnRow>> {
        self.proxy.ask("turns")?;
        self.inner.turns(session_uid).await
    }

    async fn turn_uids_claim(&mut self, uids: &[Uid]) -> StoreResult<Vec<Uid>> {
        self.proxy.ask("turn_uids_claim")?;
        self.inner.turn_uids_claim(uids).await
    }

    async fn session_by_turn(&mut self, account: &Uid, turn: &Uid) -> StoreResult<Option<Uid>> {
        self.proxy.ask("session_by_turn")?;
        self.inner.session_by_turn(account, turn).await
    }

    async fn turns_insert(&mut self, session_uid: &Uid, turns: &[NewTurn]) -> StoreResult<()> {
        self.proxy.ask("turns_insert")?;
        self.inner.turns_insert(session_uid, turns).await
    }

    async fn turn_update(
        &mut self,
        turn: (TurnRole, &Uid),
        patch: &TurnPatch,
        now: Timestamp,
    ) -> StoreResult<i64> {
        self.proxy.ask("turn_update")?;
        self.inner.turn_update(turn, patch, now).await
    }

    async fn steps_insert(
        &mut self,
        session_uid: &Uid,
        steps: &[StepRow],
        turn_seqs: &[i32],
    ) -> StoreResult<()> {
        self.proxy.ask("steps_insert")?;
        self.inner.steps_insert(session_uid, steps, turn_seqs).await
    }

    async fn step_update(
        &mut self,
        turn: &Uid,
        idx: i32,
        content: &str,
        now: Timestamp,
    ) -> StoreResult<Option<i64>> {
        self.proxy.ask("step_update")?;
        self.inner.step_update(turn, idx, content, now).await
    }

    async fn prompts(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<(Uid, String)>> {
        self.proxy.ask("prompts")?;
        self.inner.prompts(turn_uids).await
    }

    async fn steps(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<StepRow>> {
        self.proxy.ask("steps")?;
        self.inner.steps(turn_uids).await
    }

    async fn step_heads(&mut self, turn_uids: &[Uid]) -> StoreResult<Vec<StepHead>> {
        self.proxy.ask("step_heads")?;
        self.inner.step_heads(turn_uids).await
    }

    async fn scores_insert(&mut self, session_uid: &Uid, scores: &[ScoreRow]) -> StoreResult<()> {
        self.proxy.ask("scores_insert")?;
        self.inner.scores_insert(session_uid, scores).await
    }

    async fn metadata_set(&mut self, session_uid: &Uid, rows: &[MetadataRow]) -> StoreResult<()> {
        self.proxy.ask("metadata_set")?;
        self.inner.metadata_set(session_uid, rows).await
    }

    async fn idempotency_insert(
        &mut self,
        account: &Uid,
        key: &str,
        record: &IdempotencyRecord,
        now: Timestamp,
    ) -> StoreResult<()> {
        self.proxy.ask("idempotency_insert")?;
        self.inner
            .idempotency_insert(account, key, record, now)
            .await
    }

    async fn commit(self: Box<Self>) -> StoreResult<Position> {
        self.proxy.ask("commit")?;
        self.inner.commit().await
    }
}
