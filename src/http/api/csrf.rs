//! Cross-site request forgery: a page of another site must not make a browser ask in the name of
//! whoever is logged in.
//!
//! POST is safe by its content type, which a form cannot send. A GET can come from an image, a
//! script or a link, so it is refused where a browser says that another site caused it, unless it
//! carries a header that the browser would first have asked leave for.

use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN, REFERER};
use axum::http::{HeaderMap, StatusCode};

use super::refusal::Refusal;

/// Which GET requests need a header that no page can send without leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CsrfRule {
    /// Those that a page of another site caused, by the browser's own word.
    #[default]
    Browsers,
    /// All.
    Header,
    /// None: something in front of the server takes care.
    Off,
}

/// Headers that make a browser ask leave first; their values do not matter.
const PREFLIGHT: [&str; 3] = [
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
];

/// Media types that forms send, for which browsers ask no leave.
const SIMPLE: [&str; 3] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
];

/// Refuses a GET that may be forged; `allowed` says whether pages of an origin may ask.
pub(super) fn check(
    rule: CsrfRule,
    headers: &HeaderMap,
    allowed: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let suspect = match rule {
        CsrfRule::Off => false,
        CsrfRule::Header => true,
        CsrfRule::Browsers => is_foreign(headers, allowed),
    };
    if !suspect || asked_leave(headers) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "CSRF_PREVENTION_FAILED",
        "This GET may have been caused by a page of another site: send the header \
         `GraphQL-Require-Preflight: 1` (or `Apollo-Require-Preflight`) with it, or use POST.",
    ))
}

fn asked_leave(headers: &HeaderMap) -> bool {
    if PREFLIGHT.iter().any(|name| headers.contains_key(*name)) {
        return true;
    }
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let media = value.to_str().unwrap_or("").split(';').next();
        let media = media.unwrap_or("").trim();
        !media.is_empty() && SIMPLE.iter().all(|it| !media.eq_ignore_ascii_case(it))
    })
}

/// Whether a browser says that a page of another site caused the request. Programs that are no
/// browsers say nothing, and nobody can make them ask.
fn is_foreign(headers: &HeaderMap, allowed: impl Fn(&str) -> bool) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = text(ORIGIN.as_str());
    if origin.is_some_and(&allowed) {
        return false;
    }
    // `none` is a person at the address bar; `same-site` may be anybody's subdomain.
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    // Browsers from before 2023 say where a request comes from by one of these, or not at all.
    let Some(source) = origin.or_else(|| text(REFERER.as_str())) else {
        return false;
    };
    let authority = source
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next());
    authority != text(HOST.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn passes(rule: CsrfRule, pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        check(rule, &headers, |origin| origin == "https://app.example").is_ok()
    }

    #[test]
    fn what_a_page_of_another_site_causes_needs_a_header_that_asks_leave() {
        let browsers = |pairs: &[_]| passes(CsrfRule::Browsers, pairs);
        assert!(browsers(&[]), "a program");
        for fine in ["same-origin", "none"] {
            assert!(browsers(&[("sec-fetch-site", fine)]), "{fine}");
        }
        for site in ["cross-site", "same-site", "anything"] {
            let forged = ("sec-fetch-site", site);
            assert!(!browsers(&[forged]), "{site}");
            for name in PREFLIGHT {
                assert!(browsers(&[forged, (name, "")]), "{name}");
            }
            assert!(browsers(&[forged, ("content-type", "application/json")]));
            for simple in ["text/plain", "Text/Plain; charset=utf-8", ""] {
                assert!(!browsers(&[forged, ("content-type", simple)]), "{simple}");
            }
            assert!(browsers(&[forged, ("origin", "https://app.example")]));
            assert!(!browsers(&[forged, ("origin", "https://evil.example")]));
        }
    }

    #[test]
    fn older_browsers_are_known_by_origin_and_referer() {
        let browsers = |pairs: &[_]| passes(CsrfRule::Browsers, pairs);
        let host = ("host", "api.example:4000");
        assert!(browsers(&[host, ("origin", "http://api.example:4000")]));
        assert!(browsers(&[
            host,
            ("referer", "http://api.example:4000/page")
        ]));
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("referer", "https://evil.example/api.example:4000"),
            ("referer", "https://api.example:4000.evil.example/"),
        ] {
            assert!(!browsers(&[host, (name, value)]), "{name}: {value}");
        }
    }

    #[test]
    fn the_header_may_be_asked_of_everyone_or_of_nobody() {
        assert!(!passes(
            CsrfRule::Header,
            &[("sec-fetch-site", "same-origin")]
        ));
        assert!(passes(
            CsrfRule::Header,
            &[("apollo-require-preflight", "1")]
        ));
        assert!(passes(CsrfRule::Off, &[("sec-fetch-site", "cross-site")]));
    }
}
