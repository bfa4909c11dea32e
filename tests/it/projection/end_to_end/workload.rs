//! What happens to a record store: commands of clients, and other programs' SQL.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use turngraph::commands::rules::StepInput;
use turngraph::commands::session::CreateSession;
use turngraph::commands::step::AppendSteps;
use turngraph::commands::turn::{AppendAgentTurn, AppendHumanTurn};
use turngraph::commands::{Commands, CommitListener};
use turngraph::domain::{StepType, SystemClock, TurnRole, TurnStatus, Uid, UuidV7Source};
use turngraph::stores::source::SourceTurn;
use turngraph::stores::{ProjectionSource, RecordStore};

use super::feeds::{Place, Sql};
use crate::support::rows::uid;

/// Accounts between which sessions move.
const ACCOUNTS: u64 = 3;

/// Keys that sessions come back under.
const SESSIONS: u64 = 6;

pub(super) struct Workload {
    commands: Commands,
    record: Arc<dyn RecordStore>,
    source: Arc<dyn ProjectionSource>,
    sql: Arc<dyn Sql>,
    foreign: bool,
    seed: u64,
    keys: u64,
    /// Sets the keys of runs on a shared server apart.
    tag: String,
    ever: BTreeSet<Uid>,
}

impl Workload {
    pub(super) async fn new(place: &Place, listener: Arc<dyn CommitListener>, seed: u64) -> Self {
        Self {
            commands: Commands::new(
                Arc::clone(&place.record),
                Arc::new(SystemClock),
                Arc::new(UuidV7Source),
            )
            .telling(listener),
            record: Arc::clone(&place.record),
            source: Arc::clone(&place.source),
            sql: Arc::clone(&place.sql),
            foreign: place.numbers_foreign_turns,
            seed,
            keys: 0,
            tag: place.source.position().await.unwrap().store,
            ever: BTreeSet::new(),
        }
    }

    /// Keys of sessions that were ever there.
    pub(super) fn ever(&self) -> Vec<Uid> {
        self.ever.iter().cloned().collect()
    }

