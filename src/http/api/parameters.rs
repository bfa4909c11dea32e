//! The parameters of a request, out of a body or a query string.
//!
//! Says what is wrong without repeating values: they may be prompts.

use std::collections::HashMap;

use axum::extract::Query;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;

use super::refusal::Refusal;
use crate::http::documents::Naming;
use crate::limits::Excess;

/// One operation as it was sent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {
    pub(super) query: Option<String>,
    #[serde(rename = "operationName")]
    pub(super) operation_name: Option<String>,
    variables: Option<Value>,
    extensions: Option<Value>,
    #[serde(rename = "documentId")]
    document_id: Option<String>,
    doc_id: Option<String>,
}

impl Parameters {
    /// The values of the variables: an object.
    pub(super) fn take_variables(&mut self) -> Result<Value, Refusal> {
        match self.variables.take() {
            None | Some(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
            Some(variables @ Value::Object(_)) => Ok(variables),
            Some(_) => Err(Refusal::bad("`variables` must be a JSON object.")),
        }
    }

    /// How the document is named; refuses `extensions` that are no object.
    pub(super) fn naming(&self) -> Result<Naming<'_>, Refusal> {
        let id = match (&self.document_id, &self.doc_id) {
            (Some(a), Some(b)) if a != b => {
                let message = "`documentId` and `doc_id` name two documents: send one of them.";
                return Err(Refusal::bad(message));
            }
            (a, b) => a.as_deref().or(b.as_deref()),
        };
        let automatic = match &self.extensions {
            None | Some(Value::Null) => None,
            Some(Value::Object(extensions)) => extensions.get("persistedQuery"),
            Some(_) => return Err(Refusal::bad("`extensions` must be a JSON object.")),
        };
        let hash = match automatic {
            None | Some(Value::Null) => None,
            Some(asked) => {
                let hash = asked.get("sha256Hash").and_then(Value::as_str);
                let is_known = asked.get("version").and_then(Value::as_i64) == Some(1);
                Some(hash.filter(|_| is_known).ok_or_else(|| {
                    Refusal::bad(
                        "`extensions.persistedQuery` must be {\"version\": 1, \"sha256Hash\": \
                         \"…\"}.",
                    )
                })?)
            }
        };
        let text = self.query.as_deref().filter(|text| !text.is_empty());
        Ok(Naming { id, hash, text })
    }
}

/// What a body holds.
#[derive(Debug)]
pub(super) enum Asked {
    /// One operation.
    One(Box<Parameters>),
    /// Several, in a JSON array.
    Batch(Vec<Parameters>),
}

/// Reads a body of at most `batch` operations; 1 takes no array.
pub(super) fn read_body(headers: &HeaderMap, body: &[u8], batch: usize) -> Result<Asked, Refusal> {
    if !is_json(headers) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "BAD_REQUEST",
            "Send `Content-Type: application/json` in UTF-8.",
        ));
    }
    // Serde would read a list as an object, by position.
    if body.trim_ascii_start().first() != Some(&b'[') {
        return Ok(Asked::One(Box::new(parse(body)?)));
    }
    if batch <= 1 {
        return Err(Refusal::bad(
            "The body is a JSON array: send one request at a time, as an object.",
        ));
    }
    let all: Vec<Value> = parse(body)?;
    if let Some(excess) = Excess::of(all.len() as u64, batch as u64) {
        let mut refusal = Refusal::bad(format!("The body has too many operations: {excess}."));
        refusal.refused.code = "BATCH_LIMIT_EXCEEDED";
        refusal.refused.excess = Some(excess);
        return Err(refusal);
    }
    if all.is_empty() {
        return Err(Refusal::bad("The body is an array without any operation."));
    }
    let each = all.into_iter().enumerate().map(|(at, value)| {
        let wrong = || {
            Refusal::bad(format!(
                "Entry {at} of the body is not a JSON object with a string `query`."
            ))
        };
        if !value.is_object() {
            return Err(wrong());
        }
        serde_json::from_value(value).map_err(|_| wrong())
    });
    Ok(Asked::Batch(each.collect::<Result<_, _>>()?))
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let mut parts = media.unwrap_or("").split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, charset)) if name.eq_ignore_ascii_case("charset") => {
                charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

fn parse<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        // What serde says of values may quote them; what it says of syntax does not.
        Refusal::bad(if error.is_data() {
            let place = format!("line {}, column {}", error.line(), error.column());
            format!("The body is not a JSON object with a string `query` ({place}).")
        } else {
            format!("The body is not JSON that can be read: {error}.")
        })
    })
}

