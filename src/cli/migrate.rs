//! `turngraph migrate up|status|wait|plan`.

use std::time::Duration;

use clap::Subcommand;
use tokio::time::Instant;

use super::exit::exit_code;
use super::{Settings, output};
use crate::app::App;
use crate::config::RecordUrl;
use crate::stores::migration::{MigrationState, UpOptions};

/// The exit code of a store that cannot be reached.
const UNAVAILABLE: u8 = 69;
/// The exit code of a schema that does not fit.
const WRONG_SCHEMA: u8 = 78;

/// The stores answer, and somebody has yet to run `migrate up`.
#[derive(Debug, thiserror::Error)]
#[error("the schema is not this program's yet; `turngraph migrate up` makes it so")]
struct SchemaPending;

/// What to do with the schema.
#[derive(Subcommand, Clone, Copy)]
pub(super) enum MigrateCommand {
    /// Bring the schema to this program's version; adopts an existing database in place.
    Up {
        /// Remove rows that are byte-identical repeats of others, instead of refusing.
        #[arg(long)]
        repair: bool,
        /// Wait this many seconds for stores that cannot be reached yet.
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        wait: u64,
    },
    /// Show which migrations are applied.
    Status,
    /// Wait until every store can be reached and has this program's schema; changes nothing.
    Wait {
        /// How long, in seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        within: u64,
    },
    /// Show what `up` would do, what it would refuse, and what other programs must not do.
    Plan,
}

pub(super) async fn run(
    command: MigrateCommand,
    settings: &Settings,
    json: bool,
) -> anyhow::Result<u8> {
    match command {
        MigrateCommand::Up { wait, .. } => {
            let up = || async { done(command, settings, json).await.map(Some) };
            until(wait, &[UNAVAILABLE], up).await
        }
        MigrateCommand::Wait { within } => {
            // A schema that somebody is making does not fit until it is made.
            let current = || async { Ok(is_current(settings).await?.then_some(0)) };
            until(within, &[UNAVAILABLE, WRONG_SCHEMA], current).await
        }
        MigrateCommand::Status | MigrateCommand::Plan => done(command, settings, json).await,
    }
}

/// Tries until there is an outcome, for as long as there is none yet, or an error of one of these exit
/// codes, and the time is not over. What else is wrong does not mend itself.
async fn until<F>(
    seconds: u64,
    passing: &[u8],
    mut attempt: impl FnMut() -> F,
) -> anyhow::Result<u8>
where
    F: Future<Output = anyhow::Result<Option<u8>>>,
{
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut told = String::new();
    loop {
        let missing = match attempt().await {
            Ok(Some(code)) => return Ok(code),
            Ok(None) => SchemaPending.into(),
            Err(error) if passing.contains(&exit_code(&error)) => error,
            Err(error) => return Err(error),
        };
        if Instant::now() >= end {
            if missing.is::<SchemaPending>() {
                output::tell(missing);
                return Ok(WRONG_SCHEMA);
            }
            return Err(missing);
        }
        // Said once for each cause, not every second.
        let why = super::said(&missing);
        if why != told {
            output::tell(format_args!("waiting: {why}"));
            told = why;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Whether all stores have the schema of this program, and none of a newer one.
async fn is_current(settings: &Settings) -> anyhow::Result<bool> {
    if matches!(&settings.record, RecordUrl::Sqlite(path) if !path.exists()) {
        return Ok(false);
    }
    let mut migrators = vec![App::migrator(settings).await?];
    migrators.extend(App::projection_migrator(settings).await?);
    for migrator in migrators {
        let status = migrator.status().await?;
        if status.is_empty() || status.iter().any(|m| m.state != MigrationState::Applied) {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn done(command: MigrateCommand, settings: &Settings, json: bool) -> anyhow::Result<u8> {
    // Looking makes no file.
    if let (RecordUrl::Sqlite(path), false) = (
        &settings.record,
        matches!(command, MigrateCommand::Up { .. }),
    ) && !path.exists()
    {
        output::line(format_args!(
            "{} is not there yet; `turngraph migrate up` makes it",
            path.display()
        ))?;
        return Ok(0);
    }
    let mut migrators = vec![("record", App::migrator(settings).await?)];
    if let Some(projections) = App::projection_migrator(settings).await? {
        migrators.push(("projections", projections));
    }
    let several = migrators.len() > 1;
    let mut refused = false;
    let mut all = serde_json::Map::new();
    for (name, migrator) in migrators {
        if several && !json {
            output::line(format_args!("{name}:"))?;
        }
        let report = match command {
            MigrateCommand::Up { repair, .. } => {
                told(&migrator.up(UpOptions { repair }).await?, json)?
            }
            MigrateCommand::Status | MigrateCommand::Wait { .. } => {
                let status = migrator.status().await?;
                let rows: Vec<String> = status.iter().map(ToString::to_string).collect();
                if !json {
                    output::line(rows.join("\n"))?;
                }
                serde_json::to_value(&status)?
            }
            MigrateCommand::Plan => {
                let plan = migrator.plan().await?;
                refused |= !plan.refusals.is_empty();
                told(&plan, json)?
            }
        };
        all.insert(name.into(), report);
    }
    if json && several {
        output::json(&all)?;
    } else if json {
        // One store, one report, as it was before there were projections.
        output::json(&all["record"])?;
    }
    Ok(if refused { 65 } else { 0 })
}

/// Shows a report to people, or gives it as JSON.
fn told<T: std::fmt::Display + serde::Serialize>(
    report: &T,
    json: bool,
) -> anyhow::Result<serde_json::Value> {
    if !json {
        output::line(report.to_string().trim_end())?;
    }
    Ok(serde_json::to_value(report)?)
}
