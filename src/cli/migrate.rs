//! `turngraph migrate up|status|plan`.

use clap::Subcommand;

use super::{Settings, output};
use crate::app::App;
use crate::config::RecordUrl;
use crate::stores::migration::UpOptions;

/// What to do with the schema.
#[derive(Subcommand)]
pub(super) enum MigrateCommand {
    /// Bring the schema to this program's version; adopts an existing database in place.
    Up {
        /// Remove rows that are byte-identical repeats of others, instead of refusing.
        #[arg(long)]
        repair: bool,
    },
    /// Show which migrations are applied.
    Status,
    /// Show what `up` would do, what it would refuse, and what other programs must not do.
    Plan,
}

pub(super) async fn run(
    command: MigrateCommand,
    settings: &Settings,
    json: bool,
) -> anyhow::Result<u8> {
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
            MigrateCommand::Up { repair } => told(&migrator.up(UpOptions { repair }).await?, json)?,
            MigrateCommand::Status => {
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
