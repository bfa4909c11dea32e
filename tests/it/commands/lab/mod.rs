//! A record store with commands on it, an account of its own, and short ways to write and read.

pub(crate) mod proxy;

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use turngraph::commands::rules::StepInput;
use turngraph::commands::session::CreateSession;
use turngraph::commands::turn::{AppendAgentTurn, AppendHumanTurn};
use turngraph::commands::{CommandResult, Commands, Outcome, UserError, Written};
use turngraph::domain::clock::ManualClock;
use turngraph::domain::{
    Clock, SessionGraph, SessionRow, StepRow, StepType, TurnRole, TurnRow, TurnStatus, Uid,
    UidSource,
};
use turngraph::stores::RecordStore;
use turngraph::stores::record::NewTurn;
use turngraph::stores::sqlite::SqliteRecordStore;

use crate::support::postgres::Database;
use crate::support::sqlite::{START, SqliteFixture};

/// Keys `u1`, `u2` … behind a prefix.
#[derive(Debug)]
struct Numbered(String, AtomicU64);

impl UidSource for Numbered {
    fn next(&self) -> Uid {
        key(&format!(
            "{}{}",
            self.0,
            self.1.fetch_add(1, Ordering::Relaxed)
        ))
    }
}

/// Commands on a store, and what they were made of.
#[derive(Clone)]
pub(crate) struct Lab {
    pub(crate) commands: Commands,
    pub(crate) record: Arc<dyn RecordStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) account: Uid,
    uids: Arc<Numbered>,
    /// Whatever must live as long as the store.
    _keep: Arc<dyn Any + Send + Sync>,
}

impl Lab {
    /// On a new database file.
    pub(crate) async fn sqlite() -> Self {
        let fixture = SqliteFixture::new().await;
        let record: Arc<dyn RecordStore> = Arc::<SqliteRecordStore>::clone(&fixture.store);
        let clock = Arc::clone(&fixture.clock);
        Self::on(record, clock, Arc::new(fixture))
    }

    /// On a new database of the test run's own server.
    pub(crate) async fn postgres() -> Self {
        Self::on_database(Arc::new(Database::migrated())).await
    }

    /// On this database.
    pub(crate) async fn on_database(database: Arc<Database>) -> Self {
        let record: Arc<dyn RecordStore> = Arc::new(database.store().await);
        let clock = Arc::new(ManualClock::at(START));
        Self::on(record, clock, database)
    }

    fn on(
        record: Arc<dyn RecordStore>,
        clock: Arc<ManualClock>,
        keep: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        let injected: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let uids = Arc::new(Numbered("u".into(), AtomicU64::new(1)));
        let source: Arc<dyn UidSource> = Arc::<Numbered>::clone(&uids);
        Self {
            commands: Commands::new(Arc::clone(&record), injected, source),
            uids,
            record,
            clock,
            account: key("account"),
            _keep: keep,
        }
    }

    /// The same with commands on a store in between.
    pub(crate) fn over(&self, record: Arc<dyn RecordStore>) -> Self {
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let uids = Arc::<Numbered>::clone(&self.uids);
        Self {
            commands: Commands::new(record, clock, uids),
            ..self.clone()
        }
    }

    /// The same store as another account sees it.
    pub(crate) fn of(&self, account: &str) -> Self {
        Self {
            account: key(account),
            ..self.clone()
        }
    }

    /// An empty session.
    pub(crate) async fn session(&self) -> Uid {
        let create = self
            .commands
            .create_session(&self.account, CreateSession::default(), None);
        done(create.await).session.uid
    }

    /// A human turn that becomes active.
    pub(crate) async fn human(&self, session: &Uid, parent: Option<&Uid>, prompt: &str) -> Uid {
        let input = human(session, parent, prompt);
        let append = self.commands.append_human_turn(&self.account, input, None);
        let written = done(append.await);
        written.graph.turn(written.subject).uid.clone()
    }

    /// An agent turn with text steps that becomes active.
    pub(crate) async fn agent(&self, session: &Uid, parent: &Uid, texts: &[&str]) -> Uid {
        let input = agent(session, parent, texts);
        let append = self.commands.append_agent_turn(&self.account, input, None);
        let written = done(append.await);
        written.graph.turn(written.subject.turn).uid.clone()
    }

