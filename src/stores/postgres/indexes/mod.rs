//! The measurement behind `turngraph bench indexes`: what each index of the record store gains for
//! the statement that needs it, and what it costs each row that is written.
//!
//! Fills an empty database with generated rows. An index is taken away in a transaction that is
//! rolled back, so that both figures are of the same data. The statements are the program's own,
//! with the plan that is made once for all parameters, as the program's connections have it.

mod cases;
mod data;
mod report;

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use self::cases::{CASES, Case, Read};
pub use self::report::{IndexReport, IndexesReport};
use super::error::store_error;
use crate::stores::record::StoreResult;
use crate::stores::{StoreError, StoreErrorKind, StoreKind};

/// Longest time for the repetitions of one read; a slow one gets fewer.
const FIGURE_MAX: Duration = Duration::from_secs(5);

/// Rows of an insert.
const ROWS: u64 = 1_000;

/// Inserts of which the cheapest counts: pages that are split are chance.
const INSERTS: usize = 3;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct IndexesPlan {
    /// Sessions that are generated, each with ten turns and 15 steps.
    pub sessions: u32,
    /// Repetitions of each read.
    pub repeats: usize,
}

/// Fills the database at `url` and measures every index. Refused where there are sessions already.
pub async fn measure(url: &str, plan: IndexesPlan) -> StoreResult<IndexesReport> {
    let options = PgConnectOptions::from_str(url).map_err(|error| failed("connect", error))?;
    // That a statement is slow without its index is what is measured.
    let connect = options.disable_statement_logging().connect().await;
    let mut connection = connect.map_err(|error| failed("connect", error))?;
    let it = &mut connection;
    run(it, super::CONNECTION_SETTINGS).await?;
    run(
        it,
        "set jit = off; set plan_cache_mode = force_generic_plan",
    )
    .await?;
    let there: bool = one(it, "select exists (select from sessions)").await?;
    if there {
        return Err(wrong(
            "there are sessions already; name an empty database, the measurement fills it",
        ));
    }
    all_are_measured(it).await?;
    for step in data::steps(plan.sessions) {
        run(it, &step).await?;
    }
    run(it, "vacuum analyze").await?;
    let mut indexes = Vec::with_capacity(CASES.len());
    for case in CASES {
        indexes.push(measured(it, case, plan.repeats).await?);
    }
    let report = IndexesReport {
        server: one(it, "select current_setting('server_version')").await?,
        full_page_writes: one(it, "select current_setting('full_page_writes')").await?,
        sessions: plan.sessions,
        indexes,
    };
    connection
        .close()
        .await
        .map_err(|error| failed("close", error))?;
    Ok(report)
}

/// An index that nobody measures would be kept for ever.
async fn all_are_measured(it: &mut PgConnection) -> StoreResult<()> {
    // Keys of turngraph's own tables are what its rows are found and told apart by.
    let indexes = "select c.relname::text from pg_index i join pg_class c on c.oid = i.indexrelid
        join pg_class t on t.oid = i.indrelid
        where t.relnamespace = current_schema()::regnamespace and (not i.indisprimary
            or t.relname in ('sessions', 'human_turns', 'agent_turns', 'steps'))
            and not exists (select from pg_constraint k
                where k.conindid = i.indexrelid and k.contype = 'u')
        order by 1";
    let found: Vec<String> = sqlx::query_scalar(indexes)
        .fetch_all(it)
        .await
        .map_err(|error| failed("list indexes", error))?;
    let unknown: Vec<&String> = found
        .iter()
        .filter(|name| CASES.iter().all(|case| case.index != *name))
        .collect();
    let gone: Vec<&str> = CASES
        .iter()
        .map(|case| case.index)
        .filter(|name| found.iter().all(|found| found != name))
        .collect();
    if unknown.is_empty() && gone.is_empty() {
        return Ok(());
    }
    Err(wrong(&format!(
        "the database and the list of measurements differ: {unknown:?} would not be measured, \
         {gone:?} are not there; run `turngraph migrate up` on an empty database"
    )))
}

