//! Ends of an operation: the response with its errors and where it came from, and refusals of
//! requests that never ran.

use async_graphql::{Name, PathSegment, ServerError};

use super::about::About;
use super::data::{Data, Touched};
use super::engine::{ResponseParts, note_excess, refusal_error, write_response};
use super::error::is_retryable;
use super::freshness::REVISIONS_MAX;
use super::request::{GraphqlRequest, GraphqlResponse, Timing};
use crate::limits::Excess;

/// Notes where the parts came from that each root field showed.
pub(super) fn note(about: &mut About, data: &Data, keys: &[&Name], touched: &[(usize, Touched)]) {
    for (root, what) in touched {
        let key = keys[*root];
        match what {
            Touched::Session(slot) => {
                let origins = data.session(*slot).origins();
                origins.iter().for_each(|origin| about.note(key, *origin));
            }
            Touched::Other(origin) => about.note(key, *origin),
        }
    }
}

pub(super) fn too_many_revisions() -> ServerError {
    let message = format!(
        "The operation names more than {REVISIONS_MAX} different revisions in `atLeast`; the last \
         one of a series of writes is enough."
    );
    let mut error = ServerError::new(message, None);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", "BAD_USER_INPUT");
    error
}

pub(super) fn cost_exceeded(excess: Excess) -> ServerError {
    let message = format!(
        "The operation costs too much by estimate: {excess}; ask for smaller pages (`first`, \
         `last`) or fewer lists inside lists."
    );
    let mut error = refusal_error("COST_LIMIT_EXCEEDED", message);
    note_excess(&mut error, excess);
    error
}

pub(super) fn endless() -> ResponseParts {
    let mut error = ServerError::new("The operation did not come to an end.", None);
    error
        .extensions
        .get_or_insert_default()
        .set("code", "INTERNAL");
    ResponseParts {
        data: Some(b"null".to_vec()),
        errors: vec![error],
        ..ResponseParts::default()
    }
}

pub(super) fn refused(errors: Vec<ServerError>, request: &GraphqlRequest) -> GraphqlResponse {
    let about = About {
        consistency: request.freshness.consistency.unwrap_or_default(),
        ..About::default()
    };
    let parts = ResponseParts {
        errors,
        ..ResponseParts::default()
    };
    respond(parts, about, &request.request_id, false)
}

/// The answer to a mutation that came by GET.
pub(super) fn refused_by_get(request: &GraphqlRequest) -> GraphqlResponse {
    let message = "A mutation cannot be sent by GET; send it by POST.";
    let mut error = ServerError::new(message, None);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", "BAD_REQUEST");
    GraphqlResponse {
        mutation_refused: true,
        ..refused(vec![error], request)
    }
}

/// A request that the transport refuses before it becomes an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The value of `extensions.code`.
    pub code: &'static str,
    /// What is wrong and what to do; never a prompt.
    pub message: String,
    /// The limit that the request exceeds, where it is one.
    pub excess: Option<Excess>,
}

/// The answer to a request that the transport refuses.
pub fn refusal(refused: &Refused, request_id: &str) -> GraphqlResponse {
    let mut error = refusal_error(refused.code, refused.message.as_str());
    if let Some(excess) = refused.excess {
        note_excess(&mut error, excess);
    }
    let parts = ResponseParts {
        errors: vec![error],
        ..ResponseParts::default()
    };
    respond(parts, About::default(), request_id, false)
}

/// The answer to a request that a defect of this server ended; the log has the rest.
pub fn failed(request_id: &str) -> GraphqlResponse {
    let refused = Refused {
        code: "INTERNAL",
        message: "The server failed; its log has the details under this request's id.".into(),
        excess: None,
    };
    GraphqlResponse {
        failed: true,
        ..refusal(&refused, request_id)
    }
}

pub(super) fn respond(
    mut parts: ResponseParts,
    about: About,
    request_id: &str,
    executed: bool,
) -> GraphqlResponse {
    for error in &mut parts.errors {
        let extensions = error.extensions.get_or_insert_default();
        let retryable = match extensions.get("code") {
            Some(async_graphql::Value::String(code)) => is_retryable(code),
            _ => {
                extensions.set("code", "INTERNAL");
                false
            }
        };
        extensions.set("retryable", retryable);
        extensions.set("requestId", request_id);
    }
    // A path names the response's keys; async-graphql gives none for errors of the document.
    debug_assert!(
        parts
            .errors
            .iter()
            .all(|e| !matches!(e.path.first(), Some(PathSegment::Index(_))))
    );
    parts.extensions = about.extensions(request_id);
    let (body, data) = write_response(parts);
    GraphqlResponse {
        body,
        data,
        executed,
        mutation_refused: false,
        failed: false,
        timing: Timing::default(),
        about,
    }
}
