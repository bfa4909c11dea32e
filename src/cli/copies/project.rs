//! `turngraph project`: the worker that keeps projections and caches up to date.

use std::sync::Arc;

use crate::app::copies::{Copies, run_worker};
use crate::app::{self, App, StoreReadiness, meters};
use crate::cli::exit::UsageError;
use crate::cli::{Settings, output};
use crate::http::{health_routes, metrics_routes};
use crate::lifecycle::{self, Lifecycle};
use crate::projection::worker::WorkerState;
use crate::telemetry::Metrics;

pub(in crate::cli) async fn run(settings: &Settings) -> anyhow::Result<u8> {
    let app = App::open(settings, false).await?;
    let copies = Copies::open(settings, &app).await?;
    if !copies.any() || copies.private() {
        return Err(UsageError(
            "there is nothing to keep up to date: name projections (--cql) or a cache (--redis). \
             The embedded default needs no `project`: its server does it itself."
                .into(),
        )
        .into());
    }
    let listener = app::bind(settings.listen).await?;
    let lifecycle = Lifecycle::default();
    let feeds = Arc::new(app.feeds(settings).await?);
    output::tell(format_args!(
        "turngraph project reads changes by {}; health and metrics at http://{}/",
        feeds.name(),
        listener.local_addr()?
    ));
    app.spawn_numberer(&lifecycle);
    copies.spawn_followers(&lifecycle);
    let slot = feeds.slot();
    let worker = copies.worker(&app, settings, feeds);
    let mut state = worker.state();
    let stopping = lifecycle.stopping();
    lifecycle.spawn(async move {
        while state.changed().await.is_ok() {
            match &*state.borrow_and_update() {
                WorkerState::Standby => {
                    tracing::info!("another worker is at work; waiting to take over");
                }
                WorkerState::Opening(why) => {
                    tracing::info!(why = why.as_deref().unwrap_or("start"), "opening the feed");
                }
                other => tracing::info!(state = ?other, "the worker's state"),
            }
        }
    });
    let metrics = Metrics::install();
    meters::follow_copies(Arc::clone(&copies.counters), &lifecycle);
    meters::follow_worker(&worker, slot, &app, &lifecycle);
    let readiness = Arc::new(StoreReadiness::new(&app, &copies, Some(worker.state())));
    let routes = health_routes(readiness).merge(metrics_routes(move || metrics.render()));
    let stop = lifecycle.stopping();
    let server =
        axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await });
    let server = tokio::spawn(server.into_future());
    let mut work = tokio::spawn(run_worker(worker, stopping));
    let failed = tokio::select! {
        signal = lifecycle::signal() => { signal?; false }
        ended = &mut work => { ended?; true }
    };
    tracing::info!("stopping: what is under way is finished");
    let in_time = lifecycle.stop(settings.shutdown_grace).await;
    if !failed {
        tokio::time::timeout(settings.shutdown_grace, work)
            .await
            .ok();
    }
    server.abort();
    copies.close().await;
    app.record.close().await;
    Ok(if failed { 78 } else { u8::from(!in_time) })
}
