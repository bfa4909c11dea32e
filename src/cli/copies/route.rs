//! `turngraph route`: which share of reads projections answer, changed while servers run.

use clap::Args;

use crate::app::App;
use crate::app::route::Route;
use crate::cli::{Settings, output};

/// Options of `route`; without any, the route is shown.
#[derive(Args)]
pub(in crate::cli) struct RouteArgs {
    /// Share of EVENTUAL reads that projections answer, in per cent (0 to 100).
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    cql_share: Option<u8>,
    /// Share of reads from projections that are compared with the record store, in per cent.
    #[arg(long, value_name = "PERCENT")]
    shadow_reads: Option<f64>,
    /// Forget what was set here; the configuration of each server counts again.
    #[arg(long, conflicts_with_all = ["cql_share", "shadow_reads"])]
    reset: bool,
}

pub(in crate::cli) async fn run(
    args: RouteArgs,
    settings: &Settings,
    json: bool,
) -> anyhow::Result<u8> {
    let app = App::open(settings, false).await?;
    let mut route = Route::read(&*app.source).await?;
    if args.reset {
        route = Route::default();
    }
    route.cql_share = args.cql_share.or(route.cql_share);
    route.shadow_reads = args.shadow_reads.or(route.shadow_reads);
    if args.reset || args.cql_share.is_some() || args.shadow_reads.is_some() {
        route.write(&*app.source).await?;
    }
    if json {
        output::json(&route)?;
    } else {
        output::line(route.to_string())?;
    }
    app.record.close().await;
    Ok(0)
}
