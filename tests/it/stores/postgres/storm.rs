//! Old programs go on writing, as roles without privileges, while their database is adopted and
//! while turngraph numbers, reads and appends: nothing is lost and no error is theirs.
//!
//! Each old program changes and deletes rows of sessions of its own, in every order, because two
//! programs that lock each other's rows get deadlocks without turngraph too; and all insert into
//! the same shared sessions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sqlx::{Connection, PgConnection};
use turngraph::cdc::{ChangeFeed, ChangeLogFeed, FeedErrorKind, FeedEvent};
use turngraph::domain::Timestamp;
use turngraph::stores::postgres::PgRecordStore;
use turngraph::stores::record::{SessionPatch, TurnPatch};
use turngraph::stores::{ProjectionSource, RecordStore, StoreErrorKind};

use super::given::{filled, number, run, run_on, up};
use crate::cdc::model::Model;
use crate::support::postgres::Database;
use crate::support::rows::{human, uid, uids};

/// Old programs at work.
const WRITERS: u64 = 4;
/// Sessions of `given::ROWS` that everybody inserts into: `s-1` to `s-5`.
const SHARED: u64 = 5;

/// A small generator of numbers, so that a run repeats as far as threads allow.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What the old programs did and when to stop.
#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    transactions: AtomicU64,
    /// Turns that turngraph has appended.
    own: AtomicU64,
    errors: std::sync::Mutex<Vec<String>>,
    /// Nothing is written any more.
    settled: AtomicBool,
    /// Rows inserted minus rows deleted in turns and steps.
    balance: std::sync::atomic::AtomicI64,
}

/// One old program: its connection, its sessions, a source of keys.
struct OldProgram {
    connection: PgConnection,
    name: u64,
    random: Random,
    next: u64,
    /// Keys of its living sessions with those of their exchanges.
    sessions: Vec<(String, Vec<String>)>,
}

