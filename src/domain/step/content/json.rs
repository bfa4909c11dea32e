//! `Json`: one JSON value as the text that it was written as.

use std::borrow::Cow;

/// One valid JSON value as text, without white space around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// `raw` must be one valid JSON value without white space around it.
    pub(super) fn new(raw: &'a str) -> Self {
        Self(raw)
    }

    /// The text, byte for byte as it was stored.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The string that the value is, borrowed unless an escape needs a copy; none for other
    /// values and for strings with half a surrogate pair.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            return serde_json::from_str(self.0).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(inner))
    }

    /// What a person reads: a string without its quotes, nothing for null, other values as they
    /// are written.
    pub fn plain_text(self) -> Cow<'a, str> {
        match self.0 {
            "null" => Cow::Borrowed(""),
            raw => self.text().unwrap_or(Cow::Borrowed(raw)),
        }
    }
}
