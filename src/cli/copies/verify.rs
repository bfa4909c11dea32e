//! `turngraph verify`: compares the projections with the record store.

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::copies::Copies;
use crate::cli::exit::UsageError;
use crate::cli::{Settings, output};
use crate::lifecycle;
use crate::projection::VerifyOptions;

/// Options of `verify`.
#[derive(Args)]
pub(in crate::cli) struct VerifyArgs {
    /// Mend what is wrong.
    #[arg(long)]
    repair: bool,
    /// Compare versions, types and times only, not prompts and contents.
    #[arg(long)]
    quick: bool,
}

pub(in crate::cli) async fn run(
    args: VerifyArgs,
    settings: &Settings,
    json: bool,
) -> anyhow::Result<u8> {
    let app = App::open(settings, false).await?;
    let copies = Copies::open(settings, &app).await?;
    let options = VerifyOptions {
        repair: args.repair,
        contents: !args.quick,
        ..VerifyOptions::default()
    };
    let Some(verify) = copies.verify(&app, options).await? else {
        return Err(UsageError("`verify` is for projections: name them with --cql".into()).into());
    };
    let stop = CancellationToken::new();
    let on_signal = stop.clone();
    tokio::spawn(async move {
        if lifecycle::signal().await.is_ok() {
            on_signal.cancel();
        }
    });
    let report = verify.run(&mut |_| {}, &stop).await?;
    if json {
        output::json(&report)?;
    } else {
        for finding in &report.findings {
            output::line(format_args!(
                "session {}: {}: {}",
                finding.session_uid, finding.row, finding.fault
            ))?;
        }
        output::line(format_args!(
            "{} sessions compared: {} wrong, {} mended, {} put aside; {} rows not reached yet{}",
            report.sessions,
            report.wrong,
            report.mended,
            report.quarantined,
            report.behind,
            if report.finished {
                ""
            } else {
                "; stopped before the end"
            },
        ))?;
    }
    copies.close().await;
    app.record.close().await;
    Ok(if report.wrong > report.mended { 65 } else { 0 })
}
