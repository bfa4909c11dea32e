//! `/graphql` by the GraphQL-over-HTTP specification: what a request may be, which media type and
//! status it is answered with. What an operation means is the gateway's.
//!
//! Every answer is JSON, also to a request that cannot be read and to a defect of this server.

mod accept;
mod account;
mod csrf;
mod etag;
mod freshness;
mod parameters;
mod refusal;
mod request_id;
mod respond;

use std::panic::AssertUnwindSafe;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use self::accept::Media;
use self::parameters::{Asked, Parameters, read_body, read_query};
use self::refusal::Refusal;
use super::HttpState;
use super::documents::Unusable;
use crate::domain::Uid;
use crate::graphql::{Freshness, GraphqlRequest, GraphqlResponse, failed, refusal as refusal_body};
use crate::limits::Excess;

pub use account::AccountRule;
pub use csrf::CsrfRule;

/// All requests for `/graphql`, whatever their method.
pub(super) async fn graphql(State(state): State<HttpState>, request: Request) -> Response {
    let id = request_id::request_id(request.headers(), &*state.request_ids);
    let media = accept::negotiate(request.headers());
    let answered = AssertUnwindSafe(answer(&state, request, &id, media)).catch_unwind();
    answered.await.unwrap_or_else(|_| {
        // The hook has logged where; what a panic says may hold a prompt, so only the id is added.
        tracing::error!(request_id = id, "a request ended in a panic");
        let media = media.unwrap_or(Media::Json);
        respond::answered(media, &id, failed(&id), 0)
    })
}

/// What the playground offers to run.
pub(super) async fn examples(State(state): State<HttpState>) -> Response {
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    ([(CONTENT_TYPE, json)], state.examples.to_string()).into_response()
}

async fn answer(
    state: &HttpState,
    mut request: Request,
    id: &str,
    media: Option<Media>,
) -> Response {
    let began = state.clock.now();
    let took = || state.clock.now().0 - began.0;
    let Some(media) = media else {
        let message = "Accept `application/graphql-response+json` or `application/json`.";
        let refusal = Refusal::new(StatusCode::NOT_ACCEPTABLE, "BAD_REQUEST", message);
        return respond::refused(&refusal, Media::Json, id);
    };
    let headers = std::mem::take(request.headers_mut());
    let caller = match Caller::of(state, (&request, headers), id) {
        Ok(caller) => caller,
        Err(refusal) => return respond::refused(&refusal, media, id),
    };
    match read(&caller, request).await {
        Err(refusal) => respond::refused(&refusal, media, id),
        Ok(Asked::One(parameters)) => match caller.run(*parameters).await {
            Err(refusal) => respond::refused(&refusal, media, id),
            Ok((answer, by_id)) => {
                let tag = answer.shown().filter(|_| by_id).map(etag::tag);
                let mut response = respond::answered(media, id, answer, took());
                match (caller.mutations, tag) {
                    (true, _) => {}
                    (false, Some(tag)) => etag::mark(&mut response, &caller.headers, &tag),
                    (false, None) => etag::forbid(&mut response),
                }
                response
            }
        },
        Ok(Asked::Batch(all)) => {
            let mut answers = Vec::with_capacity(all.len());
            // One after another, so that a batch holds no more of the stores than one operation.
            for parameters in all {
                let answer = match caller.run(parameters).await {
                    Ok((answer, _)) => answer,
                    Err(refusal) => refusal_body(&refusal.refused, id),
                };
                answers.push(answer.body);
            }
            respond::batch(media, id, &answers, took())
        }
    }
}

/// What holds for every operation of a request.
struct Caller<'r> {
    state: &'r HttpState,
    headers: HeaderMap,
    account: Uid,
    freshness: Freshness,
    id: &'r str,
    /// Whether mutations are allowed: not by GET.
    mutations: bool,
}

