//! The page on `/`: files that `make playground` built into `playground/dist`, embedded here.
//!
//! Assets are embedded, and sent, as gzip only: every browser takes it, and it makes the binary
//! smaller by 4.8 MB. Their names hold a hash of their content, so they are cached for good;
//! `index.html` is asked for anew each time and answered by its `ETag`. Without a built page `/`
//! says how to build it. A debug build reads the files from disk, so a new page needs no restart.
//! Knows nothing of GraphQL or of the stores.

use std::borrow::Cow;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Only what the page itself needs: its own files, its workers, and the server it came from.
/// The editor sets styles from script, hence `unsafe-inline` for styles; scripts have none of it.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Sent with every answer of this module.
const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

const REVALIDATE: &str = "no-cache";
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

#[derive(rust_embed::Embed)]
#[folder = "playground/dist"]
#[allow_missing = true]
struct Dist;

/// A file of the built page: what is sent, and the hash that names this version of it.
struct Stored {
    bytes: Bytes,
    sha256: [u8; 32],
}

fn stored(path: &str) -> Option<Stored> {
    let file = Dist::get(path)?;
    Some(Stored {
        bytes: match file.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        },
        sha256: file.metadata.sha256_hash(),
    })
}

/// The routes `/`, `/favicon.svg`, `/licenses.md` (of what is bundled) and `/assets/{name}`, for
/// GET and HEAD.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/", get(index))
        .route("/favicon.svg", get(favicon))
        .route("/licenses.md", get(licenses))
        .route("/assets/{name}", get(asset))
}

/// Whether the page was built into this binary (in a debug build: is on disk).
pub fn is_built() -> bool {
    Dist::get("index.html").is_some()
}

async fn index(request: HeaderMap) -> Response {
    serve(stored, "index.html", REVALIDATE, &request).unwrap_or_else(not_built)
}

async fn favicon(request: HeaderMap) -> Response {
    serve(stored, "favicon.svg", REVALIDATE, &request).unwrap_or_else(unknown)
}

async fn licenses(request: HeaderMap) -> Response {
    serve(stored, "licenses.md", REVALIDATE, &request).unwrap_or_else(unknown)
}

async fn asset(Path(name): Path<String>, request: HeaderMap) -> Response {
    // The name is decoded, so it may hold slashes; a debug build would look them up on disk.
    if name.contains(['/', '\\']) {
        return unknown();
    }
    serve(stored, &format!("assets/{name}"), FOR_GOOD, &request).unwrap_or_else(unknown)
}

/// The answer for one file, or `None` if `find` has neither the file nor its gzip form.
fn serve(
    find: impl Fn(&str) -> Option<Stored>,
    path: &str,
    caching: &'static str,
    request: &HeaderMap,
) -> Option<Response> {
    let (file, is_gzip) = match find(path) {
        Some(file) => (file, false),
        None => (find(&format!("{path}.gz"))?, true),
    };
    if is_gzip && !takes_gzip(request) {
        let why = "This file is kept as gzip only: send `Accept-Encoding: gzip`.\n";
        return Some(plain(StatusCode::NOT_ACCEPTABLE, why));
    }
    let etag = etag(&file.sha256);
    let unchanged = has_version(request, &etag);
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(file.bytes).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(
        header::ETAG,
        HeaderValue::try_from(etag).expect("a quoted hex number is a header value"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if !unchanged {
        let kind = HeaderValue::from_static(content_type(path));
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if is_gzip {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if !unchanged {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    Some(secured(response))
}

/// The kinds of file that the build makes; anything else is for download, never interpreted.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("ttf") => "font/ttf",
        Some("woff2") => "font/woff2",
        // Browsers show plain text, but would store Markdown.
        Some("md") => "text/plain; charset=utf-8",
        Some("json" | "map") => "application/json",
        _ => "application/octet-stream",
    }
}

/// Half of the hash, which is plenty to tell versions of one file apart.
fn etag(sha256: &[u8; 32]) -> String {
    let hex: String = sha256[..16].iter().map(|b| format!("{b:02x}")).collect();
    format!("\"{hex}\"")
}

/// Whether `If-None-Match` names `etag` (with its quotes, without `W/`). Proxies may have marked
/// it as weak.
pub(super) fn has_version(request: &HeaderMap, etag: &str) -> bool {
    list(request, header::IF_NONE_MATCH)
        .any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == etag)
}

/// Whether the client takes gzip. One that says nothing takes anything (RFC 9110, 12.5.3).
fn takes_gzip(request: &HeaderMap) -> bool {
    if !request.contains_key(header::ACCEPT_ENCODING) {
        return true;
    }
    let wanted = |coding: &str| {
        list(request, header::ACCEPT_ENCODING).find_map(|entry| {
            let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let weight = parameters.trim().strip_prefix("q=");
            let refused = weight.and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
            name.trim().eq_ignore_ascii_case(coding).then_some(!refused)
        })
    };
    wanted("gzip").or_else(|| wanted("*")).unwrap_or(false)
}

/// The entries of a comma-separated header, over all its lines.
fn list(request: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    request
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}

fn unknown() -> Response {
    let why = "There is no such file. The page may be of another version: reload it.\n";
    plain(StatusCode::NOT_FOUND, why)
}

fn not_built() -> Response {
    let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    let page = include_str!("not_built.html");
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, html, page).into_response();
    let caching = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, caching);
    secured(response)
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = (status, text).into_response();
    let caching = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, caching);
    secured(response)
}

