//! Responses: media type, status, and the headers that go with an answer.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::response::Response;

use super::accept::Media;
use super::freshness;
use super::refusal::Refusal;
use super::request_id::REQUEST_ID;
use crate::graphql::{GraphqlResponse, refusal};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Methods that `/graphql` takes.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
/// Methods that mutations take.
const POST_ONLY: HeaderValue = HeaderValue::from_static("POST");

/// Microseconds between the beginning of a request and now.
pub(super) type Micros = i64;

/// The response to one operation that reached the gateway.
pub(super) fn answered(media: Media, id: &str, answer: GraphqlResponse, took: Micros) -> Response {
    let status = if answer.mutation_refused {
        StatusCode::METHOD_NOT_ALLOWED
    } else if answer.failed {
        StatusCode::INTERNAL_SERVER_ERROR
    } else if answer.executed || media == Media::Json {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    };
    let mut response = raw(status, media, id, answer.body);
    let headers = response.headers_mut();
    freshness::tell(headers, &answer.about);
    if answer.mutation_refused {
        headers.insert(ALLOW, POST_ONLY);
    }
    let stages = [
        ("prepare", answer.timing.prepare),
        ("run", answer.timing.run),
        ("total", took),
    ];
    headers.insert(SERVER_TIMING, server_timing(&stages));
    response
}

/// The response to several operations: their answers in a list, each with its own errors.
pub(super) fn batch(media: Media, id: &str, answers: &[Vec<u8>], took: Micros) -> Response {
    let mut body = Vec::with_capacity(answers.iter().map(|a| a.len() + 1).sum::<usize>() + 1);
    for (at, answer) in answers.iter().enumerate() {
        body.push(if at == 0 { b'[' } else { b',' });
        body.extend_from_slice(answer);
    }
    body.push(b']');
    let mut response = raw(StatusCode::OK, media, id, body);
    let timing = server_timing(&[("total", took)]);
    response.headers_mut().insert(SERVER_TIMING, timing);
    response
}

/// The response to a request that never became an operation.
pub(super) fn refused(refused: &Refusal, media: Media, id: &str) -> Response {
    let answer = refusal(&refused.refused, id);
    let status = match media {
        Media::Json if refused.well_formed => StatusCode::OK,
        _ => refused.status,
    };
    let mut response = raw(status, media, id, answer.body);
    let headers = response.headers_mut();
    freshness::tell(headers, &answer.about);
    if refused.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, METHODS);
    }
    response
}

fn raw(status: StatusCode, media: Media, id: &str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media.header());
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), value);
    }
    response
}

/// `stage;dur=MILLISECONDS, …`
fn server_timing(stages: &[(&str, Micros)]) -> HeaderValue {
    let mut text = String::with_capacity(stages.len() * 24);
    let mut digits = itoa::Buffer::new();
    for (name, micros) in stages {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(name);
        text.push_str(";dur=");
        // A clock may be set back between two looks.
        let micros = (*micros).max(0);
        text.push_str(digits.format(micros / 1_000));
        text.push('.');
        let rest = micros % 1_000;
        text.extend([rest / 100, rest / 10 % 10, rest % 10].map(|d| (b'0' + d as u8) as char));
    }
    HeaderValue::try_from(text).expect("names and numbers are a header's value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_milliseconds_with_three_digits() {
        let timing = server_timing(&[("prepare", 7), ("total", 1_234_056), ("back", -5)]);
        assert_eq!(
            timing,
            "prepare;dur=0.007, total;dur=1234.056, back;dur=0.000"
        );
    }
}