    /// Gives numbers to other programs' turns, as a server does beside everything else.
    pub(super) fn keep_numbering(&self) -> JoinHandle<()> {
        let record = Arc::clone(&self.record);
        tokio::spawn(async move {
            loop {
                record.number_pending(100).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    }

    /// Waits until no turn waits for its number.
    pub(super) async fn settle(&self) {
        while self.record.health().await.unwrap().pending_turns > 0
            || self.record.number_pending(100).await.unwrap() > 0
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn die(&mut self, sides: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % sides
    }

    fn key(&mut self, kind: &str) -> String {
        self.keys += 1;
        format!("{kind}{}-{}", self.keys, self.tag)
    }

    fn account(&mut self) -> Uid {
        uid(&format!("account{}-{}", self.die(ACCOUNTS), self.tag))
    }

    /// A text that is sometimes long enough to be stored apart from its row, and then not told
    /// again by an update of other columns.
    fn text(&mut self) -> String {
        let words = match self.die(40) {
            // Longer than what a projection keeps.
            0 => 9_000,
            1..=9 => 1_500,
            _ => 3,
        };
        let words: Vec<String> = (0..words).map(|_| self.die(1 << 30).to_string()).collect();
        words.join(" ")
    }

    fn content(&mut self) -> String {
        format!(r#"{{"text":"{}"}}"#, self.text())
    }

    /// One thing happens.
    pub(super) async fn step(&mut self) {
        let session = uid(&format!("s{}-{}", self.die(SESSIONS), self.tag));
        self.ever.insert(session.clone());
        let of = std::slice::from_ref(&session);
        let Some(row) = self.source.session_rows(of).await.unwrap().pop() else {
            return self.create(&session).await;
        };
        let turns = self.source.turns(&session, 0, i32::MAX).await.unwrap();
        let pick = self.die(turns.len().max(1) as u64) as usize;
        let account = row.account_uid.clone();
        match (self.die(20), turns.get(pick)) {
            (0..=3, turn) => self.append_human(&account, &session, turn).await,
            (4..=7, Some(turn)) => self.append_agent(&account, &session, turn).await,
            (8 | 9, Some(turn)) => self.change_by_command(&account, turn).await,
            (10, _) => self.change_session(&account, session).await,
            (11, Some(turn)) => self.fork(&account, &session, turn).await,
            (12 | 13, _) if self.foreign => self.insert_foreign(&session, turns.last()).await,
            (14 | 15, Some(turn)) => self.update_foreign(turn).await,
            (16 | 17, Some(turn)) => self.delete_foreign(turn).await,
            (18, _) => {
                let to = self.account();
                let moved =
                    format!("update sessions set account_uid = '{to}' where uid = '{session}'");
                self.sql.run(moved).await;
            }
            (19, _) => match self.die(16) {
                0 | 1 => self.purge(&session, &turns).await,
                2 | 3 => drop(
                    self.commands
                        .purge_session(&account, &session)
                        .await
                        .unwrap(),
                ),
                4 => {
                    let erased = self
                        .commands
                        .erase_account(&account, account.as_str(), false);
                    erased.await.unwrap();
                }
                _ => self.append_human(&account, &session, turns.get(pick)).await,
            },
            (_, turn) => self.append_human(&account, &session, turn).await,
        }
    }

    async fn create(&mut self, session: &Uid) {
        let account = self.account();
        if self.foreign && self.die(2) == 0 {
            let insert = format!(
                "insert into sessions (uid, account_uid, title, created_at)
                 values ('{session}', '{account}', 'of another program', now())"
            );
            return self.sql.run(insert).await;
        }
        let input = CreateSession {
            uid: Some(session.to_string()),
            title: None,
            first_prompt: Some(self.text()),
        };
        let created = self.commands.create_session(&account, input, None);
        created.await.unwrap();
    }

    async fn append_human(&mut self, account: &Uid, session: &Uid, below: Option<&SourceTurn>) {
        let agent = below.filter(|turn| turn.turn.role == TurnRole::Agent);
        let input = AppendHumanTurn {
            session: session.clone(),
            uid: None,
            parent: agent.map(|turn| turn.turn.uid.clone()),
            prompt: self.text(),
            activate: self.die(2) == 0,
        };
        let appended = self.commands.append_human_turn(account, input, None);
        appended.await.unwrap();
    }

    async fn append_agent(&mut self, account: &Uid, session: &Uid, below: &SourceTurn) {
        if below.turn.role == TurnRole::Agent {
            return;
        }
        let step = |content: String| StepInput {
            idx: None,
            tpe: StepType::Text,
            content: content.into(),
        };
        let steps = vec![step(self.content()), step(self.content())];
        let input = AppendAgentTurn {
            session: session.clone(),
            uid: None,
            parent: below.turn.uid.clone(),
            steps,
            model: Some("m".to_owned()),
            status: TurnStatus::Complete,
            finished_at: None,
            usage: Some(r#"{"output": 12, "input": 3}"#.to_owned()),
            activate: self.die(2) == 0,
        };
        let appended = self.commands.append_agent_turn(account, input, None);
        appended.await.unwrap();
    }

    async fn change_by_command(&mut self, account: &Uid, turn: &SourceTurn) {
        let key = turn.turn.uid.clone();
        let (choice, content) = (self.die(6), self.content());
        let commands = &self.commands;
        match (choice, turn.steps.first()) {
            (0, _) => drop(
                commands
                    .rate_agent_turn(account, key, Some(true))
                    .await
                    .unwrap(),
            ),
            (1, _) => drop(commands.activate_turn(account, key).await.unwrap()),
            (2, _) => drop(commands.delete_turn(account, key).await.unwrap()),
            (3, _) => drop(commands.restore_turn(account, key).await.unwrap()),
            (4, Some(step)) => {
                let place = (key, step.idx);
                drop(commands.update_step(account, place, content).await.unwrap());
            }
            (_, _) => {
                let step = StepInput {
                    idx: None,
                    tpe: StepType::Code,
                    content: content.into(),
                };
                let input = AppendSteps {
                    turn: key,
                    steps: vec![step],
                    progress: None,
                };
                drop(commands.append_steps(account, input, None).await.unwrap());
            }
        }
    }

    async fn change_session(&mut self, account: &Uid, session: Uid) {
        let choice = self.die(4);
        let title = Some(self.text().chars().take(60).collect());
        let commands = &self.commands;
        let changed = match choice {
            0 => commands.delete_session(account, session).await,
            1 => commands.restore_session(account, session).await,
            _ => commands.rename_session(account, session, title).await,
        };
        changed.unwrap();
    }

    async fn fork(&mut self, account: &Uid, session: &Uid, turn: &SourceTurn) {
        use turngraph::commands::session::{ForkScope, ForkSession};
        if self.die(3) > 0 {
            return;
        }
        let input = ForkSession {
            session: session.clone(),
            turn: turn.turn.uid.clone(),
            scope: ForkScope::AllBefore,
            title: None,
        };
        let forked = self.commands.fork_session(account, input, None);
        forked.await.unwrap();
    }

    /// Turns and steps without numbers and addresses, the steps before their turn.
    async fn insert_foreign(&mut self, session: &Uid, last: Option<&SourceTurn>) {
        let (human, agent) = (self.key("h"), self.key("a"));
        let (prompt, one, two) = (self.text(), self.content(), self.content());
        let parent = last.filter(|turn| turn.turn.role == TurnRole::Agent);
        let parent = parent.map_or("null".to_owned(), |turn| format!("'{}'", turn.turn.uid));
        let sql = format!(
            "insert into steps (agent_turn_uid, idx, tpe, content, created_at)
             values ('{agent}', 0, 1, '{one}', now()), ('{agent}', 1, 3, '{two}', now());
             insert into agent_turns (uid, session_uid, parent_uid, created_at)
             values ('{agent}', '{session}', '{human}', now());
             insert into human_turns (uid, session_uid, parent_uid, prompt, created_at)
             values ('{human}', '{session}', {parent}, '{prompt}', now())"
        );
        self.sql.run(sql).await;
    }

    async fn update_foreign(&mut self, turn: &SourceTurn) {
        let key = &turn.turn.uid;
        let sql = match (self.die(4), turn.turn.role) {
            (_, TurnRole::Human) => {
                format!("update human_turns set active_child = 'none' where uid = '{key}'")
            }
            (0, _) => format!("update agent_turns set liked = null where uid = '{key}'"),
            (1, _) => format!("update agent_turns set model = 'other' where uid = '{key}'"),
            // The content is not told again where it is stored apart.
            (2, _) => format!("update steps set tpe = 2 where agent_turn_uid = '{key}'"),
            _ => {
                let content = self.content();
                format!(
                    "update steps set content = '{content}' where agent_turn_uid = '{key}' and idx = 1"
                )
            }
        };
        self.sql.run(sql).await;
    }

    async fn delete_foreign(&mut self, turn: &SourceTurn) {
        let key = &turn.turn.uid;
        if turn.turn.role == TurnRole::Human {
            return self
                .sql
                .run(format!("delete from human_turns where uid = '{key}'"))
                .await;
        }
        if self.die(2) == 0 {
            let step = format!("delete from steps where agent_turn_uid = '{key}' and idx = 0");
            return self.sql.run(step).await;
        }
        self.sql
            .run(format!("delete from steps where agent_turn_uid = '{key}'"))
            .await;
        self.sql
            .run(format!("delete from agent_turns where uid = '{key}'"))
            .await;
    }

    async fn purge(&mut self, session: &Uid, turns: &[SourceTurn]) {
        let mut keys: Vec<String> = turns.iter().map(|t| format!("'{}'", t.turn.uid)).collect();
        keys.push("''".to_owned());
        let keys = keys.join(", ");
        self.sql
            .run(format!(
                "delete from steps where agent_turn_uid in ({keys})"
            ))
            .await;
        for table in ["agent_turns", "human_turns"] {
            self.sql
                .run(format!(
                    "delete from {table} where session_uid = '{session}'"
                ))
                .await;
        }
        self.sql
            .run(format!("delete from sessions where uid = '{session}'"))
            .await;
    }
}
