//! The comparison behind `turngraph bench layouts`: the product's layout (a partition a session)
//! beside the one that was sketched first (a table a query, a partition a turn), and the record
//! store, on the same data.
//!
//! The other layout lives here only; no part of the product reads or writes it.

mod alternative;
mod cost;
mod product;
mod record;
mod report;
mod sample;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use scylla::client::session::Session;

use super::error::{corrupt, failure, store_error};
use super::{CqlOptions, connect::connect};
use crate::domain::Clock;
use crate::stores::record::StoreResult;
use crate::stores::{RecordStore, StoreErrorKind};
pub use report::{AppendCost, LayoutReport, LayoutsReport, Measured};
use sample::Sample;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A whole conversation with every prompt and step.
    Conversation,
    /// The first 20 sessions of an account with their titles.
    History,
    /// The turns that answer the same turn as one does.
    Branches,
    /// The steps of one turn.
    Steps,
}

impl Operation {
    const ALL: [Self; 4] = [
        Self::Conversation,
        Self::History,
        Self::Branches,
        Self::Steps,
    ];
}

/// Sessions in the account's history, beside those that are measured.
const HISTORY: usize = 200;
/// Sessions on a page of it.
const PAGE: usize = 20;
/// Reads of each layout before a figure is taken.
const WARM_UP: usize = 20;
/// Longest time spent on one read in all layouts; a slow one gets fewer repeats.
const FIGURE_MAX: Duration = Duration::from_secs(20);

/// What to measure.
pub struct LayoutsPlan {
    /// Numbers of turns of the conversations.
    pub turns: Vec<i32>,
    /// Reads for each figure, where they are done in time.
    pub repeats: usize,
}

/// A place where the same conversations are, in one form or another.
#[async_trait]
trait Layout: Send + Sync {
    /// Name in the report.
    fn name(&self) -> &'static str;

    /// Writes a conversation, as appends would leave it.
    async fn load(&self, sample: &Sample) -> StoreResult<()>;

    /// Writes the last exchange of a conversation; what was sent.
    async fn append(&self, sample: &Sample) -> StoreResult<AppendCost>;

    /// Does one read; the number of things that it found.
    async fn read(&self, operation: Operation, sample: &Sample) -> StoreResult<usize>;

    /// Requests that the store has served so far.
    async fn requests(&self) -> StoreResult<u64>;
}

/// Loads the same data into both layouts, in a keyspace of its own beside that of the URL, and into
/// the record store, and measures them. The keyspace is left for looking at files; name it again
/// and it is refused.
pub async fn compare(
    options: &CqlOptions,
    record: Arc<dyn RecordStore>,
    clock: Arc<dyn Clock>,
    plan: &LayoutsPlan,
) -> StoreResult<LayoutsReport> {
    let options = CqlOptions {
        keyspace: format!("{}_layouts", options.keyspace),
        ..options.clone()
    };
    let run = clock.now().0;
    let layouts: [Box<dyn Layout>; 3] = [
        Box::new(product::Product::prepare(&options, clock).await?),
        Box::new(alternative::Alternative::prepare(&options).await?),
        Box::new(record::Record::new(record)),
    ];
    let samples: Vec<Sample> = plan
        .turns
        .iter()
        .map(|turns| Sample::new(run, &turns.to_string(), *turns))
        .collect();
    let mut reports = Vec::new();
    for layout in &layouts {
        reports.push(load(layout.as_ref(), run, &samples).await?);
    }
    for sample in &samples {
        for operation in Operation::ALL {
            let figures = figures(&layouts, operation, sample, plan.repeats).await?;
            for (report, figure) in reports.iter_mut().zip(figures) {
                report.reads.push(figure);
            }
        }
    }
    Ok(LayoutsReport {
        keyspace: options.keyspace,
        layouts: reports,
    })
}

/// Fills a layout, and appends to each conversation.
async fn load(layout: &dyn Layout, run: i64, samples: &[Sample]) -> StoreResult<LayoutReport> {
    for number in 0..HISTORY {
        let short = Sample::new(run, &format!("history-{number}"), 2);
        layout.load(&short).await?;
    }
    let mut report = LayoutReport {
        layout: layout.name(),
        append: AppendCost::default(),
        reads: Vec::new(),
    };
    for sample in samples {
        layout.load(sample).await?;
        report.append = layout.append(sample).await?;
        report.append.turns = sample.turn_count();
    }
    Ok(report)
}

/// One read in every layout, in turns, so that neither a warming server nor the machine's other
/// work favours one of them.
async fn figures(
    layouts: &[Box<dyn Layout>],
    operation: Operation,
    sample: &Sample,
    repeats: usize,
) -> StoreResult<Vec<Measured>> {
    // What the first reads find is checked and not measured: caches are cold.
    for layout in layouts {
        let (name, wanted) = (layout.name(), sample.expected(operation));
        for _ in 0..WARM_UP.min(repeats) {
            let found = layout.read(operation, sample).await?;
            if found != wanted {
                let message = format!("{name}: {operation:?} found {found} instead of {wanted}");
                return Err(failure(StoreErrorKind::Bug, "bench", message));
            }
        }
    }
    let mut before = Vec::new();
    for layout in layouts {
        before.push(layout.requests().await?);
    }
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); layouts.len()];
    let start = Instant::now();
    for round in 0..repeats {
        if round >= 5 && start.elapsed() > FIGURE_MAX {
            break;
        }
        for (layout, times) in layouts.iter().zip(&mut times) {
            let from = Instant::now();
            layout.read(operation, sample).await?;
            times.push(from.elapsed());
        }
    }
    let mut figures = Vec::new();
    for ((layout, mut times), before) in layouts.iter().zip(times).zip(before) {
        let requests = layout.requests().await? - before;
        times.sort_unstable();
        let micros = |part: usize| {
            let time = times[(times.len() - 1) * part / 100];
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        };
        figures.push(Measured {
            turns: sample.turn_count(),
            operation,
            requests_tenths: requests * 10 / times.len() as u64,
            repeats: times.len(),
            p50_us: micros(50),
            p99_us: micros(99),
        });
    }
    Ok(figures)
}

/// Reads or writes of tables that a server counted, by the names' beginning.
async fn served(session: &Session, keyspace: &str, tables: &[&str]) -> StoreResult<u64> {
    let cql = "select keyspace_name, table_name, count from system_views.local_read_latency";
    let answer = session
        .query_unpaged(cql, ())
        .await
        .map_err(|error| store_error("bench", error))?;
    let answer = answer
        .into_rows_result()
        .map_err(|error| corrupt("bench", error))?;
    let mut sum = 0;
    for row in answer
        .rows::<(&str, &str, i64)>()
        .map_err(|error| corrupt("bench", error))?
    {
        let (of, table, count) = row.map_err(|error| corrupt("bench", error))?;
        if of == keyspace && tables.contains(&table) {
            sum += u64::try_from(count).unwrap_or(0);
        }
    }
    Ok(sum)
}

/// A session of the driver for the bench, with the deadlines of a rebuild.
async fn connected(options: &CqlOptions) -> StoreResult<Session> {
    connect(options).await
}
