//! `turngraph bench layouts|indexes`: measurements on real servers that docs speak of.

use clap::{Args, Subcommand};

use super::{Settings, output};
use crate::app::App;

/// What to measure.
#[derive(Subcommand)]
pub(super) enum BenchCommand {
    /// Compare the product's CQL layout with one table a query, and with the record store. Writes
    /// into the keyspace of --cql with `_layouts` behind its name, and into --record: use a scratch
    /// database.
    Layouts(LayoutsArgs),
    /// Measure each index of a PostgreSQL record store with and without: its read, bytes of log a
    /// row, size. Fills --record with generated rows: use an empty scratch database, migrated, on a
    /// server with full_page_writes off.
    Indexes(IndexesArgs),
}

/// Options of `bench layouts`.
#[derive(Args)]
pub(super) struct LayoutsArgs {
    /// Numbers of turns of the conversations.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [10, 100, 1_000, 10_000])]
    #[arg(value_parser = clap::value_parser!(i32).range(4..=100_000))]
    turns: Vec<i32>,
    /// Reads for each figure; slow ones get fewer.
    #[arg(long, value_name = "N", default_value_t = 300)]
    repeats: usize,
}

/// Options of `bench indexes`.
#[derive(Args)]
pub(super) struct IndexesArgs {
    /// Sessions to generate, each with ten turns and 15 steps.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    sessions: u32,
    /// Reads for each figure; slow ones get fewer.
    #[arg(long, value_name = "N", default_value_t = 101)]
    repeats: usize,
}

pub(super) async fn run(
    command: BenchCommand,
    settings: &Settings,
    json: bool,
) -> anyhow::Result<u8> {
    match command {
        BenchCommand::Layouts(args) => {
            let report = App::compare_layouts(settings, args.turns, args.repeats).await?;
            reported(&report, json)?;
        }
        BenchCommand::Indexes(args) => {
            let report = App::measure_indexes(settings, args.sessions, args.repeats).await?;
            reported(&report, json)?;
        }
    }
    Ok(0)
}

fn reported(
    report: &(impl serde::Serialize + std::fmt::Display),
    json: bool,
) -> anyhow::Result<()> {
    if json {
        output::json(report)
    } else {
        Ok(output::text(&report.to_string())?)
    }
}