    /// A session that is one chain of turns, written in one go, with the key of its last turn.
    /// Prompts and texts are the turn's `seq`.
    pub(crate) async fn chain(&self, length: i32) -> (Uid, Uid) {
        let uid = |seq: i32| key(&format!("chain-{length}-{seq}"));
        let session = SessionRow {
            uid: key(&format!("chain-{length}")),
            account_uid: self.account.clone(),
            title: None,
            created_at: START,
            deleted_at: None,
            active_root: Some(uid(0)),
            next_seq: length,
            last_activity_at: START,
            forked_from: None,
            rev: START.0,
        };
        let human = |seq: i32| seq % 2 == 0;
        let turn = |seq: i32| NewTurn {
            turn: TurnRow {
                uid: uid(seq),
                role: if human(seq) {
                    TurnRole::Human
                } else {
                    TurnRole::Agent
                },
                parent_uid: (seq > 0).then(|| uid(seq - 1)),
                active_child: None,
                seq,
                created_at: START,
                deleted_at: None,
                liked: None,
                model: None,
                status: None,
                finished_at: None,
                usage: None,
                rev: START.0,
            },
            prompt: human(seq).then(|| seq.to_string()),
        };
        let step = |seq: &i32| StepRow {
            turn_uid: uid(*seq),
            idx: 0,
            tpe: StepType::Text.number(),
            content: text_step(None, &seq.to_string()).content,
            created_at: START,
            rev: START.0,
        };
        let turns: Vec<_> = (0..length).map(turn).collect();
        let seqs: Vec<i32> = (0..length).filter(|&seq| !human(seq)).collect();
        let steps: Vec<_> = seqs.iter().map(step).collect();
        let mut tx = self.record.begin().await.unwrap();
        tx.session_insert(&session).await.unwrap().unwrap();
        tx.turns_insert(&session.uid, &turns).await.unwrap();
        tx.steps_insert(&session.uid, &steps, &seqs).await.unwrap();
        tx.commit().await.unwrap();
        (session.uid, uid(length - 1))
    }

    /// The session as the store has it.
    pub(crate) async fn read(&self, session: &Uid) -> (SessionRow, SessionGraph) {
        let of = std::slice::from_ref(session);
        let row = self
            .record
            .sessions_by_uid(&self.account, of)
            .await
            .unwrap()
            .remove(0);
        let turns = self
            .record
            .turns_by_session(&self.account, of)
            .await
            .unwrap();
        let turns = turns.into_iter().map(|t| t.turn).collect();
        let graph = SessionGraph::build(turns, row.active_root.clone());
        (row, graph)
    }

    /// Steps of one turn as the store has them.
    pub(crate) async fn steps(&self, turn: &Uid) -> Vec<StepRow> {
        self.record.steps(std::slice::from_ref(turn)).await.unwrap()
    }

    /// Asserts that an answer is the session as the store has it, row for row, and returns its
    /// active path.
    pub(crate) async fn as_stored<T>(&self, written: &Written<T>) -> Vec<Uid> {
        let (row, graph) = self.read(&written.session.uid).await;
        assert_eq!(written.session, row);
        assert_eq!(written.graph.turns(), graph.turns());
        assert_eq!(written.graph.damage(), []);
        path(&graph)
    }
}

pub(crate) fn key(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

pub(crate) fn human(session: &Uid, parent: Option<&Uid>, prompt: &str) -> AppendHumanTurn {
    AppendHumanTurn {
        session: session.clone(),
        uid: None,
        parent: parent.cloned(),
        prompt: prompt.to_owned(),
        activate: true,
    }
}

pub(crate) fn agent(session: &Uid, parent: &Uid, texts: &[&str]) -> AppendAgentTurn {
    AppendAgentTurn {
        session: session.clone(),
        uid: None,
        parent: parent.clone(),
        steps: texts.iter().map(|text| text_step(None, text)).collect(),
        model: None,
        status: TurnStatus::Complete,
        finished_at: None,
        usage: None,
        activate: true,
    }
}

pub(crate) fn text_step(idx: Option<i32>, text: &str) -> StepInput {
    StepInput {
        idx,
        tpe: StepType::Text,
        content: serde_json::json!({ "text": text }).to_string().into(),
    }
}

/// The active path by key.
pub(crate) fn path(graph: &SessionGraph) -> Vec<Uid> {
    graph
        .active_path()
        .iter()
        .map(|&ix| graph.turn(ix).uid.clone())
        .collect()
}

/// Sends a command: it is in the queue when this returns.
pub(crate) fn sent<F: Future>(command: F) -> Pin<Box<F>> {
    let mut command = Box::pin(command);
    let mut context = Context::from_waker(Waker::noop());
    assert!(command.as_mut().poll(&mut context).is_pending());
    command
}

/// What was done; panics with the refusal otherwise.
#[track_caller]
pub(crate) fn done<T>(result: CommandResult<T>) -> Written<T> {
    match result.unwrap() {
        Outcome::Done(written) => written,
        Outcome::Refused(errors) => panic!("refused: {errors:?}"),
    }
}

/// The errors of a refusal; panics otherwise.
#[track_caller]
pub(crate) fn errors<T>(result: CommandResult<T>) -> Vec<UserError> {
    match result.unwrap() {
        Outcome::Done(_) => panic!("was done, not refused"),
        Outcome::Refused(errors) => errors,
    }
}

/// A refusal as `path.to.input CODE`, joined by commas.
#[track_caller]
pub(crate) fn refused<T>(result: CommandResult<T>) -> String {
    let errors = errors(result);
    assert!(!errors.is_empty());
    let brief = errors
        .iter()
        .map(|e| format!("{} {}", e.path.join("."), e.code.name()));
    brief.collect::<Vec<_>>().join(", ")
}
