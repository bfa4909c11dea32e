//! `turngraph import`: conversations of files into the record store.
//!
//! Exit codes: 0 everything was imported or there already, 65 something was broken and left out
//! (the report says what and why), otherwise those of the store.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::domain::{Clock, Uid};
use crate::stores::RecordStore;
use crate::transfer::{
    Format, ImportReport, ImportRequest, Progress, SkipKind, TransferContext, import,
};

/// Exit code when something was broken, `EX_DATAERR` of sysexits.
const DATA_ERROR: u8 = 65;

/// Entries of each kind that are printed one by one; `--json` has all.
const SHOWN_MAX: usize = 20;

/// Options of `import`.
#[derive(Args)]
pub(super) struct ImportArgs {
    /// Account that the sessions belong to.
    #[arg(long, value_name = "UID", value_parser = parse_uid)]
    account: Uid,
    /// Format of the files; `auto` tells it from what they hold.
    #[arg(
        long,
        default_value = "auto",
        value_parser = ["auto", "chatgpt", "librechat", "chatbotui", "openwebui", "oasst", "ndjson"]
    )]
    format: String,
    /// Files to import. Importing a file again changes nothing.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// A key on the command line.
pub(super) fn parse_uid(text: &str) -> Result<Uid, String> {
    Uid::parse(text).map_err(|error| error.to_string())
}

pub(super) async fn run(
    args: ImportArgs,
    record: Arc<dyn RecordStore>,
    clock: Arc<dyn Clock>,
    json: bool,
) -> anyhow::Result<u8> {
    let request = ImportRequest {
        account: args.account,
        paths: args.paths,
        format: Format::from_name(&args.format),
    };
    let ctx = TransferContext { record, clock };
    let bar = bar();
    let imported = import(&ctx, &request, &|progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    let report = match imported {
        Ok(report) => report,
        Err(error) => {
            print(&error.report, json)?;
            return Err(error.into());
        }
    };
    print(&report, json)?;
    Ok(if report.has_broken() { DATA_ERROR } else { 0 })
}

/// A bar where a person looks, nothing where a program does.
fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {eta} {msg}");
    ProgressBar::new(0).with_style(style.expect("the template is sound"))
}

fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.bytes_total);
    bar.set_position(progress.bytes);
    bar.set_message(format!("{} conversations", progress.conversations));
}

fn print(report: &ImportReport, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(report);
    }
    let mut lines = vec![format!(
        "imported {} sessions: {} human turns, {} agent turns, {} steps, {} scores",
        report.sessions, report.human_turns, report.agent_turns, report.steps, report.scores
    )];
    if report.sessions_completed > 0 {
        let completed = report.sessions_completed;
        lines.push(format!("completed {completed} sessions that were there"));
    }
    for (kind, what) in [
        (SkipKind::Present, "already present"),
        (
            SkipKind::Technical,
            "technical messages left out (roots, system, hidden)",
        ),
    ] {
        let count = report.skipped_of(kind);
        if count > 0 {
            lines.push(format!("{what}: {count}"));
        }
    }
    let repaired = report
        .repaired
        .iter()
        .map(|entry| (&entry.place, &entry.reason));
    list(&mut lines, "put right", repaired.collect());
    let broken = report
        .skipped
        .iter()
        .filter(|entry| entry.kind == SkipKind::Broken)
        .map(|entry| (&entry.place, &entry.reason));
    list(&mut lines, "left out because broken", broken.collect());
    output::line(lines.join("\n"))?;
    Ok(())
}

fn list(lines: &mut Vec<String>, what: &str, entries: Vec<(&String, &String)>) {
    if entries.is_empty() {
        return;
    }
    lines.push(format!("{what}: {}", entries.len()));
    let shown = entries.iter().take(SHOWN_MAX);
    lines.extend(shown.map(|(place, reason)| format!("  {place}: {reason}")));
    if entries.len() > SHOWN_MAX {
        let more = entries.len() - SHOWN_MAX;
        lines.push(format!("  and {more} more; --json lists all"));
    }
}
