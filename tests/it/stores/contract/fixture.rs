//! What a case is given: a store, the clock it was opened with, and a way past it.

use std::sync::Arc;

use async_trait::async_trait;
use turngraph::domain::clock::ManualClock;
use turngraph::domain::{Clock, Position, SessionRow, Timestamp, Uid};
use turngraph::stores::record::{NewTurn, SessionTurn};
use turngraph::stores::{RecordStore, RecordTransaction, SessionListing};

use crate::support::rows::{agent, human, session, step, uid, uids};

/// What only the engine's own fixture can do. Dropping it removes the database.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// Runs a statement as another program would, beside the store.
    async fn run(&self, sql: &'static str);

    /// Returns once a transaction of the store waits for another, as far as that can be seen.
    async fn writer_waits(&self);
}

/// A migrated, empty store.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn RecordStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Box<dyn Engine>,
}

impl Fixture {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn begin(&self) -> Box<dyn RecordTransaction> {
        self.store.begin().await.unwrap()
    }

    /// Inserts sessions and commits.
    pub(crate) async fn add_sessions(&self, sessions: &[SessionRow]) -> Position {
        let mut transaction = self.begin().await;
        for session in sessions {
            let rev = transaction.session_insert(session).await.unwrap();
            assert!(rev.is_some(), "{} is taken", session.uid);
        }
        transaction.commit().await.unwrap()
    }

    /// Inserts turns into a session and commits.
    pub(crate) async fn add_turns(&self, session_uid: &str, turns: &[NewTurn]) {
        let mut transaction = self.begin().await;
        let inserted = transaction.turns_insert(&uid(session_uid), turns).await;
        inserted.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Session `s` of account `alice` with the turns `h0 - a1 - h2 - a3`, the agent's with one
    /// text step each.
    pub(crate) async fn add_conversation(&self) {
        let mut transaction = self.begin().await;
        let mut row = session("alice", "s");
        row.next_seq = 4;
        transaction.session_insert(&row).await.unwrap().unwrap();
        let turns = [
            human("h0", None, 0, "Guten Tag"),
            agent("a1", Some("h0"), 1),
            human("h2", Some("a1"), 2, "Wie geht es?"),
            agent("a3", Some("h2"), 3),
        ];
        let uid = uid("s");
        transaction.turns_insert(&uid, &turns).await.unwrap();
        let steps = [
            step("a1", 0, r#"{"text":"Hallo"}"#),
            step("a3", 0, r#"{"text":"Gut"}"#),
        ];
        transaction
            .steps_insert(&uid, &steps, &[1, 3])
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    /// The session as its account reads it.
    pub(crate) async fn session(&self, account: &str, key: &str) -> Option<SessionRow> {
        let found = self.store.sessions_by_uid(&uid(account), &[uid(key)]).await;
        found.unwrap().pop()
    }

    /// Turns of sessions as their account reads them.
    pub(crate) async fn turns(&self, account: &str, sessions: &[&str]) -> Vec<SessionTurn> {
        let (account, sessions) = (uid(account), uids(sessions));
        let found = self.store.turns_by_session(&account, &sessions).await;
        found.unwrap()
    }

    /// A page of an account's sessions.
    pub(crate) async fn page(&self, account: &str, listing: &SessionListing) -> Vec<SessionRow> {
        let found = self.store.sessions_page(&uid(account), listing).await;
        found.unwrap()
    }

    /// Keys of sessions, for comparisons that need no more.
    pub(crate) fn keys(rows: &[SessionRow]) -> Vec<&Uid> {
        rows.iter().map(|row| &row.uid).collect()
    }
}
