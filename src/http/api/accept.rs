//! Which media type an answer has: the client's `Accept` against the two that the specification
//! of GraphQL over HTTP names. Reads the header in place; nothing is allocated.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, HeaderValue};

/// A media type that answers can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status says what came of the request.
    Graphql,
    /// `application/json`: what is well formed is answered with 200, as older clients expect.
    Json,
}

impl Media {
    /// The value of `Content-Type`.
    pub(super) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Graphql => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }

    fn subtype(self) -> &'static str {
        match self {
            Self::Graphql => "graphql-response+json",
            Self::Json => "json",
        }
    }
}

/// How well a media range fits: how exactly it names the type, then its weight in thousandths.
#[derive(Clone, Copy, Default, PartialEq)]
struct Fit {
    /// 0 not at all, 1 `*/*`, 2 `application/*`, 3 by name.
    exactness: u8,
    weight: u16,
}

/// The media type of the answer; none when the client takes neither.
///
/// The heavier one wins. Where both weigh the same, it is the specification's own type if the
/// client names it, and `application/json` for those who only say `*/*`.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Media> {
    if !headers.contains_key(ACCEPT) {
        // Clients from before the specification send no Accept and expect application/json.
        return Some(Media::Json);
    }
    let (graphql, json) = (fit(headers, Media::Graphql), fit(headers, Media::Json));
    match (graphql.weight, json.weight) {
        (0, 0) => None,
        (g, j) if g > j => Some(Media::Graphql),
        (g, j) if g < j => Some(Media::Json),
        _ if graphql.exactness == 3 => Some(Media::Graphql),
        _ => Some(Media::Json),
    }
}

/// The most exact range that fits decides (RFC 9110, 12.5.1).
fn fit(headers: &HeaderMap, media: Media) -> Fit {
    let lines = headers.get_all(ACCEPT).iter();
    let ranges = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    ranges.fold(Fit::default(), |best, range| {
        let this = fit_of(range, media);
        if this.exactness > best.exactness {
            this
        } else {
            best
        }
    })
}

fn fit_of(range: &str, media: Media) -> Fit {
    let mut parts = range.split(';').map(str::trim);
    let (kind, subtype) = match parts.next().and_then(|name| name.split_once('/')) {
        Some(named) => named,
        None => return Fit::default(),
    };
    let exactness = match (kind, subtype) {
        ("*", "*") => 1,
        (kind, _) if !kind.eq_ignore_ascii_case("application") => 0,
        (_, "*") => 2,
        (_, subtype) if subtype.eq_ignore_ascii_case(media.subtype()) => 3,
        _ => 0,
    };
    let weight = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(value)
    });
    Fit {
        exactness,
        weight: match weight.map(|q| q.trim().parse::<f32>()) {
            None => 1_000,
            Some(Ok(q)) if (0.0..=1.0).contains(&q) => (q * 1_000.0) as u16,
            Some(_) => 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(lines: &[&'static str]) -> Option<Media> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, HeaderValue::from_static(line));
        }
        negotiate(&headers)
    }

    #[test]
    fn the_heavier_type_wins_and_wildcards_mean_json() {
        const G: Option<Media> = Some(Media::Graphql);
        const J: Option<Media> = Some(Media::Json);
        for (lines, media) in [
            (&[][..], J),
            (&["*/*"], J),
            (&["application/*"], J),
            (&["application/json"], J),
            (&["application/graphql-response+json"], G),
            (&["Application/GraphQL-Response+JSON; charset=utf-8"], G),
            // Apollo Client, urql and browsers.
            (
                &["application/graphql-response+json,application/json;q=0.9"],
                G,
            ),
            (
                &[
                    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed",
                ],
                G,
            ),
            (&["text/html,application/xml;q=0.9,*/*;q=0.8"], J),
            (
                &[
                    "application/json",
                    "application/graphql-response+json;q=0.5",
                ],
                J,
            ),
            (&["application/json;q=0.1, */*"], G),
            (&["application/graphql-response+json;q=0, */*"], J),
            (&["application/json; q=0"], None),
            (&["application/*;q=0, */*"], None),
            (&["text/html"], None),
            (&[""], None),
            (&["application/json;q=nonsense"], None),
            (&["json", ",,;q=1,/"], None),
        ] {
            assert_eq!(chosen(lines), media, "{lines:?}");
        }
    }
}
