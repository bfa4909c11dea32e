//! The id of a request: the client's `X-Request-Id` where it is harmless, else a fresh one.

use axum::http::HeaderMap;

use crate::domain::UidSource;

/// Header that carries the id in both directions.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// Longest id that is taken over.
const LENGTH_MAX: usize = 128;

/// The id of this request. It goes into logs and headers, so only harmless characters pass.
pub(super) fn request_id(headers: &HeaderMap, fresh: &dyn UidSource) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let harmless = |id: &&str| {
        (1..=LENGTH_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    given
        .filter(harmless)
        .map_or_else(|| fresh.next().to_string(), str::to_owned)
}
