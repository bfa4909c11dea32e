//! `/graphql` by the GraphQL-over-HTTP specification: reading requests, choosing media types and
//! statuses. What an operation means is the gateway's.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST, HeaderValue};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::freshness;
use super::request_id::{REQUEST_ID, request_id};
use super::{AccountRule, HttpState};
use crate::domain::Uid;
use crate::graphql::{About, Freshness, GraphqlRequest, refusal};

const GRAPHQL_JSON: &str = "application/graphql-response+json; charset=utf-8";
const PLAIN_JSON: &str = "application/json; charset=utf-8";
const ACCOUNT: &str = "x-turngraph-account";

/// The parameters of a request, in a body or in a query string.
#[derive(Deserialize)]
struct Parameters {
    query: Option<String>,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
    variables: Option<serde_json::Value>,
    extensions: Option<serde_json::Value>,
}

/// A request that never reached the gateway.
struct Refusal {
    status: StatusCode,
    message: String,
}

fn refuse(status: StatusCode, message: impl Into<String>) -> Refusal {
    Refusal {
        status,
        message: message.into(),
    }
}

pub(super) async fn post(
    State(state): State<HttpState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let parameters = match body {
        Ok(body) => read_body(&headers, &body),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let max = state.body_bytes_max;
            let message = format!("The body is larger than {max} bytes; send less at once.");
            Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, message))
        }
        Err(_) => {
            let message = "The body ended before it was whole; send the request again.";
            Err(refuse(StatusCode::BAD_REQUEST, message))
        }
    };
    answer(&state, &headers, parameters, true).await
}

pub(super) async fn get(
    State(state): State<HttpState>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let parameters = read_query(query);
    answer(&state, &headers, parameters, false).await
}

/// What the playground offers to run.
pub(super) async fn examples(State(state): State<HttpState>) -> Response {
    ([(CONTENT_TYPE, PLAIN_JSON)], state.examples.to_string()).into_response()
}

fn read_body(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, Refusal> {
    let media = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let mut parts = media.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|m| m.eq_ignore_ascii_case("application/json"));
    let charset = parts.find_map(|p| {
        p.to_ascii_lowercase()
            .strip_prefix("charset=")
            .map(str::to_owned)
    });
    if !is_json || charset.is_some_and(|c| c.trim_matches('"') != "utf-8") {
        return Err(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send `Content-Type: application/json` in UTF-8.",
        ));
    }
    // Serde would read a list as an object, by position.
    if body.trim_ascii_start().first() == Some(&b'[') {
        let message = "The body is a JSON array: send one request at a time, as an object.";
        return Err(refuse(StatusCode::BAD_REQUEST, message));
    }
    serde_json::from_slice(body).map_err(|error| {
        // What serde says of values may quote them; what it says of syntax does not.
        let message = if error.is_data() {
            let place = format!("line {}, column {}", error.line(), error.column());
            format!("The body is not a JSON object with a string `query` ({place}).")
        } else {
            format!("The body is not JSON that can be read: {error}.")
        };
        refuse(StatusCode::BAD_REQUEST, message)
    })
}

fn read_query(mut query: HashMap<String, String>) -> Result<Parameters, Refusal> {
    let mut json = |name: &str| match query.remove(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => serde_json::from_str(&text).map(Some).map_err(|_| {
            refuse(
                StatusCode::BAD_REQUEST,
                format!("The parameter `{name}` is not JSON."),
            )
        }),
    };
    let (variables, extensions) = (json("variables")?, json("extensions")?);
    Ok(Parameters {
        query: query.remove("query"),
        operation_name: query
            .remove("operationName")
            .filter(|name| !name.is_empty()),
        variables,
        extensions,
    })
}

async fn answer(
    state: &HttpState,
    headers: &HeaderMap,
    parameters: Result<Parameters, Refusal>,
    mutations: bool,
) -> Response {
    let id = request_id(headers, &*state.request_ids);
    let media = match accepted(headers) {
        Some(media) => media,
        None => {
            let message = "Accept `application/graphql-response+json` or `application/json`.";
            return refused(
                &refuse(StatusCode::NOT_ACCEPTABLE, message),
                PLAIN_JSON,
                &id,
            );
        }
    };
    let request = parameters.and_then(|p| {
        let account = account(&state.account, headers)?;
        let bad = |message| refuse(StatusCode::BAD_REQUEST, message);
        let freshness = freshness::asked(headers).map_err(bad)?;
        checked(p, (account, freshness), id.clone(), mutations)
    });
    let request = match request {
        Ok(request) => request,
        Err(refusal) => return refused(&refusal, media, &id),
    };
    let response = state.gateway.execute(request).await;
    let status = if response.mutation_refused {
        StatusCode::METHOD_NOT_ALLOWED
    } else if response.executed || media == PLAIN_JSON {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    };
    respond(status, media, &id, (response.body, &response.about))
}

