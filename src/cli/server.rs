//! What `dev` and `serve` share: listen, answer, stop.

mod http_options;

use std::sync::Arc;

use crate::app::copies::{Copies, run_worker};
use crate::app::{self, App, StoreReadiness, meters};
use crate::config::Config;
use crate::graphql::GatewayOptions;
use crate::http::{AccountRule, HttpState, metrics_routes, router};
use crate::lifecycle::{self, Lifecycle};
use crate::projection::Worker;
use crate::telemetry::Metrics;

use self::http_options::http_options;

/// How a server starts.
pub(super) struct Start {
    /// Whose data requests see.
    pub(super) account: AccountRule,
    /// What the playground offers to run, as JSON.
    pub(super) examples: Arc<str>,
    /// Whether it is for trying out and developing.
    pub(super) development: bool,
    /// Keep copies up to date in this process too.
    pub(super) with_projector: bool,
}

/// Serves until a signal comes; `started` is called once the address is bound.
pub(super) async fn serve(
    app: App,
    config: &Config,
    start: Start,
    started: impl FnOnce(std::net::SocketAddr),
) -> anyhow::Result<u8> {
    let listener = app::bind(config.listen).await?;
    let address = listener.local_addr()?;
    let lifecycle = Lifecycle::default();
    let copies = Copies::open(config, &app).await?;
    let gateway = app.gateway_over(&copies, config, &lifecycle).await?;
    let gateway = gateway.with(GatewayOptions {
        document: config.api.document,
        cost: config.api.cost,
        introspection: config.api.introspection.is_on(start.development),
    });
    // Copies that only this process has are kept by it alone.
    let mut worker = None;
    if copies.any() && (start.with_projector || copies.private()) {
        let feeds = Arc::new(app.feeds(config).await?);
        let slot = feeds.slot();
        let work = copies.worker(&app, config, feeds);
        meters::follow_worker(&work, slot, &app, &lifecycle);
        worker = Some(work);
    }
    let state = HttpState {
        readiness: Arc::new(StoreReadiness::new(
            &app,
            &copies,
            worker.as_ref().map(Worker::state),
        )),
        account: start.account,
        request_ids: Arc::clone(&app.uids),
        clock: Arc::clone(&app.clock),
        examples: start.examples,
        options: Arc::new(http_options(config, &gateway).await?),
        gateway: Arc::new(gateway),
    };
    app.spawn_numberer(&lifecycle);
    meters::follow_copies(Arc::clone(&copies.counters), &lifecycle);
    let worker = worker.map(|work| tokio::spawn(run_worker(work, lifecycle.stopping())));
    let metrics = Metrics::install();
    let routes = router(state).merge(metrics_routes(move || metrics.render()));
    started(address);
    let stopping = lifecycle.stopping();
    let server = axum::serve(listener, routes)
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    let mut running = tokio::spawn(server.into_future());
    let ended = tokio::select! {
        signal = lifecycle::signal() => { signal?; false }
        ended = &mut running => { ended??; true }
    };
    tracing::info!("stopping: no new requests, those under way may finish");
    let in_time = lifecycle.stop(config.shutdown_grace).await
        && (ended
            || tokio::time::timeout(config.shutdown_grace, running)
                .await
                .is_ok());
    if let Some(worker) = worker {
        tokio::time::timeout(config.shutdown_grace, worker)
            .await
            .ok();
    }
    copies.close().await;
    app.record.close().await;
    tracing::info!("stopped");
    Ok(u8::from(!in_time))
}
