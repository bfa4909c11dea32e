//! `turngraph export`: the sessions of an account to standard output or a file.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::import::parse_uid;
use super::output;
use crate::domain::Uid;
use crate::stores::RecordStore;
use crate::transfer::export::{ExportError, ExportFormat, ExportReport, export};

/// Options of `export`.
#[derive(Args)]
pub(super) struct ExportArgs {
    /// Account whose sessions are exported.
    #[arg(long, value_name = "UID", value_parser = parse_uid)]
    account: Uid,
    /// `ndjson` holds everything and imports without loss; `chatgpt` holds what is visible, in the
    /// shape of ChatGPT's own export.
    #[arg(long, default_value = "ndjson", value_parser = ["ndjson", "chatgpt"])]
    format: String,
    /// File to write; it appears only when the export is whole [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(
    args: ExportArgs,
    record: Arc<dyn RecordStore>,
    json: bool,
) -> anyhow::Result<u8> {
    let format = match args.format.as_str() {
        "chatgpt" => ExportFormat::Chatgpt,
        _ => ExportFormat::Ndjson,
    };
    let report = match &args.output {
        Some(path) => to_file(path, &args.account, format, &*record).await?,
        None => {
            let mut out = BufWriter::with_capacity(1 << 20, io::stdout());
            match export(&*record, &args.account, format, &mut out).await {
                // Whoever reads has seen enough.
                Err(ExportError::Write(error)) => {
                    output::finished(Err(error))?;
                    return Ok(0);
                }
                exported => exported?,
            }
        }
    };
    // Standard output is the export itself, so the report goes to standard error.
    if json {
        output::tell(serde_json::to_string_pretty(&report)?);
    } else {
        let ExportReport {
            sessions,
            turns,
            steps,
        } = report;
        output::tell(format_args!(
            "exported {sessions} sessions: {turns} turns, {steps} steps"
        ));
    }
    Ok(0)
}

/// Writes beside the file and puts it in its place at the end, so that no half export is taken
/// for a whole one.
async fn to_file(
    path: &Path,
    account: &Uid,
    format: ExportFormat,
    record: &dyn RecordStore,
) -> anyhow::Result<ExportReport> {
    let mut name = path
        .file_name()
        .context("the output must name a file")?
        .to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let place = || format!("the export cannot be written to {}", path.display());
    let file = fs::File::create(&part).with_context(place)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let written = export(record, account, format, &mut out).await;
    let flushed = out.flush();
    drop(out);
    let report = match (written, flushed) {
        (Ok(report), Ok(())) => report,
        (written, flushed) => {
            // What is half written is of no use; a failure to remove it changes nothing.
            drop(fs::remove_file(&part));
            flushed.with_context(place)?;
            return Ok(written?);
        }
    };
    fs::rename(&part, path).with_context(place)?;
    Ok(report)
}
