//! Headers of freshness: what a request asks for, and what its answer was.
//!
//! Asked: `X-Turngraph-Consistency` (STRONG, EVENTUAL or ANALYTICS) and `X-Turngraph-At-Least`
//! (revisions, separated by commas). Told: `X-Turngraph-Consistency`, `-Source` (stores, separated
//! by commas), `-Lag-Ms` and `-As-Of` of the oldest part (left out where that is not known),
//! `-Cache`, `-Degraded` with `-Reason`, and `-Revision` after a write; and what it cost.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::{Consistency, Revision};
use crate::graphql::{About, Freshness};

const CONSISTENCY: &str = "x-turngraph-consistency";
const AT_LEAST: &str = "x-turngraph-at-least";

/// What a request asks for, or what is wrong with how it asks.
pub(super) fn asked(headers: &HeaderMap) -> Result<Freshness, String> {
    let consistency = match headers.get(CONSISTENCY) {
        None => None,
        Some(value) => {
            let named = value.to_str().ok().map(str::trim);
            let known = named.and_then(Consistency::from_name);
            Some(known.ok_or("`X-Turngraph-Consistency` must be STRONG, EVENTUAL or ANALYTICS.")?)
        }
    };
    let mut at_least = Vec::new();
    for value in headers.get_all(AT_LEAST) {
        for token in value.to_str().unwrap_or("?").split(',') {
            let revision = Revision::parse(token.trim()).ok_or(
                "`X-Turngraph-At-Least` is not a revision of this server: send the `revision` \
                 that a mutation answered, or the header `X-Turngraph-Revision` of its response.",
            )?;
            at_least.push(revision);
        }
    }
    Ok(Freshness {
        consistency,
        at_least,
    })
}

/// Says in the headers of a response where it came from.
pub(super) fn tell(headers: &mut HeaderMap, about: &About) {
    let mut set = |name: &'static str, value: String| {
        // What is amiss is said in words of ours, and stores have names; both are ASCII.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set(CONSISTENCY, about.consistency.name().into());
    set("x-turngraph-cache", about.cache().into());
    set("x-turngraph-degraded", about.is_degraded().to_string());
    let sources = about.sources();
    let optional = [
        (
            "x-turngraph-source",
            (!sources.is_empty()).then(|| sources.join(",")),
        ),
        (
            "x-turngraph-lag-ms",
            about.lag_ms().map(|ms| ms.to_string()),
        ),
        ("x-turngraph-as-of", about.as_of().map(|at| at.to_string())),
        ("x-turngraph-reason", about.reason()),
        (
            "x-turngraph-revision",
            about.revision.as_ref().map(ToString::to_string),
        ),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            set(name, value);
        }
    }
    if let Some(cost) = about.cost {
        for (name, units) in [
            ("x-turngraph-cost-estimated", cost.estimated),
            ("x-turngraph-cost-actual", cost.actual),
            ("x-turngraph-cost-max", cost.max),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(units));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn headers_ask_and_bad_ones_are_refused_with_what_is_allowed() {
        assert_eq!(asked(&with(&[])), Ok(Freshness::default()));
        let all = with(&[
            (CONSISTENCY, " strong "),
            (AT_LEAST, "r1.a.5, r1.b.6"),
            (AT_LEAST, "r1."),
        ]);
        let all = asked(&all).unwrap();
        assert_eq!(all.consistency, Some(Consistency::Strong));
        assert_eq!(all.at_least.len(), 3);
        let bad = asked(&with(&[(CONSISTENCY, "LINEAR")])).unwrap_err();
        assert!(bad.contains("STRONG, EVENTUAL or ANALYTICS"), "{bad}");
        for token in ["", "5", "r1.a.5;r1.b.6", "\u{ff}"] {
            let mut headers = HeaderMap::new();
            headers.insert(AT_LEAST, HeaderValue::from_bytes(token.as_bytes()).unwrap());
            let bad = asked(&headers).unwrap_err();
            assert!(bad.contains("`revision`"), "{token:?}: {bad}");
        }
    }
}
