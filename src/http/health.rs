//! `/health/live`, `/health/ready`, `/health/deps`: for orchestrators and people.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::Readiness;

/// The routes; `readiness` is asked anew at each request.
pub fn health_routes(readiness: Arc<dyn Readiness>) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health/deps", get(deps))
        .with_state(readiness)
}

/// How a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DependencyState {
    /// It answers and its schema fits.
    Up,
    /// It does not answer, or its schema does not fit.
    Down,
}

/// One store.
#[derive(Debug, Clone, Serialize)]
pub struct Dependency {
    /// Its role, e.g. `record`.
    pub role: &'static str,
    /// Its kind, e.g. `POSTGRES`.
    pub kind: &'static str,
    /// How it is.
    pub state: DependencyState,
    /// What is wrong, or its version.
    pub detail: String,
    /// Whether requests cannot be answered without it; what is not required may be missing.
    pub required: bool,
}

/// The process runs; says nothing of its stores, so that a store's failure restarts nothing.
async fn live() -> &'static str {
    "live\n"
}

/// The process can answer requests.
async fn ready(State(readiness): State<Arc<dyn Readiness>>) -> Response {
    let dependencies = readiness.dependencies().await;
    let down = dependencies
        .iter()
        .find(|d| d.required && d.state == DependencyState::Down);
    match down {
        None => "ready\n".into_response(),
        Some(d) => {
            let text = format!("not ready: the {} store is down\n", d.role);
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

/// Every store and how it is; 503 only where one that is required is down.
async fn deps(State(readiness): State<Arc<dyn Readiness>>) -> Response {
    let dependencies = readiness.dependencies().await;
    let up = dependencies
        .iter()
        .all(|d| !d.required || d.state == DependencyState::Up);
    let status = if up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(dependencies)).into_response()
}
