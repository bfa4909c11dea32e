//! `/metrics`: what the process counted, for Prometheus.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

/// The route; `render` gives Prometheus' text format.
pub fn metrics_routes(render: impl Fn() -> String + Send + Sync + 'static) -> Router {
    let render = Arc::new(render);
    Router::new().route(
        "/metrics",
        get(move || {
            let render = Arc::clone(&render);
            async move {
                let media = "text/plain; version=0.0.4; charset=utf-8";
                ([(CONTENT_TYPE, media)], render())
            }
        }),
    )
}