fn checked(
    parameters: Parameters,
    (account, freshness): (Uid, Freshness),
    request_id: String,
    mutations: bool,
) -> Result<GraphqlRequest, Refusal> {
    let bad = |message: &str| refuse(StatusCode::BAD_REQUEST, message);
    let variables = match parameters.variables {
        None | Some(serde_json::Value::Null) => serde_json::Value::Object(Default::default()),
        Some(variables @ serde_json::Value::Object(_)) => variables,
        Some(_) => return Err(bad("`variables` must be a JSON object.")),
    };
    if !matches!(
        parameters.extensions,
        None | Some(serde_json::Value::Null | serde_json::Value::Object(_))
    ) {
        return Err(bad("`extensions` must be a JSON object."));
    }
    let query = parameters
        .query
        .ok_or_else(|| bad("`query` is missing: send a document."))?;
    Ok(GraphqlRequest {
        query,
        operation_name: parameters.operation_name,
        variables,
        account,
        request_id,
        mutations,
        freshness,
    })
}

fn account(rule: &AccountRule, headers: &HeaderMap) -> Result<Uid, Refusal> {
    match rule {
        AccountRule::Fixed(account) => Ok(account.clone()),
        AccountRule::Header { .. } if !names_this_machine(headers) => Err(refuse(
            StatusCode::FORBIDDEN,
            "This server answers under localhost and 127.0.0.1 only.",
        )),
        AccountRule::Header { default } => match headers.get(ACCOUNT) {
            None => Ok(default.clone()),
            Some(value) => {
                let key = value
                    .to_str()
                    .ok()
                    .and_then(|text| Uid::parse(text.trim()).ok());
                key.ok_or_else(|| {
                    let message = "`X-Turngraph-Account` is not the key of an account.";
                    refuse(StatusCode::BAD_REQUEST, message)
                })
            }
        },
    }
}

/// A page of another site may give its own name this machine's address; the browser then lets it
/// ask, but names that site as the host.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return true;
    };
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The media type of the answer; none when the client takes neither.
fn accepted(headers: &HeaderMap) -> Option<&'static str> {
    if !headers.contains_key(ACCEPT) {
        // Clients from before the specification send no Accept and expect application/json.
        return Some(PLAIN_JSON);
    }
    let values = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok());
    let ranges: Vec<String> = values
        .flat_map(|value| value.split(','))
        .filter(|range| !range.replace(' ', "").contains(";q=0") || range.contains("q=0."))
        .map(|range| {
            range
                .split(';')
                .next()
                .unwrap_or("")
                .trim()
                .to_ascii_lowercase()
        })
        .collect();
    let takes = |media: &str| ranges.iter().any(|range| range == media);
    if takes("application/graphql-response+json") {
        Some(GRAPHQL_JSON)
    } else if takes("application/json") || takes("*/*") || takes("application/*") {
        Some(PLAIN_JSON)
    } else {
        None
    }
}

fn refused(refused: &Refusal, media: &'static str, id: &str) -> Response {
    let answer = refusal(&refused.message, id);
    respond(refused.status, media, id, (answer.body, &answer.about))
}

fn respond(
    status: StatusCode,
    media: &'static str,
    id: &str,
    (body, about): (Vec<u8>, &About),
) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    freshness::tell(headers, about);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_and_never_a_list() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let read = |body: &str| read_body(&headers, body.as_bytes()).map_err(|r| r.status);
        assert!(read(" {\"query\":\"{a}\"}").is_ok());
        for bad in [
            "[\"{a}\",null,null,null]",
            " [{\"query\":\"{a}\"}]",
            "",
            "null",
            "{",
        ] {
            assert_eq!(read(bad).err(), Some(StatusCode::BAD_REQUEST), "{bad}");
        }
    }
}
