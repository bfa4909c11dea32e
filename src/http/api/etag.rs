//! `ETag` and 304 for a GET that names its document by id: what a phone asks again and again.
//!
//! The tag is a digest of `data`: two answers have the same one exactly if they show the same. It
//! is weak, because what stands beside `data` (when it was asked, from which store) differs.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::http::playground::has_version;

/// Kept by the client itself only, and asked for anew each time: the server knows best whether
/// the session has changed.
const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

const NEVER: HeaderValue = HeaderValue::from_static("no-store");

/// Everything of a request that changes the answer, besides its address.
const VARIES: HeaderValue = HeaderValue::from_static(
    "accept, authorization, x-turngraph-account, x-turngraph-consistency, x-turngraph-at-least",
);

/// The tag of an answer that shows this `data`, without quotes' prefix `W/`.
pub(super) fn tag(data: &[u8]) -> String {
    format!("\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(data))
}

/// Marks an answer with its tag, or turns it into 304 where the client has the same.
pub(super) fn mark(response: &mut Response, asked: &HeaderMap, tag: &str) {
    let unchanged = has_version(asked, tag);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    if unchanged {
        headers.remove(CONTENT_TYPE);
    }
    let weak = format!("W/{tag}");
    let value = HeaderValue::try_from(weak).expect("a quoted hex number is a header's value");
    headers.insert(ETAG, value);
    headers.insert(CACHE_CONTROL, REVALIDATE);
    headers.append(VARY, VARIES);
}

/// Marks an answer to a GET that nobody should keep.
pub(super) fn forbid(response: &mut Response) {
    response.headers_mut().insert(CACHE_CONTROL, NEVER);
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header::IF_NONE_MATCH;

    fn marked(known: Option<&str>, data: &[u8]) -> Response {
        let mut asked = HeaderMap::new();
        if let Some(known) = known {
            asked.insert(IF_NONE_MATCH, HeaderValue::from_str(known).unwrap());
        }
        let mut response = Response::new(Body::from("whole"));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        mark(&mut response, &asked, &tag(data));
        response
    }

    #[test]
    fn the_same_data_is_not_sent_twice_and_other_data_is() {
        let first = marked(None, b"{}");
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        assert!(tag.starts_with("W/\"") && tag.len() == 36, "{tag}");
        let again = marked(Some(&tag), b"{}");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[ETAG], tag);
        assert_eq!(again.headers()[CACHE_CONTROL], "private, no-cache");
        assert!(
            again.headers()[VARY]
                .to_str()
                .unwrap()
                .contains("authorization")
        );
        assert!(!again.headers().contains_key(CONTENT_TYPE));
        assert_eq!(marked(Some(&tag), b"{ }").status(), StatusCode::OK);
    }
}
