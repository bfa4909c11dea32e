//! The load: exchanges inserted by plain SQL, paced against a clock.
//!
//! An exchange is a human turn, an agent turn and five steps (seven inserted rows) and the new
//! `next_seq` of its session; a session gets ten, then another is begun. Addresses are given as
//! turngraph's own commands give them. Sessions belong to 1,024 accounts. Some exchanges share a transaction at high rates, so that
//! four connections commit at most 200 times a second together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use turngraph::domain::{Uid, UidSource, UuidV7Source};

use crate::reached::{Probe, Reached, Sent};

/// Connections that write.
const WRITERS: usize = 4;
/// Sessions that each of them writes to in turns.
const OPEN: usize = 64;
/// Exchanges in a session.
const EXCHANGES: i32 = 10;
/// Steps of an agent turn.
const STEPS: i32 = 5;
/// Rows of an exchange that are inserted.
const ROWS: usize = 2 + STEPS as usize;
/// Time between two transactions of a connection at least.
const TICK: f64 = 0.02;
/// Exchanges of a transaction at most, where nothing paces it.
const BATCH_MAX: usize = 100;

const SESSIONS: &str = "insert into sessions \
    (uid, account_uid, title, created_at, last_activity_at, next_seq) \
    select u, 'bench-' || (hashtext(u) & 1023), 'under load', clock_timestamp(), clock_timestamp(), 0 \
    from unnest($1::text[]) u";
const HUMANS: &str = "insert into human_turns \
    (uid, session_uid, parent_uid, active_child, prompt, created_at, seq) \
    select u, s, p, c, $5, clock_timestamp(), n \
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $6::int[]) t (u, s, p, c, n)";
const AGENTS: &str = "insert into agent_turns \
    (uid, session_uid, parent_uid, created_at, seq, status, finished_at, model) \
    select u, s, p, clock_timestamp(), n, 'complete', clock_timestamp(), 'bench-1' \
    from unnest($1::text[], $2::text[], $3::text[], $4::int[]) t (u, s, p, n)";
const STEPS_OF: &str = "insert into steps \
    (agent_turn_uid, idx, tpe, content, created_at, session_uid, turn_seq) \
    select u, i, 1, $4, clock_timestamp(), s, n \
    from unnest($1::text[], $2::text[], $3::int[]) t (u, s, n), generate_series(0, $5) i";
const NUMBERS: &str = "update sessions set next_seq = n, active_root = coalesce(active_root, r) \
    from unnest($1::text[], $2::int[], $3::text[]) t (u, n, r) where uid = u";
const PLACE: &str = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";

/// How the load goes.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Inserted rows a second; none: as fast as it goes.
    pub(crate) rate: Option<usize>,
    /// Inserted rows after which it ends.
    pub(crate) rows: Option<usize>,
}

/// What was written.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) rows: usize,
    pub(crate) transactions: usize,
    /// How late the latest transaction began.
    pub(crate) late: Duration,
}

/// Writes until `stop`, or until all rows of the pace are written.
pub(crate) async fn run(
    url: &str,
    pace: Pace,
    reached: &Arc<Reached>,
    stop: &CancellationToken,
) -> anyhow::Result<Written> {
    let mut tasks = Vec::new();
    for _ in 0..WRITERS {
        let mut writer = Writer {
            connection: PgConnection::connect(url).await?,
            open: VecDeque::new(),
            uids: UuidV7Source,
            reached: Arc::clone(reached),
        };
        let (pace, stop) = (pace.of_one(), stop.clone());
        tasks.push(tokio::spawn(async move { writer.write(pace, &stop).await }));
    }
    let mut all = Written::default();
    for task in tasks {
        let one = task.await??;
        all.rows += one.rows;
        all.transactions += one.transactions;
        all.late = all.late.max(one.late);
    }
    Ok(all)
}

impl Pace {
    fn of_one(self) -> Self {
        Self {
            rate: self.rate.map(|rate| rate.div_ceil(WRITERS)),
            rows: self.rows.map(|rows| rows.div_ceil(WRITERS)),
        }
    }

    /// Exchanges of one transaction.
    fn batch(self) -> usize {
        let of_tick = |rate: usize| (rate as f64 * TICK / ROWS as f64).round() as usize;
        self.rate
            .map_or(BATCH_MAX, |rate| of_tick(rate).clamp(1, BATCH_MAX))
    }
}

struct Open {
    uid: Uid,
    next_seq: i32,
    /// The last agent turn.
    last: Option<String>,
    root: String,
}

struct Writer {
    connection: PgConnection,
    open: VecDeque<Open>,
    uids: UuidV7Source,
    reached: Arc<Reached>,
}