impl OldProgram {
    fn key(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}-{}-{}", self.name, self.next)
    }

    /// Statements that insert an exchange, children before parents, steps first or last. The
    /// human turn has the key `h` + the exchange's, the agent's `a` + it.
    fn exchange(&mut self, session: &str, parent: Option<&str>) -> (String, Vec<String>) {
        let key = self.key("x");
        let parent = parent.map_or("null".to_owned(), |parent| format!("'a{parent}'"));
        let large = "y".repeat(if self.random.below(8) == 0 { 9_000 } else { 20 });
        let mut statements = vec![
            format!(
                "insert into public.human_turns (uid, session_uid, parent_uid, active_child, \
                prompt, created_at) values ('h{key}', '{session}', {parent}, 'a{key}', '{large}', \
                clock_timestamp())"
            ),
            format!(
                "insert into public.agent_turns (uid, session_uid, parent_uid, created_at) \
                values ('a{key}', '{session}', 'h{key}', clock_timestamp())"
            ),
            format!(
                "insert into public.steps (agent_turn_uid, idx, tpe, content, created_at) \
                values ('a{key}', 0, 0, '{{}}', now()), ('a{key}', 1, 1, '{large}', now())"
            ),
        ];
        match self.random.below(3) {
            0 => statements.reverse(),
            1 => statements.swap(0, 2),
            _ => {}
        }
        (key, statements)
    }

    /// One transaction of some kind, as its statements.
    fn next_transaction(&mut self) -> Vec<String> {
        let choice = self.random.below(10);
        if self.sessions.len() < 3 || choice == 0 {
            return self.new_session();
        }
        let at = usize::try_from(self.random.below(self.sessions.len() as u64)).unwrap();
        let (session, exchanges) = self.sessions[at].clone();
        let last = exchanges.last().expect("a session has an exchange").clone();
        let rename =
            format!("update public.sessions set title = title || '.' where uid = '{session}'");
        let vote = format!(
            "update public.agent_turns set liked = not coalesce(liked, false) \
            where uid = 'a{last}'"
        );
        let point = format!(
            "update public.human_turns set active_child = 'a{last}' \
            where uid = 'h{last}'"
        );
        match choice {
            1 | 2 => {
                let shared = format!("s-{}", 1 + self.random.below(SHARED));
                self.exchange(&shared, None).1
            }
            3 => {
                let (key, statements) = self.exchange(&session, Some(&last));
                self.sessions[at].1.push(key);
                statements
            }
            4 => vec![rename, vote, point],
            5 => vec![point, vote, rename],
            6 => vec![
                format!(
                    "update public.steps set content = content || '!' \
                where agent_turn_uid = 'a{last}'"
                ),
                vote,
                rename,
            ],
            7 => {
                let account = if self.random.below(2) == 0 {
                    "alice"
                } else {
                    "bob"
                };
                vec![
                    vote,
                    format!(
                        "update public.sessions set account_uid = '{account}' \
                    where uid = '{session}'"
                    ),
                ]
            }
            8 if exchanges.len() > 1 => {
                self.sessions[at].1.pop();
                delete_exchange(&last, rename)
            }
            _ => {
                self.sessions.remove(at);
                delete_session(&session, self.random.below(2) == 0)
            }
        }
    }

    /// A session with two exchanges, the session itself last.
    fn new_session(&mut self) -> Vec<String> {
        let session = self.key("o");
        let (first, mut statements) = self.exchange(&session, None);
        let (second, more) = self.exchange(&session, Some(&first));
        statements.splice(0..0, more);
        statements.push(format!(
            "insert into public.sessions (uid, account_uid, title, created_at) \
            values ('{session}', 'alice', '', now())"
        ));
        self.sessions.push((session, vec![first, second]));
        statements
    }

    async fn work(mut self, progress: Arc<Progress>) {
        while !progress.stop.load(Ordering::Relaxed) {
            let statements = self.next_transaction();
            if let Err(error) = self.run(&statements, &progress).await {
                let text = format!("{error} in {}", statements.join("; "));
                progress.errors.lock().unwrap().push(text);
                return;
            }
            progress.transactions.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn run(&mut self, statements: &[String], progress: &Progress) -> Result<(), sqlx::Error> {
        // Half of the transactions are one for all statements, the others one for each.
        let whole = self.random.below(2) == 0;
        let mut transaction = self.connection.begin().await?;
        for statement in statements {
            let rows = run_on(&mut transaction, statement.as_str()).await?;
            let rows = i64::try_from(rows).unwrap();
            let change = match (
                statement.starts_with("insert"),
                statement.starts_with("delete"),
            ) {
                _ if statement.contains(" public.sessions ") && !statement.contains("turns") => 0,
                (true, _) => rows,
                (_, true) => -rows,
                _ => 0,
            };
            progress.balance.fetch_add(change, Ordering::Relaxed);
            if !whole {
                transaction.commit().await?;
                transaction = self.connection.begin().await?;
            }
        }
        transaction.commit().await
    }
}

/// Deletes an exchange bit by bit, and changes its session in between.
fn delete_exchange(key: &str, rename: String) -> Vec<String> {
    vec![
        format!("delete from public.steps where agent_turn_uid = 'a{key}' and idx = 0"),
        format!("delete from public.agent_turns where uid = 'a{key}'"),
        format!("delete from public.steps where agent_turn_uid = 'a{key}'"),
        rename,
        format!("delete from public.human_turns where uid = 'h{key}'"),
    ]
}

/// Deletes a session with all its rows, the session first or last.
fn delete_session(session: &str, first: bool) -> Vec<String> {
    let mut statements = vec![
        format!(
            "delete from public.steps where agent_turn_uid in (select uid from \
             public.agent_turns where session_uid = '{session}')"
        ),
        format!("delete from public.agent_turns where session_uid = '{session}'"),
        format!("delete from public.human_turns where session_uid = '{session}'"),
    ];
    let place = if first { 0 } else { 3 };
    let whole = format!("delete from public.sessions where uid = '{session}'");
    statements.insert(place, whole);
    statements
}

/// Starts the old programs, every second one with an empty search path.
async fn start(database: &Database, progress: &Arc<Progress>) -> Vec<tokio::task::JoinHandle<()>> {
    let role = format!("old_program_of_{}", database.name());
    run(
        database,
        format!(
            "create role {role} login; grant select, insert, update, delete \
            on sessions, human_turns, agent_turns, steps to {role}"
        ),
    )
    .await;
    let mut programs = Vec::new();
    for name in 0..WRITERS {
        let mut connection = PgConnection::connect(&database.url_of(&role))
            .await
            .unwrap();
        if name % 2 == 0 {
            run_on(&mut connection, "set search_path = pg_catalog")
                .await
                .unwrap();
        }
        let program = OldProgram {
            connection,
            name,
            random: Random(name + 1),
            next: 0,
            sessions: Vec::new(),
        };
        programs.push(tokio::spawn(program.work(Arc::clone(progress))));
    }
    programs
}

/// Waits until the old programs have done so many transactions more, and turngraph has appended so
/// many turns.
async fn wait_for_transactions(progress: &Progress, more: u64, own: u64) {
    let until = progress.transactions.load(Ordering::Relaxed) + more;
    while progress.transactions.load(Ordering::Relaxed) < until
        || progress.own.load(Ordering::Relaxed) < own
    {
        assert_eq!(*progress.errors.lock().unwrap(), Vec::<String>::new());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Appends to the shared sessions as commands do, until told to stop.
async fn append(store: Arc<PgRecordStore>, progress: Arc<Progress>) {
    while !progress.stop.load(Ordering::Relaxed) {
        let written = progress.own.load(Ordering::Relaxed);
        let session = uid(&format!("s-{}", 1 + written % SHARED));
        match append_one(&store, &session, written).await {
            Ok(()) => {
                progress.own.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => assert_eq!(error.kind, StoreErrorKind::Conflict, "{error}"),
        }
    }
}

async fn append_one(
    store: &PgRecordStore,
    session: &turngraph::domain::Uid,
    written: u64,
) -> turngraph::stores::record::StoreResult<()> {
    let mut transaction = store.begin().await?;
    let locked = transaction.session_lock(&uid("alice"), session).await?;
    let seq = locked.expect("shared sessions stay").next_seq;
    let turns = transaction.turns(session).await?;
    let now = Timestamp(1_800_000_000_000_000);
    let mut turn = human(&format!("own-{written}"), None, seq, "own");
    turn.turn.rev = now.0;
    transaction.turns_insert(session, &[turn]).await?;
    let patch = SessionPatch {
        next_seq: Some(seq + 1),
        ..SessionPatch::default()
    };
    transaction.session_update(session, &patch, now).await?;
    let newest = turns.last().expect("shared sessions have turns");
    let patch = TurnPatch {
        active_child: Some(None),
        ..TurnPatch::default()
    };
    transaction
        .turn_update((newest.role, &newest.uid), &patch, now)
        .await?;
    transaction.commit().await.map(|_| ())
}

/// Holds what the store shows against the tables, session by session.
async fn verify(database: &Database, store: &PgRecordStore) {
    let mut connection = database.connect().await;
    let sessions: Vec<(String, String, i32)> =
        sqlx::query_as("select uid, account_uid, next_seq from sessions")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let turns: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "select uid, session_uid, parent_uid from human_turns
         union all select uid, session_uid, parent_uid from agent_turns",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut expected: HashMap<String, HashSet<String>> = HashMap::new();
    for (uid, session, _) in &turns {
        expected
            .entry(session.clone())
            .or_default()
            .insert(uid.clone());
    }
    let purged: Vec<(String, i32)> = sqlx::query_as(
        "select session_uid, seq from purge_log where kind = 'turn' and seq is not null",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    for (session, account, next_seq) in &sessions {
        let found = store
            .turns_by_session(&uid(account), &uids(&[session]))
            .await
            .unwrap();
        let keys: HashSet<String> = found.iter().map(|row| row.turn.uid.to_string()).collect();
        assert_eq!(Some(&keys), expected.get(session), "{session}");
        // Numbers are dense but for those of turns that were deleted for good.
        let mut numbers: Vec<i32> = found.iter().map(|row| row.turn.seq).collect();
        numbers.extend(
            purged
                .iter()
                .filter(|(of, _)| of == session)
                .map(|(_, seq)| seq),
        );
        numbers.sort_unstable();
        assert_eq!(numbers, (0..*next_seq).collect::<Vec<_>>(), "{session}");
    }
    assert!(sessions.len() > 40, "only {} sessions", sessions.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn old_programs_go_on_through_adoption_and_after_without_an_error_or_a_loss() {
    let database = filled().await;
    let before = number(&database, ROW_COUNT).await;
    let progress = Arc::new(Progress::default());
    let programs = start(&database, &progress).await;
    wait_for_transactions(&progress, 100, 0).await;
    let report = up(&database).await.unwrap();
    assert!(
        report.applied.last().unwrap().starts_with("numbers for"),
        "{report}"
    );
    wait_for_transactions(&progress, 100, 0).await;
    let store = Arc::new(database.store().await);
    // Changes begin to be recorded in a table while everybody writes.
    let listener = tokio::spawn(listen(Arc::clone(&store), Arc::clone(&progress)));
    let own = tokio::spawn(append(Arc::clone(&store), Arc::clone(&progress)));
    let numbering = {
        let (store, progress) = (Arc::clone(&store), Arc::clone(&progress));
        tokio::spawn(async move {
            while !progress.stop.load(Ordering::Relaxed) {
                store.number_pending(100).await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
    };
    wait_for_transactions(&progress, 500, 30).await;
    progress.stop.store(true, Ordering::Relaxed);
    for program in programs {
        program.await.unwrap();
    }
    own.await.unwrap();
    numbering.await.unwrap();
    assert_eq!(*progress.errors.lock().unwrap(), Vec::<String>::new());
    let own = progress.own.load(Ordering::Relaxed);
    while store.number_pending(100).await.unwrap() > 0 {}
    assert_eq!(number(&database, UNNUMBERED).await, 0);
    assert_eq!(number(&database, DEADLOCKS).await, 0);
    let rows = before + progress.balance.load(Ordering::Relaxed) + i64::try_from(own).unwrap();
    assert_eq!(
        number(&database, ROW_COUNT).await,
        rows,
        "rows inserted less rows deleted"
    );
    verify(&database, &store).await;
    progress.settled.store(true, Ordering::Relaxed);
    listener.await.unwrap();
}

/// Hears every change from the moment on that they are recorded, and holds what it has heard
/// against the record when all is settled.
async fn listen(store: Arc<PgRecordStore>, progress: Arc<Progress>) {
    let log: Arc<dyn turngraph::stores::ChangeLog> = Arc::<PgRecordStore>::clone(&store);
    let mut feed = ChangeLogFeed::open(log).await.unwrap();
    let gap = feed.next().await.unwrap_err();
    assert_eq!(gap.kind, FeedErrorKind::Gap, "there were rows before");
    let mut model = Model::default();
    model.fill(&*store).await;
    let mut end = None;
    loop {
        if end.is_none() && progress.settled.load(Ordering::Relaxed) {
            end = Some(store.position().await.unwrap().value);
        }
        match feed.next().await.unwrap() {
            FeedEvent::Change(change) => model.apply(change, &*store).await,
            FeedEvent::Unreadable { row, problem, .. } => panic!("{row}: {problem}"),
            FeedEvent::Commit { position, .. } | FeedEvent::Idle { position, .. } => {
                feed.acknowledge(position).await.unwrap();
                if end.is_some_and(|end| position >= end) {
                    break;
                }
            }
        }
    }
    model.assert_is(&*store).await;
}

const ROW_COUNT: &str = "select (select count(*) from human_turns)
    + (select count(*) from agent_turns) + (select count(*) from steps)";
const UNNUMBERED: &str = "select (select count(*) from human_turns where seq is null)
    + (select count(*) from agent_turns where seq is null)";
const DEADLOCKS: &str = "select deadlocks from pg_stat_database where datname = current_database()";
