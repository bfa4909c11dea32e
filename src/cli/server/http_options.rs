//! From the settings to what the HTTP layer is told: origins, limits, the manifests of documents.

use anyhow::Context;

use crate::config::{ApiConfig, Config, ConfigError, CorsOrigins, CsrfMode, DocumentsMode};
use crate::graphql::Gateway;
use crate::http::{self, Cors, CsrfRule, Documents, HttpOptions, Manifest};

/// Reads the manifests; a document that this schema does not know is told and does not keep the
/// server from starting, because clients of other versions may be around.
pub(super) async fn http_options(
    config: &Config,
    gateway: &Gateway,
) -> anyhow::Result<HttpOptions> {
    let api = &config.api;
    let manifest = manifest(api)?;
    for (id, text) in manifest.iter() {
        if let Err(why) = gateway.check(text).await {
            tracing::warn!(id, why, "a document of the manifest cannot be run");
        }
    }
    let mode = match api.documents_mode {
        DocumentsMode::Off => http::DocumentsMode::Off,
        DocumentsMode::Log => http::DocumentsMode::Log,
        DocumentsMode::Enforce => http::DocumentsMode::Enforce,
    };
    Ok(HttpOptions {
        limits: api.request,
        cors: match api.cors_origins.clone() {
            CorsOrigins::None => Cors::None,
            CorsOrigins::Some(origins) => Cors::Origins(origins),
            CorsOrigins::Any => Cors::Any,
        },
        csrf: match api.csrf {
            CsrfMode::Browsers => CsrfRule::Browsers,
            CsrfMode::Header => CsrfRule::Header,
            CsrfMode::Off => CsrfRule::Off,
        },
        documents: Documents::new(manifest, mode, api.persisted_queries),
    })
}

fn manifest(api: &ApiConfig) -> anyhow::Result<Manifest> {
    let mut all = Manifest::default();
    for path in &api.documents {
        let what = || format!("the manifest {} (`documents`)", path.display());
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let one = Manifest::parse(&text).with_context(what)?;
        all.extend(one).with_context(what)?;
    }
    Ok(all)
}
