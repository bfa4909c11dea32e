//! Rules on JSON text: step content, which is stored byte for byte, and token usage.
//!
//! Content is any JSON value that is checked without building a tree of it. Two things that the
//! grammar of JSON lets pass are refused:
//! - an escape of a lone surrogate (`"\ud800"`): it stands for no character, so no reader could
//!   decode the string; replacing it would break "byte for byte";
//! - nesting beyond [`JSON_DEPTH_MAX`], which neither turngraph's own typed reading nor the
//!   default parsers of many clients follow.
//!
//! An escaped NUL (`"\u0000"`) is accepted in content: it is sound JSON, the column is text, and
//! the output of real tools holds it. In usage it is refused, since that column is `jsonb`.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::Faults;
use super::text::bytes_max;
use crate::commands::outcome::UserErrorCode;
use crate::domain::step::CONTENT_BYTES_MAX;

/// Deepest nesting of arrays and objects in step content.
pub const JSON_DEPTH_MAX: usize = 128;

/// Longest token usage of a turn in bytes of JSON.
pub const USAGE_BYTES_MAX: usize = 64 * 1024;

/// Content of a step: any JSON value of at most [`CONTENT_BYTES_MAX`] bytes.
pub(in crate::commands) fn content(faults: &mut Faults, path: &[&str], text: &str) {
    if text.len() > CONTENT_BYTES_MAX {
        return bytes_max(
            faults,
            path,
            "the content of a step",
            text,
            CONTENT_BYTES_MAX,
        );
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return faults.add(UserErrorCode::Invalid, path, not_json("content", &error));
    }
    let scan = Scan::of(text);
    if let Some(at) = scan.lone_surrogate {
        let message = format_args!(
            "content has an escape of half a surrogate pair at byte {at}; it stands for no \
             character, so write the pair or the replacement character \\ufffd"
        );
        faults.add(UserErrorCode::Invalid, path, message);
    }
    if scan.depth > JSON_DEPTH_MAX {
        let message = format_args!(
            "content is nested {} levels deep, at most {JSON_DEPTH_MAX} are accepted",
            scan.depth
        );
        faults.add(UserErrorCode::LimitExceeded, path, message);
    }
}

/// Token usage of a turn: a JSON object of at most [`USAGE_BYTES_MAX`] bytes.
pub(in crate::commands) fn usage(faults: &mut Faults, path: &[&str], text: &str) {
    if text.len() > USAGE_BYTES_MAX {
        return bytes_max(faults, path, "usage", text, USAGE_BYTES_MAX);
    }
    // Small enough for a tree, which also refuses lone surrogates and numbers beyond a double.
    if let Err(error) = serde_json::from_str::<Map<String, Value>>(text) {
        return faults.add(UserErrorCode::Invalid, path, not_json("usage", &error));
    }
    if Scan::of(text).nul {
        let message = "usage must not hold the NUL character (\\u0000)";
        faults.add(UserErrorCode::Invalid, path, message);
    }
}

/// Says where, never what: a parser's own message may quote the text.
fn not_json(what: &str, error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => {
            format!("{what} must be a JSON object (line {line}, column {column})")
        }
        _ => format!("{what} is not JSON: line {line}, column {column} cannot be read"),
    }
}

/// What one walk over the bytes of sound JSON finds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scan {
    depth: usize,
    lone_surrogate: Option<usize>,
    nul: bool,
}

impl Scan {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut scan, mut depth, mut at) = (Self::default(), 0usize, 0);
        let mut in_string = false;
        while at < bytes.len() {
            match bytes[at] {
                b'"' => in_string = !in_string,
                b'\\' => {
                    at += scan.escape(bytes, at);
                    continue;
                }
                b'[' | b'{' if !in_string => {
                    depth += 1;
                    scan.depth = scan.depth.max(depth);
                }
                b']' | b'}' if !in_string => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        scan
    }

    /// Reads the escape at `at` and returns its length; that of a surrogate pair is twice six.
    fn escape(&mut self, bytes: &[u8], at: usize) -> usize {
        match unit(bytes, at) {
            None => 2,
            Some(0xd800..=0xdbff) if matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                self.lone_surrogate.get_or_insert(at);
                6
            }
            Some(code) => {
                self.nul |= code == 0;
                6
            }
        }
    }
}

