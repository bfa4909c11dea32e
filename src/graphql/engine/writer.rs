//! The response as bytes: escaping, and the envelope of data and errors.

use std::ops::Range;

use async_graphql::ServerError;

/// Writes `text` as a JSON string. SIMD escaping takes a twelfth of serde_json's instructions on
/// prose (see the figures in `benches/README.md`); a property test compares both.
#[inline]
pub(crate) fn escape(buf: &mut Vec<u8>, text: &str) {
    json_escape_simd::escape_into(text, buf);
}

/// What a GraphQL response is made of.
#[derive(Debug, Default)]
pub(crate) struct ResponseParts {
    /// The bytes of `data`; `None` where execution did not begin.
    pub(crate) data: Option<Vec<u8>>,
    /// Errors, paths from the root down.
    pub(crate) errors: Vec<ServerError>,
    /// The bytes of `extensions`; empty for none.
    pub(crate) extensions: Vec<u8>,
    /// What writing `data` cost, in the units of the estimate.
    pub(crate) cost: u64,
}

/// `{"errors":[…],"data":…,"extensions":…}`; `data` is left out for requests that were not
/// executed. Beside it, where `data` is; none with errors.
pub(crate) fn write_response(parts: ResponseParts) -> (Vec<u8>, Option<Range<usize>>) {
    let ResponseParts {
        data,
        errors,
        extensions,
        cost: _,
    } = parts;
    let mut buf = Vec::with_capacity(
        data.as_ref().map_or(0, Vec::len) + 64 + extensions.len() + errors.len() * 160,
    );
    let mut shown = None;
    buf.push(b'{');
    if !errors.is_empty() {
        buf.extend_from_slice(b"\"errors\":");
        serde_json::to_writer(&mut buf, &errors).expect("writing to memory does not fail");
    }
    if let Some(data) = data {
        if !errors.is_empty() {
            buf.push(b',');
        }
        buf.extend_from_slice(b"\"data\":");
        let from = buf.len();
        buf.extend_from_slice(&data);
        shown = errors.is_empty().then_some(from..buf.len());
    }
    if !extensions.is_empty() {
        if buf.len() > 1 {
            buf.push(b',');
        }
        buf.extend_from_slice(b"\"extensions\":");
        buf.extend_from_slice(&extensions);
    }
    buf.push(b'}');
    (buf, shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escaping_reads_back_as_the_same_text(text in any::<String>()) {
            let mut buf = Vec::new();
            escape(&mut buf, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&buf).unwrap(), text);
        }
    }
}