fn secured(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str) -> Option<Stored> {
        let bytes: &[u8] = match path {
            "index.html" => b"<!doctype html>",
            "assets/index-a1.js.gz" => b"packed",
            _ => return None,
        };
        Some(Stored {
            bytes: Bytes::from_static(bytes),
            sha256: [7; 32],
        })
    }

    fn request(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    fn value(response: &Response, name: HeaderName) -> &str {
        response.headers()[name].to_str().unwrap()
    }

    fn script(request: &HeaderMap) -> Response {
        serve(find, "assets/index-a1.js", FOR_GOOD, request).unwrap()
    }

    #[test]
    fn an_asset_is_sent_packed_under_its_own_type_and_cached_for_good() {
        let response = script(&request(header::ACCEPT_ENCODING, "br, gzip;q=0.8"));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(value(&response, header::CONTENT_ENCODING), "gzip");
        assert_eq!(value(&response, header::VARY), "accept-encoding");
        assert_eq!(value(&response, header::CACHE_CONTROL), FOR_GOOD);
        let kind = value(&response, header::CONTENT_TYPE);
        assert_eq!(kind, "text/javascript; charset=utf-8");
    }

    #[test]
    fn index_is_sent_as_it_is_and_asked_for_anew() {
        let response = serve(find, "index.html", REVALIDATE, &HeaderMap::new()).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(value(&response, header::CACHE_CONTROL), "no-cache");
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
    }

    #[test]
    fn a_known_version_is_answered_without_the_file() {
        let etag = value(&script(&HeaderMap::new()), header::ETAG).to_owned();
        for known in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
            let known = HeaderValue::try_from(known).unwrap();
            let request = HeaderMap::from_iter([(header::IF_NONE_MATCH, known)]);
            let response = script(&request);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(value(&response, header::ETAG), etag);
            assert_eq!(value(&response, header::CACHE_CONTROL), FOR_GOOD);
        }
        let response = script(&request(header::IF_NONE_MATCH, "\"other\""));
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[test]
    fn gzip_is_taken_unless_the_client_says_otherwise() {
        let takes = |value| takes_gzip(&request(header::ACCEPT_ENCODING, value));
        assert!(takes_gzip(&HeaderMap::new()));
        assert!(takes("gzip") && takes("GZIP; q=0.1") && takes("*") && takes("br, *;q=0.5"));
        assert!(!takes("") && !takes("br") && !takes("gzip;q=0") && !takes("gzip;q=0, *"));
        let response = script(&request(header::ACCEPT_ENCODING, "identity"));
        assert_eq!(response.status(), StatusCode::NOT_ACCEPTABLE);
    }

    #[test]
    fn every_answer_carries_the_security_headers() {
        let answers = [
            script(&HeaderMap::new()),
            script(&request(header::IF_NONE_MATCH, "*")),
            unknown(),
            not_built(),
        ];
        for response in answers {
            for (name, expected) in SECURITY_HEADERS {
                assert_eq!(value(&response, name), expected);
            }
        }
        assert!(!POLICY.contains("unsafe-eval") && !POLICY.contains("http"));
    }

    #[tokio::test]
    async fn the_routes_answer_get_and_head_and_never_leave_their_folder() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, routes()).await });

        let page = reqwest::get(&base).await.unwrap();
        let length = page.headers()[header::CONTENT_LENGTH].clone();
        if is_built() {
            assert_eq!(page.status(), StatusCode::OK);
            assert!(page.text().await.unwrap().contains("./assets/index-"));
        } else {
            assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(page.text().await.unwrap().contains("make playground"));
        }
        let head = reqwest::Client::new().head(&base).send().await.unwrap();
        assert_eq!(head.headers()[header::CONTENT_LENGTH], length);
        assert!(head.bytes().await.unwrap().is_empty());
        for outside in ["..%2Findex.html", "..%2F..%2Fpackage.json", "none.js"] {
            let answer = reqwest::get(format!("{base}/assets/{outside}")).await;
            assert_eq!(answer.unwrap().status(), StatusCode::NOT_FOUND);
        }
        server.abort();
    }
}