/// Columns of the exchanges of one transaction.
#[derive(Default)]
struct Batch {
    new_sessions: Vec<String>,
    humans: Vec<String>,
    agents: Vec<String>,
    sessions: Vec<String>,
    parents: Vec<Option<String>>,
    human_seqs: Vec<i32>,
    agent_seqs: Vec<i32>,
    next_seqs: Vec<i32>,
    roots: Vec<String>,
}

impl Writer {
    async fn write(&mut self, pace: Pace, stop: &CancellationToken) -> anyhow::Result<Written> {
        let (begun, mut written) = (Instant::now(), Written::default());
        let prompt = "What would you do next, and why? ".repeat(5);
        let content = format!(r#"{{"text":"{}"}}"#, "lorem ipsum ".repeat(28));
        while !stop.is_cancelled() && pace.rows.is_none_or(|rows| written.rows < rows) {
            if let Some(rate) = pace.rate {
                let due = begun + Duration::from_secs_f64(written.rows as f64 / rate as f64);
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep_until(due.into()) => {}
                }
                written.late = written.late.max(due.elapsed());
            }
            let batch = self.batch(pace.batch());
            let rows = batch.humans.len() * ROWS + batch.new_sessions.len();
            self.commit(batch, &prompt, &content, rows).await?;
            written.rows += rows;
            written.transactions += 1;
        }
        Ok(written)
    }

    fn batch(&mut self, exchanges: usize) -> Batch {
        let mut batch = Batch::default();
        for _ in 0..exchanges {
            if self.open.len() < OPEN.max(exchanges) {
                let uid = self.uids.next();
                batch.new_sessions.push(uid.to_string());
                self.open.push_back(Open {
                    root: String::new(),
                    next_seq: 0,
                    last: None,
                    uid,
                });
                // Sessions of one transaction differ, so that each row is updated once.
                self.open.rotate_right(1);
            }
            let mut session = self.open.pop_front().expect("one was just opened");
            let (human, agent) = (self.uids.next().to_string(), self.uids.next().to_string());
            if session.next_seq == 0 {
                session.root.clone_from(&human);
            }
            batch.parents.push(session.last.replace(agent.clone()));
            batch.humans.push(human);
            batch.agents.push(agent);
            batch.sessions.push(session.uid.to_string());
            batch.roots.push(session.root.clone());
            batch.human_seqs.push(session.next_seq);
            batch.agent_seqs.push(session.next_seq + 1);
            session.next_seq += 2;
            batch.next_seqs.push(session.next_seq);
            if session.next_seq < 2 * EXCHANGES {
                self.open.push_back(session);
            }
        }
        batch
    }

    async fn commit(
        &mut self,
        batch: Batch,
        prompt: &str,
        content: &str,
        rows: usize,
    ) -> anyhow::Result<()> {
        let mut transaction = self.connection.begin().await?;
        let it = &mut *transaction;
        if !batch.new_sessions.is_empty() {
            let insert = sqlx::query(SESSIONS).bind(&batch.new_sessions);
            insert.execute(&mut *it).await?;
        }
        let insert = sqlx::query(HUMANS)
            .bind(&batch.humans)
            .bind(&batch.sessions);
        let insert = insert.bind(&batch.parents).bind(&batch.agents).bind(prompt);
        insert.bind(&batch.human_seqs).execute(&mut *it).await?;
        let insert = sqlx::query(AGENTS)
            .bind(&batch.agents)
            .bind(&batch.sessions);
        let insert = insert.bind(&batch.humans).bind(&batch.agent_seqs);
        insert.execute(&mut *it).await?;
        let insert = sqlx::query(STEPS_OF)
            .bind(&batch.agents)
            .bind(&batch.sessions);
        let insert = insert.bind(&batch.agent_seqs).bind(content).bind(STEPS - 1);
        insert.execute(&mut *it).await?;
        let update = sqlx::query(NUMBERS).bind(&batch.sessions);
        let update = update.bind(&batch.next_seqs).bind(&batch.roots);
        update.execute(&mut *it).await?;
        transaction.commit().await?;
        let at = Instant::now();
        let place: i64 = sqlx::query_scalar(PLACE)
            .fetch_one(&mut self.connection)
            .await?;
        let last = batch.sessions.last().zip(batch.agent_seqs.last());
        let (session, seq) = last.expect("a transaction has an exchange");
        self.reached.sent(Sent {
            at,
            place: u64::try_from(place)?,
            rows,
            probe: Probe {
                session: Uid::parse(session)?,
                seq: *seq,
                steps: usize::try_from(STEPS)?,
            },
        });
        Ok(())
    }
}