async fn measured(it: &mut PgConnection, case: &Case, repeats: usize) -> StoreResult<IndexReport> {
    let size = format!("select pg_relation_size('{}')", case.index);
    let bytes: i64 = one(it, &size).await?;
    let wal = (
        wal_of(it, case, false).await?,
        wal_of(it, case, true).await?,
    );
    let (with, without) = match &case.read {
        Read::Nobody => (None, None),
        Read::Statement(..) => (
            Some(time_of(it, case, repeats, false).await?),
            Some(time_of(it, case, repeats, true).await?),
        ),
    };
    Ok(IndexReport {
        index: case.index,
        columns: case.columns,
        read: match &case.read {
            Read::Nobody => None,
            Read::Statement(statement, _) => Some(statement.name),
        },
        bytes: bytes.cast_unsigned(),
        // The difference of two inserts that share everything else.
        wal_bytes_per_row: (wal.0.cast_signed() - wal.1.cast_signed()) / ROWS.cast_signed(),
        p50_with_us: with,
        p50_without_us: without,
    })
}

/// Bytes of log of an insert of [`ROWS`] rows, with or without the index.
async fn wal_of(it: &mut PgConnection, case: &Case, without: bool) -> StoreResult<u64> {
    let mut least = u64::MAX;
    for _ in 0..INSERTS {
        begin(it, case, without).await?;
        let explain = format!(
            "explain (analyze, wal, costs off, timing off) {}",
            case.insert
        );
        let told = explained(it, explain).await?;
        let bytes = after(&told, "WAL: ").and_then(|line| after(line, "bytes="));
        let bytes = bytes.and_then(|text| number(text)?.parse().ok());
        least = least.min(bytes.ok_or_else(|| wrong("PostgreSQL tells no bytes of its log"))?);
        run(it, "rollback").await?;
    }
    Ok(least)
}

/// Median time of the read in microseconds, as the server measures it.
async fn time_of(
    it: &mut PgConnection,
    case: &Case,
    repeats: usize,
    without: bool,
) -> StoreResult<u64> {
    let Read::Statement(statement, arguments) = &case.read else {
        return Err(wrong("an index that nobody reads has no time"));
    };
    begin(it, case, without).await?;
    run(it, &format!("prepare bench as {}", statement.sql)).await?;
    let mut times = Vec::new();
    let begun = Instant::now();
    // The first one plans.
    while times.len() <= repeats && (times.len() < 3 || begun.elapsed() < FIGURE_MAX) {
        let explain = format!("explain (analyze, timing off) execute bench {arguments}");
        let told = explained(it, explain).await?;
        let time = after(&told, "Execution Time: ").and_then(number);
        let time: Option<f64> = time.and_then(|text| text.parse().ok());
        times.push(time.ok_or_else(|| wrong("PostgreSQL tells no execution time"))?);
    }
    run(it, "deallocate bench; rollback").await?;
    times.remove(0);
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2] * 1_000.0) as u64)
}

async fn begin(it: &mut PgConnection, case: &Case, without: bool) -> StoreResult<()> {
    run(it, "begin").await?;
    if !without {
        return Ok(());
    }
    let drop = match case.index.strip_suffix("_key") {
        // A primary key is taken away as a constraint.
        Some(of) if case.index != "turngraph_sessions_by_key" => format!(
            "alter table {} drop constraint {}",
            of.trim_start_matches("turngraph_"),
            case.index
        ),
        _ => format!("drop index {}", case.index),
    };
    run(it, &drop).await
}

async fn explained(it: &mut PgConnection, explain: String) -> StoreResult<String> {
    let lines = sqlx::query_scalar::<_, String>(AssertSqlSafe(explain))
        .persistent(false)
        .fetch_all(it)
        .await;
    lines
        .map(|lines| lines.join("\n"))
        .map_err(|error| failed("explain", error))
}

fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.split_once(word).map(|(_, rest)| rest)
}

fn number(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').next()
}

async fn run(it: &mut PgConnection, sql: &str) -> StoreResult<()> {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(it)
        .await;
    ran.map(drop).map_err(|error| failed("bench", error))
}

async fn one<T>(it: &mut PgConnection, sql: &str) -> StoreResult<T>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_one(it)
        .await
        .map_err(|error| failed("bench", error))
}

fn failed(action: &'static str, error: sqlx::Error) -> StoreError {
    store_error(action, error)
}

fn wrong(message: &str) -> StoreError {
    StoreError {
        kind: StoreErrorKind::Conflict,
        store: StoreKind::Postgres,
        action: "bench",
        message: message.to_owned(),
        source: None,
    }
}
