//! What a case of the contract gets: a store, keys that no other case uses, and rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use turngraph::domain::change::{SessionAbsent, SessionChange, TurnAbsent, TurnChange};
use turngraph::domain::{SessionRow, StepRow, TurnRole, TurnRow, Uid};
use turngraph::stores::ProjectionStore;
use turngraph::stores::projection::{BodyPart, ProjectedBodies, ProjectedSession, Write};

use crate::support::lww::LwwStore;
use crate::support::rows::{self, uid};

/// A store that other cases may share, so each takes keys of its own.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn ProjectionStore>,
    case: u32,
}

impl Fixture {
    pub(crate) fn new(store: Arc<dyn ProjectionStore>) -> Self {
        static CASES: AtomicU32 = AtomicU32::new(0);
        let case = CASES.fetch_add(1, Ordering::Relaxed);
        Self { store, case }
    }

    /// A key of this case.
    pub(crate) fn key(&self, name: &str) -> Uid {
        uid(&format!("{name}-{}", self.case))
    }

    /// A session of this case's account.
    pub(crate) fn session(&self, name: &str, next_seq: i32, rev: i64) -> SessionRow {
        let account = self.key("account");
        SessionRow {
            next_seq,
            rev,
            ..rows::session(account.as_str(), self.key(name).as_str())
        }
    }

    pub(crate) async fn apply(&self, writes: &[Write]) {
        self.store.apply(writes).await.unwrap();
    }

    /// The one session, which must be there.
    pub(crate) async fn graph(&self, name: &str) -> ProjectedSession {
        let mut found = self.store.graphs(&[self.key(name)]).await.unwrap();
        assert_eq!(found.len(), 1, "{name}");
        found.remove(0)
    }

    /// Bodies of turns of a session.
    pub(crate) async fn bodies(&self, name: &str, seqs: &[i32]) -> Vec<(i32, ProjectedBodies)> {
        let session = self.key(name);
        let found = self.store.bodies(&session, seqs, BodyPart::Whole).await;
        found.unwrap()
    }
}

/// The fake of the projector's tests.
pub(crate) async fn in_memory() -> Fixture {
    Fixture::new(LwwStore::new().shared())
}

/// A session with everything known.
pub(crate) fn whole(row: SessionRow) -> SessionChange {
    SessionChange {
        row,
        absent: SessionAbsent::default(),
    }
}

/// A turn's row.
pub(crate) fn turn(role: TurnRole, seq: i32, rev: i64) -> TurnRow {
    TurnRow {
        role,
        seq,
        rev,
        ..rows::agent(&format!("turn-{seq}"), None, seq).turn
    }
}

/// A write of a turn with everything known.
pub(crate) fn turn_write(session: &Uid, turn: TurnRow, prompt: Option<&str>) -> Write {
    Write::Turn(TurnChange {
        session_uid: session.clone(),
        turn,
        prompt: prompt.map(str::to_owned),
        absent: TurnAbsent::default(),
    })
}

/// A step's row.
pub(crate) fn step(seq: i32, idx: i32, content: &str, rev: i64) -> StepRow {
    StepRow {
        rev,
        ..rows::step(&format!("turn-{seq}"), idx, content)
    }
}

/// A write of a step with its content.
pub(crate) fn step_write(session: &Uid, seq: i32, step: StepRow) -> Write {
    Write::Step {
        session_uid: session.clone(),
        seq,
        step,
        content_absent: false,
    }
}
