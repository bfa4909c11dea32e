//! HTTP: routes, how requests are read and answered. Knows the GraphQL gateway, no store.

mod api;
mod cors;
pub mod demo_ids;
mod documents;
pub mod examples;
mod health;
mod metrics;
pub mod playground;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get};
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

use crate::domain::{Clock, UidSource};
use crate::graphql::Gateway;
use crate::limits::RequestLimits;

pub use api::{AccountRule, CsrfRule};
pub use cors::Cors;
pub use documents::{Documents, DocumentsMode, Manifest, ManifestError};
pub use health::{Dependency, DependencyState, health_routes};
pub use metrics::metrics_routes;

/// Whether the stores behind the gateway can be used, for `/health/ready` and `/health/deps`.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// Every store and how it is. Must answer within a second or two.
    async fn dependencies(&self) -> Vec<Dependency>;
}

/// Bytes below which an answer is sent as it is: packing it would save less than it costs.
const PACKED_FROM: u16 = 1_024;

/// Level of all three codings: brotli's default of 11 takes a hundred times as long for a tenth
/// less.
const LEVEL: CompressionLevel = CompressionLevel::Precise(4);

/// What requests may be and who may send them.
#[derive(Debug, Default)]
pub struct HttpOptions {
    /// How large a request may be.
    pub limits: RequestLimits,
    /// Pages of which other sites may ask.
    pub cors: Cors,
    /// Which GET requests must show that they are not forged.
    pub csrf: CsrfRule,
    /// Documents that can be asked for by id.
    pub documents: Documents,
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
    /// Measures how long requests take.
    pub clock: Arc<dyn Clock>,
    /// What the playground offers to run, as JSON.
    pub examples: Arc<str>,
    /// What requests may be.
    pub options: Arc<HttpOptions>,
}

/// All routes.
pub fn router(state: HttpState) -> Router {
    let health = health_routes(Arc::clone(&state.readiness));
    let options = Arc::clone(&state.options);
    let mut api = Router::new()
        .route("/graphql", any(api::graphql))
        .layer(DefaultBodyLimit::max(options.limits.body_bytes));
    if let Some(cors) = options.cors.layer() {
        api = api.layer(cors);
    }
    let worth_packing = SizeAbove::new(PACKED_FROM).and(NotForContentType::IMAGES);
    let packing = CompressionLayer::new()
        .quality(LEVEL)
        .compress_when(worth_packing);
    api.route("/playground/examples.json", get(api::examples))
        .layer(packing)
        .with_state(state)
        .merge(health)
        .merge(playground::routes())
}