/// Reads the query string of a GET.
pub(super) fn read_query(uri: &Uri) -> Result<Parameters, Refusal> {
    let Ok(Query(mut given)) = Query::<HashMap<String, String>>::try_from_uri(uri) else {
        return Err(Refusal::bad(
            "The query string is not form-encoded UTF-8; encode each parameter by itself.",
        ));
    };
    let mut text = |name: &str| given.remove(name).filter(|text| !text.is_empty());
    let json = |name: &str, text: Option<String>| match text {
        None => Ok(None),
        Some(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|_| Refusal::bad(format!("The parameter `{name}` is not JSON."))),
    };
    Ok(Parameters {
        variables: json("variables", text("variables"))?,
        extensions: json("extensions", text("extensions"))?,
        document_id: text("documentId"),
        doc_id: text("doc_id"),
        query: text("query"),
        operation_name: text("operationName"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(media: &'static str, body: &str, batch: usize) -> Result<Asked, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        read_body(&headers, body.as_bytes(), batch)
    }

    #[test]
    fn a_body_is_an_object_and_a_list_only_where_batches_are_taken() {
        let json = |body: &str| read("application/json", body, 1).map_err(|r| r.status);
        assert!(json(" {\"query\":\"{a}\"}").is_ok());
        for bad in [
            "[\"{a}\",null,null,null]",
            " [{\"query\":\"{a}\"}]",
            "",
            "null",
            "{",
        ] {
            assert_eq!(json(bad).err(), Some(StatusCode::BAD_REQUEST), "{bad}");
        }
        let batch = |body: &str| read("application/json", body, 2);
        assert!(
            matches!(batch("[{\"query\":\"{a}\"},{}]"), Ok(Asked::Batch(all)) if all.len() == 2)
        );
        for bad in ["[]", "[1]", "[[]]", "[{\"query\":1}]", "[{},"] {
            assert_eq!(batch(bad).unwrap_err().refused.code, "BAD_REQUEST", "{bad}");
        }
        let refused = batch("[{},{},{}]").unwrap_err().refused;
        assert_eq!(refused.code, "BATCH_LIMIT_EXCEEDED");
        assert_eq!(
            refused.excess,
            Some(Excess {
                limit: 2,
                actual: 3
            })
        );
    }

    #[test]
    fn a_body_is_json_in_utf_8_by_its_own_word() {
        for (media, is_json) in [
            ("application/json", true),
            ("Application/JSON; Charset=\"UTF-8\"", true),
            ("application/json; profile=x", true),
            ("application/json; charset=latin1", false),
            ("text/plain", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            let status = read(media, "{}", 1).map_err(|r| r.status);
            let wanted = (!is_json).then_some(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            assert_eq!(status.err(), wanted, "{media}");
        }
    }

    #[test]
    fn parameters_that_are_empty_are_absent() {
        let read = |uri: &str| read_query(&uri.parse().unwrap());
        let asked = read("/graphql?query=%7Ba%7D&variables=&operationName=").unwrap();
        assert_eq!(asked.query.as_deref(), Some("{a}"));
        assert!(asked.variables.is_none() && asked.operation_name.is_none());
        let refused = read("/graphql?query=x&variables=%7B").unwrap_err();
        assert!(refused.refused.message.contains("`variables`"));
    }
}
