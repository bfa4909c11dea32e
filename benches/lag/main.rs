//! From a commit in PostgreSQL to the projections, under a steady load, and the way back after a
//! stop of the projector.
//!
//! `lag --record URL --cql URL --turngraph PROGRAM --rate N [--seconds S] [--backlog-seconds T]
//! [--feed SOURCE] [--watch NAME=PID,…]`: starts `PROGRAM project`, inserts N rows a second for S
//! seconds by plain SQL, and prints the lag's p50/p99/max, measured as `reached.rs` says, with the
//! CPU of every process as share of one core. Then it stops the projector, writes what T seconds
//! of the load are as fast as PostgreSQL takes it, starts the projector again while the load goes
//! on at its rate, and prints how long it takes until nothing is older than three seconds.
//! `benches/lag.sh` starts the servers and calls it.

mod load;
mod processes;
mod reached;
#[path = "../measure/times.rs"]
mod times;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use turngraph::domain::{Clock, SystemClock};
use turngraph::stores::ProjectionStore;
use turngraph::stores::cql::{CqlOptions, CqlProjection};

use self::load::{Pace, Written};
use self::processes::{Projector, Watched, shares};
use self::reached::Reached;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Nothing older than this: the projector has caught up.
const FRESH: Duration = Duration::from_secs(3);
/// How long it may take to start the projector, or to catch up.
const PATIENCE: Duration = Duration::from_secs(600);
/// Seconds of load before the figures are taken: a Java server is slow at first.
const WARM_UP: usize = 20;

struct Bench {
    url: String,
    program: String,
    arguments: Vec<String>,
    watched: Watched,
    reached: Arc<Reached>,
    over: CancellationToken,
}

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|given| given != name);
    arguments.nth(1)
}

fn number(name: &str) -> Option<usize> {
    argument(name)?.parse().ok()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(url) = argument("--record") else {
        // `cargo bench` and `cargo test --benches` start it without arguments.
        println!("usage: lag --record URL --cql URL --turngraph PROGRAM --rate N (see the file)");
        return Ok(());
    };
    let cql = argument("--cql").context("--cql is missing")?;
    let feed = argument("--feed").unwrap_or_else(|| "pgoutput".to_owned());
    let options = CqlOptions {
        // A reader that gives up early would leave the longest times out.
        read_timeout: Duration::from_secs(5),
        ..CqlOptions::parse(&cql).map_err(anyhow::Error::msg)?
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store: Arc<dyn ProjectionStore> = Arc::new(CqlProjection::open(&options, 1, clock).await?);
    let over = CancellationToken::new();
    let mut bench = Bench {
        program: argument("--turngraph").context("--turngraph is missing")?,
        arguments: ["--record", &url, "--cql", &cql, "--feed", &feed]
            .map(str::to_owned)
            .to_vec(),
        watched: Watched::parse(&argument("--watch").unwrap_or_default())?,
        reached: Reached::watch(store, &over),
        url,
        over,
    };
    let rate = number("--rate").unwrap_or(1_000);
    let mut projector = bench.projector()?;
    bench.steady(rate, WARM_UP).await?;
    bench.fresh().await?;
    bench.reached.take();
    bench
        .sustained(rate, number("--seconds").unwrap_or(60), &feed)
        .await?;
    if let Some(seconds) = number("--backlog-seconds").filter(|seconds| *seconds > 0) {
        projector.stop()?;
        projector = bench.caught_up(rate, seconds, &feed).await?;
    }
    bench.over.cancel();
    projector.stop()
}

impl Bench {
    fn projector(&mut self) -> anyhow::Result<Projector> {
        let projector = Projector::start(&self.program, &self.arguments)?;
        self.watched.projector(projector.pid());
        Ok(projector)
    }

    async fn steady(&self, rate: usize, seconds: usize) -> anyhow::Result<Written> {
        let pace = Pace {
            rate: Some(rate),
            rows: Some(rate * seconds),
        };
        load::run(&self.url, pace, &self.reached, &self.over).await
    }

    /// Waits until the projections have everything that is not quite new.
    async fn fresh(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while self.reached.behind() >= FRESH {
            anyhow::ensure!(
                begun.elapsed() < PATIENCE,
                "the projections are {:.0} s behind and do not catch up",
                self.reached.behind().as_secs_f64()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(begun.elapsed())
    }

    async fn sustained(&self, rate: usize, seconds: usize, feed: &str) -> anyhow::Result<()> {
        let (cpu, begun) = (self.watched.ticks()?, Instant::now());
        let written = self.steady(rate, seconds).await?;
        let took = begun.elapsed().as_secs_f64();
        let shares = shares(&cpu, &self.watched.ticks()?, took, written.rows);
        // What is under way belongs to the figures, too.
        while self.reached.behind() > Duration::ZERO {
            anyhow::ensure!(
                begun.elapsed() < PATIENCE,
                "the projections do not catch up"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let seen = self.reached.take();
        println!(
            "feed={feed} rate={rate} rows={} transactions={} rows_per_s={:.0} load_late_max={:.0} ms",
            written.rows,
            written.transactions,
            written.rows as f64 / took,
            written.late.as_secs_f64() * 1_000.0,
        );
        println!("  readable, p50/p99/max: {}", seen.readable);
        println!("  known by the watermark: {}", seen.known);
        println!("  CPU of one core (and of a row): {shares}");
        Ok(())
    }

    async fn caught_up(
        &mut self,
        rate: usize,
        seconds: usize,
        feed: &str,
    ) -> anyhow::Result<Projector> {
        let pace = Pace {
            rate: None,
            rows: Some(rate * seconds),
        };
        let begun = Instant::now();
        let backlog = load::run(&self.url, pace, &self.reached, &self.over).await?;
        let took = begun.elapsed().as_secs_f64();
        println!(
            "feed={feed} rate={rate} backlog={} rows, written in {took:.0} s",
            backlog.rows
        );
        // A backlog that was written in no time has to grow old first.
        while self.reached.behind() < FRESH {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.reached.take();
        let enough = CancellationToken::new();
        let (url, reached, ended) = (self.url.clone(), Arc::clone(&self.reached), enough.clone());
        let pace = Pace {
            rate: Some(rate),
            rows: None,
        };
        let going_on = tokio::spawn(async move { load::run(&url, pace, &reached, &ended).await });
        let projector = self.projector()?;
        let cpu = self.watched.ticks()?;
        let took = self.fresh().await?.as_secs_f64();
        let rows = self.reached.take().rows;
        let shares = shares(&cpu, &self.watched.ticks()?, took, rows);
        enough.cancel();
        let meanwhile = going_on.await??;
        println!(
            "  back under {} s after {took:.1} s, with {} rows of the load meanwhile: {:.0} rows/s",
            FRESH.as_secs(),
            meanwhile.rows,
            rows as f64 / took,
        );
        println!("  CPU of one core (and of a row): {shares}");
        Ok(projector)
    }
}
