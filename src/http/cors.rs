//! Cross-origin requests: which pages of other sites may ask, by configuration; none unless said.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// How long a browser may remember what it may send.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// Headers of answers that scripts may read, besides the few that they always may.
const EXPOSED: [&str; 16] = [
    "etag",
    "retry-after",
    "server-timing",
    "x-request-id",
    "x-turngraph-as-of",
    "x-turngraph-cache",
    "x-turngraph-consistency",
    "x-turngraph-cost-actual",
    "x-turngraph-cost-estimated",
    "x-turngraph-cost-max",
    "x-turngraph-degraded",
    "x-turngraph-lag-ms",
    "x-turngraph-reason",
    "x-turngraph-revision",
    "x-turngraph-source",
    "allow",
];

/// Which origins' pages may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cors {
    /// None but the server's own.
    #[default]
    None,
    /// These, e.g. `https://app.example`, also with the browser's credentials.
    Origins(Vec<String>),
    /// All, without credentials.
    Any,
}

impl Cors {
    /// Whether a page of this origin may ask, and what it asks is therefore not forged.
    pub(super) fn allows(&self, origin: &str) -> bool {
        match self {
            Self::None => false,
            Self::Origins(all) => all.iter().any(|it| it == origin),
            // Anybody's page may read; no credentials are sent that would make it worth forging.
            Self::Any => true,
        }
    }

    /// The layer that answers preflights and marks answers; none where nothing is allowed.
    pub(super) fn layer(&self) -> Option<CorsLayer> {
        let origins = match self {
            Self::None => return None,
            Self::Any => AllowOrigin::any(),
            Self::Origins(all) => AllowOrigin::list(
                all.iter()
                    .filter_map(|origin| HeaderValue::from_str(origin).ok()),
            ),
        };
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            // Any header may be sent: which origins may send it is what protects.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED.map(HeaderName::from_static))
            .max_age(REMEMBERED);
        Some(layer.allow_credentials(matches!(self, Self::Origins(_))))
    }
}