impl<'r> Caller<'r> {
    /// `headers` are those of the request.
    fn of(
        state: &'r HttpState,
        (request, headers): (&Request, HeaderMap),
        id: &'r str,
    ) -> Result<Self, Refusal> {
        within_limits(state, request.uri(), &headers)?;
        let mutations = match *request.method() {
            Method::POST => true,
            Method::GET | Method::HEAD => {
                let options = &state.options;
                csrf::check(options.csrf, &headers, |origin| options.cors.allows(origin))?;
                false
            }
            _ => {
                return Err(Refusal::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "BAD_REQUEST",
                    "Send operations by POST, or queries by GET.",
                ));
            }
        };
        Ok(Self {
            state,
            account: account::account(&state.account, &headers)?,
            freshness: freshness::asked(&headers).map_err(Refusal::bad)?,
            headers,
            id,
            mutations,
        })
    }

    /// Runs an operation; says beside its answer whether its document was named by an id.
    async fn run(&self, mut parameters: Parameters) -> Result<(GraphqlResponse, bool), Refusal> {
        let documents = &self.state.options.documents;
        let found = documents.find(&parameters.naming()?).map_err(unusable)?;
        let by_id = found.text.is_some();
        let query = match found.text {
            Some(text) => text.to_string(),
            None => parameters.query.take().unwrap_or_default(),
        };
        let learn = found.learn.map(|hash| (hash, query.clone()));
        let request = GraphqlRequest {
            query,
            variables: parameters.take_variables()?,
            operation_name: parameters.operation_name,
            account: self.account.clone(),
            request_id: self.id.to_owned(),
            mutations: self.mutations,
            freshness: self.freshness.clone(),
        };
        let answer = self.state.gateway.execute(request).await;
        // What cannot be run would only take the place of what can.
        if let Some((hash, text)) = learn.filter(|_| answer.executed) {
            documents.learn(hash, &text);
        }
        Ok((answer, by_id))
    }
}

/// Why a document is not run, for the client. The first words of two of them are those that
/// Apollo's clients look for.
fn unusable(why: Unusable) -> Refusal {
    let (code, message) = match why {
        Unusable::Missing => {
            return Refusal::bad("`query` is missing: send a document, or the id of one.");
        }
        Unusable::Both => {
            return Refusal::bad("Send either a document or the id of one, not both.");
        }
        Unusable::Mismatch => (
            "PERSISTED_QUERY_HASH_MISMATCH",
            "`sha256Hash` is not the SHA-256 of `query`.",
        ),
        Unusable::UnknownHash => ("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"),
        Unusable::NotAutomatic => (
            "PERSISTED_QUERY_NOT_SUPPORTED",
            "PersistedQueryNotSupported",
        ),
        Unusable::UnknownId => (
            "PERSISTED_DOCUMENT_NOT_FOUND",
            "No document has this id: it is not in the server's manifest (setting `documents`).",
        ),
        Unusable::Untrusted => (
            "PERSISTED_DOCUMENT_REQUIRED",
            "This server runs the documents of its manifest only (setting `documents_mode`).",
        ),
    };
    Refusal::document(code, message)
}

fn within_limits(state: &HttpState, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let limits = &state.options.limits;
    let bytes = headers
        .iter()
        .map(|(n, v)| n.as_str().len() + v.len())
        .sum::<usize>();
    if let Some(excess) = Excess::of(bytes as u64, limits.header_bytes as u64) {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let message = format!("The headers have too many bytes: {excess}.");
        return Err(Refusal::large(status, excess, message));
    }
    let bytes = uri.path_and_query().map_or(0, |text| text.as_str().len());
    if let Some(excess) = Excess::of(bytes as u64, limits.uri_bytes as u64) {
        let message = format!("The address has too many bytes: {excess}; send it by POST.");
        return Err(Refusal::large(StatusCode::URI_TOO_LONG, excess, message));
    }
    Ok(())
}

async fn read(caller: &Caller<'_>, request: Request) -> Result<Asked, Refusal> {
    if request.method() != Method::POST {
        return Ok(Asked::One(Box::new(read_query(request.uri())?)));
    }
    let limits = &caller.state.options.limits;
    let headers = &caller.headers;
    let told = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    let told = told.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let max = limits.body_bytes as u64;
    let body = Bytes::from_request(request, &()).await;
    let body = body.map_err(|rejection: BytesRejection| {
        if rejection.status() != StatusCode::PAYLOAD_TOO_LARGE {
            let message = "The body ended before it was whole; send the request again.";
            return Refusal::bad(message);
        }
        let message = format!("The body is larger than {max} bytes; send less at once.");
        let actual = told.max(max + 1);
        let excess = Excess { limit: max, actual };
        Refusal::large(StatusCode::PAYLOAD_TOO_LARGE, excess, message)
    })?;
    read_body(headers, &body, limits.batch)
}
