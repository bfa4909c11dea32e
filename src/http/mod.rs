//! HTTP: routes, how requests are read and answered. Knows the GraphQL gateway, no store.

pub mod demo_ids;
pub mod examples;
mod freshness;
mod graphql_handler;
mod health;
mod metrics;
pub mod playground;
mod request_id;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::domain::{Uid, UidSource};
use crate::graphql::Gateway;

pub use health::{Dependency, DependencyState, health_routes};
pub use metrics::metrics_routes;

/// Largest request body in bytes: a text of the largest size (16 MiB) with every byte escaped.
pub const BODY_BYTES_MAX: usize = 40 * 1024 * 1024;

/// Whether the stores behind the gateway can be used, for `/health/ready` and `/health/deps`.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// Every store and how it is. Must answer within a second or two.
    async fn dependencies(&self) -> Vec<Dependency>;
}

/// Which account a request speaks for.
#[derive(Debug, Clone)]
pub enum AccountRule {
    /// The header `X-Turngraph-Account`, or this account without it. Only for development: the
    /// header is believed.
    Header {
        /// Account of requests without the header.
        default: Uid,
    },
    /// Always this account.
    Fixed(Uid),
}

/// What the handlers share.
#[derive(Clone)]
pub struct HttpState {
    /// The GraphQL API.
    pub gateway: Arc<Gateway>,
    /// Whether the stores can be used.
    pub readiness: Arc<dyn Readiness>,
    /// Whose data a request sees.
    pub account: AccountRule,
    /// Makes ids for requests that bring none.
    pub request_ids: Arc<dyn UidSource>,
    /// What the playground offers to run, as JSON.
    pub examples: Arc<str>,
    /// Bytes of a request's body at most, usually [`BODY_BYTES_MAX`].
    pub body_bytes_max: usize,
}

/// All routes.
pub fn router(state: HttpState) -> Router {
    let health = health_routes(Arc::clone(&state.readiness));
    Router::new()
        .route(
            "/graphql",
            post(graphql_handler::post).get(graphql_handler::get),
        )
        .route("/playground/examples.json", get(graphql_handler::examples))
        .layer(DefaultBodyLimit::max(state.body_bytes_max))
        .with_state(state)
        .merge(health)
        .merge(playground::routes())
}
