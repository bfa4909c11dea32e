//! `Uid`, the key of every entity: text, as in the databases that users already have.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest key in bytes. Longer ones would not fit the index pages of every store.
pub const UID_BYTES_MAX: usize = 128;

/// A key as stored: 1 to [`UID_BYTES_MAX`] bytes of UTF-8 without control characters.
///
/// turngraph mints lower-case UUIDv7; keys of other programs are kept as they are. Keys are
/// ordered by their bytes (`COLLATE "C"`), in every store. Cloning is a reference count.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(Arc<str>);

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text has no bytes.
    #[error("a key must not be empty")]
    Empty,
    /// The text is longer than [`UID_BYTES_MAX`] bytes.
    #[error("a key has at most {UID_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The text holds a control character (NUL included).
    #[error("a key must not hold control characters")]
    Control,
}

impl Uid {
    /// Checks `text` and makes it a key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// Takes a key that a store returned. Stores check keys when they take them in, so this does
    /// not check again.
    pub fn stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn check(text: &str) -> Result<(), KeyError> {
        match text.len() {
            0 => Err(KeyError::Empty),
            n if n > UID_BYTES_MAX => Err(KeyError::TooLong(n)),
            _ if text.chars().any(char::is_control) => Err(KeyError::Control),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl Borrow<str> for Uid {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Uid {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::check(&text)?;
        Ok(Self(text.into()))
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> Self {
        uid.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_programs_are_kept_and_bad_ones_refused() {
        for good in ["a", "dialogue###123", "ключ", &"x".repeat(128)] {
            assert_eq!(Uid::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Uid::parse(""), Err(KeyError::Empty));
        assert_eq!(Uid::parse(&"x".repeat(129)), Err(KeyError::TooLong(129)));
        for bad in ["a\0b", "a\nb", "\u{7f}", "\u{85}"] {
            assert_eq!(Uid::parse(bad), Err(KeyError::Control));
        }
    }

    #[test]
    fn order_is_that_of_the_bytes() {
        let mut keys: Vec<_> = ["b", "a", "B", "A"].map(|k| Uid::parse(k).unwrap()).into();
        keys.sort();
        assert_eq!(format!("{keys:?}"), r#"["A", "B", "a", "b"]"#);
    }
}