/// The number of the `\uXXXX` escape at `at`, if there is one.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(br"\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(check: impl Fn(&mut Faults)) -> Vec<(UserErrorCode, String)> {
        let mut faults = Faults::default();
        check(&mut faults);
        let errors = faults.refusal().unwrap_or_default();
        errors.into_iter().map(|e| (e.code, e.message)).collect()
    }

    fn of(text: &str) -> Vec<(UserErrorCode, String)> {
        refused(|faults| content(faults, &["content"], text))
    }

    #[test]
    fn any_json_value_is_content() {
        let deep = "[".repeat(JSON_DEPTH_MAX) + &"]".repeat(JSON_DEPTH_MAX);
        for good in [
            "1",
            "null",
            " {} ",
            r#""""#,
            r#""\u0000""#,
            r#""\ud83d\ude00""#,
            r#""\uD83D\uDE00""#,
            r#""\\ud800""#,
            r#""\\\\ud800 \" [[ ""#,
            r#"{"a":[1e999,{"b":"\n\u00e9"}]}"#,
            &deep,
        ] {
            assert_eq!(of(good), [], "{good}");
        }
    }

    #[test]
    fn other_text_is_no_content() {
        for bad in [
            "",
            "{",
            "{'a':1}",
            "[1,]",
            "NaN",
            "\"a\nb\"",
            "\"a\0b\"",
            "1 2",
            r#""\u12""#,
        ] {
            assert_eq!(of(bad)[0].0, UserErrorCode::Invalid, "{bad}");
        }
        let message = &of("{\"secret\" x}")[0].1;
        assert_eq!(
            message,
            "content is not JSON: line 1, column 11 cannot be read"
        );
    }

    #[test]
    fn half_a_surrogate_pair_is_refused_wherever_it_stands() {
        for (bad, at) in [
            (r#""\ud800""#, 1),
            (r#""a\udc00""#, 2),
            (r#""\ud800\ud800\udc00""#, 1),
            (r#""\udc00\ud800""#, 1),
            (r#""\ud800\\udc00""#, 1),
            (r#""\\\uDBFF ""#, 3),
            (r#"{"\udfff":1}"#, 2),
        ] {
            let errors = of(bad);
            assert_eq!(errors.len(), 1, "{bad}");
            assert_eq!(errors[0].0, UserErrorCode::Invalid);
            assert!(
                errors[0].1.contains(&format!("at byte {at};")),
                "{bad}: {errors:?}"
            );
        }
    }

    #[test]
    fn nesting_and_length_have_a_limit() {
        let deep = "[".repeat(JSON_DEPTH_MAX + 1) + &"]".repeat(JSON_DEPTH_MAX + 1);
        assert_eq!(of(&deep)[0].0, UserErrorCode::LimitExceeded);
        let bottomless = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(of(&bottomless)[0].0, UserErrorCode::LimitExceeded);
        let fits = format!("\"{}\"", "x".repeat(CONTENT_BYTES_MAX - 2));
        assert_eq!(of(&fits), []);
        let long = format!("\"{}\"", "x".repeat(CONTENT_BYTES_MAX - 1));
        assert_eq!(of(&long)[0].0, UserErrorCode::TooLong);
    }

    #[test]
    fn usage_is_an_object_that_jsonb_takes() {
        let of = |text: &str| refused(|faults| usage(faults, &["usage"], text));
        assert_eq!(of(r#"{"inputTokens":12,"cost":0.5}"#), []);
        for bad in [
            "[]",
            "1",
            "{",
            r#"{"a":"\u0000"}"#,
            r#"{"a":1e999}"#,
            r#"{"a":"\ud800"}"#,
        ] {
            assert_eq!(of(bad)[0].0, UserErrorCode::Invalid, "{bad}");
        }
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(USAGE_BYTES_MAX));
        assert_eq!(of(&long)[0].0, UserErrorCode::TooLong);
    }
}
