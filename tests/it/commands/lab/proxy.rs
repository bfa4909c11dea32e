//! A record store in between: notes what commands ask of the one behind it, and fails when told.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::watch;
use turngraph::domain::score::{MetadataRow, ScoreRow};
use turngraph::domain::step::StepHead;
use turngraph::domain::{Position, SessionRow, StepRow, Timestamp, TurnRole, Uid};
use turngraph::stores::listing::{SessionFilter, SessionListing, TurnHit, TurnSearch};
use turngraph::stores::record::{
    Claims, IdempotencyRecord, LockedSessions, SessionTurn, StoreHealth, StoreResult, TurnPlace,
    Versions, WriteSet,
};
use turngraph::stores::{RecordStore, RecordTransaction, StoreError, StoreErrorKind, StoreKind};

/// What was asked so far, and what fails next.
#[derive(Debug, Default)]
struct Script {
    asked: Vec<&'static str>,
    failing: Option<(&'static str, StoreErrorKind)>,
    times: usize,
    held: Option<watch::Receiver<()>>,
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

    /// From now on every transaction of a group begins when the gate is dropped.
    pub(crate) fn hold_groups(&self) -> watch::Sender<()> {
        let (gate, passing) = watch::channel(());
        self.script.lock().unwrap().held = Some(passing);
        gate
    }

    /// Lets the next calls fail before they are carried out, of all methods whose name begins so.
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
            Some((failing, kind)) if method.starts_with(failing) && script.times > 0 => {
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

    async fn begin_group(&self) -> StoreResult<Box<dyn RecordTransaction>> {
        let held = self.script.lock().unwrap().held.clone();
        if let Some(mut gate) = held {
            // An error says that the gate is gone.
            let _ = gate.changed().await;
        }
        self.ask("begin_group")?;
        Ok(Box::new(ProxyTransaction {
            inner: self.inner.begin_group().await?,
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
        self.proxy.ask("sessions_lock")?;
        self.inner.session_lock(account, uid).await
    }

    async fn sessions_lock_free(&mut self, wanted: &[(Uid, Uid)]) -> StoreResult<LockedSessions> {
        self.proxy.ask("sessions_lock_free")?;
        self.inner.sessions_lock_free(wanted).await
    }

    async fn sessions_insert(&mut self, sessions: &[&SessionRow]) -> StoreResult<Vec<Option<i64>>> {
        self.proxy.ask("sessions_insert")?;
        self.inner.sessions_insert(sessions).await
    }

    async fn turns_of(&mut self, session_uids: &[Uid]) -> StoreResult<Vec<SessionTurn>> {
        self.proxy.ask("turns_of")?;
        self.inner.turns_of(session_uids).await
    }

    async fn turn_uids_claim(&mut self, uids: &[Uid]) -> StoreResult<Vec<Uid>> {
        self.proxy.ask("turn_uids_claim")?;
        self.inner.turn_uids_claim(uids).await
    }

    async fn turn_uids_claim_free(&mut self, uids: &[Uid]) -> StoreResult<Claims> {
        self.proxy.ask("turn_uids_claim_free")?;
        self.inner.turn_uids_claim_free(uids).await
    }

    async fn sessions_by_turn(&mut self, turns: &[(Uid, Uid)]) -> StoreResult<Vec<TurnPlace>> {
        self.proxy.ask("sessions_by_turn")?;
        self.inner.sessions_by_turn(turns).await
    }

    /// Noted with the kinds of rows that are written, each of which is a statement.
    async fn write(&mut self, rows: &WriteSet<'_>, now: Timestamp) -> StoreResult<Versions> {
        let role = |wanted: TurnRole| rows.turns.iter().any(|(_, new)| new.turn.role == wanted);
        let edited = |wanted: TurnRole| rows.turn_edits.iter().any(|edit| edit.role == wanted);
        for (kind, there) in [
            ("edit_steps", !rows.step_edits.is_empty()),
            ("insert_human_turns", role(TurnRole::Human)),
            ("insert_agent_turns", role(TurnRole::Agent)),
            ("insert_steps", !rows.steps.is_empty()),
            ("edit_human_turns", edited(TurnRole::Human)),
            ("edit_agent_turns", edited(TurnRole::Agent)),
            ("edit_sessions", !rows.session_edits.is_empty()),
        ] {
            if there {
                self.proxy.ask(kind)?;
            }
        }
        self.inner.write(rows, now).await
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

    async fn idempotency(
        &mut self,
        keys: &[(&Uid, &str)],
    ) -> StoreResult<Vec<Option<IdempotencyRecord>>> {
        self.proxy.ask("idempotency")?;
        self.inner.idempotency(keys).await
    }

    async fn idempotency_insert_all(
        &mut self,
        keys: &[(&Uid, &str, &IdempotencyRecord)],
        now: Timestamp,
    ) -> StoreResult<()> {
        self.proxy.ask("idempotency_insert")?;
        self.inner.idempotency_insert_all(keys, now).await
    }

    fn defect(&self, action: &'static str, message: String) -> StoreError {
        self.inner.defect(action, message)
    }

    async fn commit(self: Box<Self>) -> StoreResult<Position> {
        if let Err(error) = self.proxy.ask("commit") {
            self.inner.rollback().await?;
            return Err(error);
        }
        self.inner.commit().await
    }

    async fn rollback(self: Box<Self>) -> StoreResult<()> {
        self.inner.rollback().await
    }
}
