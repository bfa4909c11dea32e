//! `Refusal`: a request that never became an operation, with its status and stable code.

use axum::http::StatusCode;

use crate::graphql::Refused;
use crate::limits::Excess;

/// Why a request is not run.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) refused: Refused,
    /// The request is well formed, so older clients expect 200 (see [`super::accept::Media::Json`]).
    pub(super) well_formed: bool,
}

impl Refusal {
    /// The request is not what the specification asks for.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let refused = Refused {
            code,
            message: message.into(),
            excess: None,
        };
        Self {
            status,
            refused,
            well_formed: false,
        }
    }

    /// A well-formed request whose document cannot be run.
    pub(super) fn document(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            well_formed: true,
            ..Self::new(StatusCode::BAD_REQUEST, code, message)
        }
    }

    /// The request is larger than a limit.
    pub(super) fn large(status: StatusCode, excess: Excess, message: impl Into<String>) -> Self {
        let mut refusal = Self::new(status, "REQUEST_TOO_LARGE", message);
        refusal.refused.excess = Some(excess);
        refusal
    }
}
