//! `turngraph bench layouts`: measurements on real servers that docs speak of.

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

pub(super) async fn run(
    command: BenchCommand,
    settings: &Settings,
    json: bool,
) -> anyhow::Result<u8> {
    let BenchCommand::Layouts(args) = command;
    let report = App::compare_layouts(settings, args.turns, args.repeats).await?;
    if json {
        output::json(&report)?;
    } else {
        output::text(&report.to_string())?;
    }
    Ok(0)
}
