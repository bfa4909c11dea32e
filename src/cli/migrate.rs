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
    let migrator = App::migrator(settings).await?;
    match command {
        MigrateCommand::Up { repair } => {
            let report = migrator.up(UpOptions { repair }).await?;
            print(&report, json)?;
        }
        MigrateCommand::Status => {
            let status = migrator.status().await?;
            if json {
                output::json(&status)?;
            } else {
                let rows: Vec<String> = status.iter().map(ToString::to_string).collect();
                output::line(rows.join("\n"))?;
            }
        }
        MigrateCommand::Plan => {
            let plan = migrator.plan().await?;
            print(&plan, json)?;
            if !plan.refusals.is_empty() {
                return Ok(65);
            }
        }
    }
    Ok(0)
}

fn print<T: std::fmt::Display + serde::Serialize>(report: &T, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(report);
    }
    output::line(report.to_string().trim_end())?;
    Ok(())
}
