//! `turngraph rebuild`: fills a new generation of the projections and switches to it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::copies::Copies;
use crate::cli::exit::UsageError;
use crate::cli::{Settings, output};
use crate::lifecycle;
use crate::projection::rebuild::RebuildProgress;
use crate::projection::{Generations, Rebuild, RebuildOptions};

/// Options of `rebuild`.
#[derive(Args)]
pub(in crate::cli) struct RebuildArgs {
    /// Rest after every 200 sessions, in milliseconds: more is gentler to the stores.
    #[arg(long, default_value_t = 10, value_name = "MS")]
    pause: u64,
    /// Keep the old generation, to switch back to.
    #[arg(long)]
    keep_old: bool,
}

pub(in crate::cli) async fn run(
    args: RebuildArgs,
    settings: &Settings,
    json: bool,
) -> anyhow::Result<u8> {
    let app = App::open(settings, false).await?;
    let copies = Copies::open(settings, &app).await?;
    let Some((generations, _)) = &copies.projection else {
        return Err(UsageError("`rebuild` is for projections: name them with --cql".into()).into());
    };
    let options = RebuildOptions {
        pause: Duration::from_millis(args.pause),
        drop_old: !args.keep_old,
        ..RebuildOptions::default()
    };
    let of: Arc<dyn Generations> = Arc::clone(generations) as _;
    let rebuild = Rebuild::new(Arc::clone(&app.source), of, Arc::clone(&app.clock), options);
    let stop = CancellationToken::new();
    let on_signal = stop.clone();
    tokio::spawn(async move {
        if lifecycle::signal().await.is_ok() {
            on_signal.cancel();
        }
    });
    let mut told = None;
    let mut tell = |progress: &RebuildProgress| {
        let percent = progress.done * 100 / progress.total.max(1);
        let line = (progress.phase, percent);
        if told != Some(line) {
            told = Some(line);
            let eta = progress
                .eta_seconds
                .map_or(String::new(), |s| format!(", about {s} s left"));
            output::tell(format_args!(
                "generation {}: {:?}, {} of about {} sessions{eta}",
                progress.generation, progress.phase, progress.done, progress.total
            ));
        }
    };
    let report = rebuild.run(&mut tell, &stop).await?;
    if json {
        output::json(&report)?;
    } else if report.switched {
        output::line(format_args!(
            "generation {} is read now; {} sessions were copied",
            report.generation, report.sessions
        ))?;
    } else {
        output::line(format_args!(
            "stopped at {} sessions; run `turngraph rebuild` again to go on there",
            report.sessions
        ))?;
    }
    copies.close().await;
    app.record.close().await;
    Ok(u8::from(!report.switched))
}
