//! How fresh a read must be, and the places in time that this is said with: `Revision`, the token
//! by which a client reads its own writes, and `Watermark`, how far projections have come.

use std::fmt;

use super::{Timestamp, Uid};

/// Rows named in a token at most; a larger write is named by its position alone.
pub const REVISION_ROWS_MAX: usize = 16;

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Consistency {
    /// Rollups or a replica of the record store, with limits of their own; may be old.
    Analytics,
    /// Caches and projections, a moment behind; the answer says how far.
    #[default]
    Eventual,
    /// The record store itself.
    Strong,
}

impl Consistency {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Strong, Self::Eventual, Self::Analytics];

    /// The name in GraphQL and in headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strong => "STRONG",
            Self::Eventual => "EVENTUAL",
            Self::Analytics => "ANALYTICS",
        }
    }

    /// Reads the name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|c| c.name().eq_ignore_ascii_case(name))
    }
}

/// A place in the record store's own order of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Identity of the store (PostgreSQL: system identifier and timeline; SQLite: database id).
    /// Positions of two stores cannot be compared.
    pub store: String,
    /// PostgreSQL: log sequence number read after the commit; SQLite: last change number.
    pub value: u64,
}

/// How far the projections have come: everything that was committed up to `position` is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// Place in the record store's order of commits.
    pub position: Position,
    /// Everything committed until then, by the record store's clock, is in the projections.
    pub as_of: Timestamp,
}

/// What a write or a read reached: a position and the versions of single rows.
///
/// Opaque to clients. Too high is safe (it is only waited for), too low is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revision {
    /// Position after the commit; none where only rows are known.
    pub position: Option<Position>,
    /// Rows and their `rev`, at most [`REVISION_ROWS_MAX`].
    pub rows: Vec<(Uid, i64)>,
}

impl Revision {
    /// The revision of a write that changed `rows` and committed at `position`.
    pub fn of_write(position: Position, mut rows: Vec<(Uid, i64)>) -> Self {
        if rows.len() > REVISION_ROWS_MAX {
            rows.clear();
        }
        Self {
            position: Some(position),
            rows,
        }
    }

    /// Reads a token; `None` when it is not one.
    pub fn parse(token: &str) -> Option<Self> {
        let rest = token.strip_prefix("r1.")?;
        let mut parts = rest.split('~');
        let position = match parts.next()? {
            "" => None,
            place => {
                let (store, value) = place.rsplit_once('.')?;
                let value = u64::from_str_radix(value, 16).ok()?;
                Some(Position {
                    store: unescape(store)?,
                    value,
                })
            }
        };
        let row = |part: &str| {
            let (uid, rev) = part.rsplit_once('.')?;
            Some((
                Uid::parse(&unescape(uid)?).ok()?,
                i64::from_str_radix(rev, 16).ok()?,
            ))
        };
        let rows = parts.map(row).collect::<Option<Vec<_>>>()?;
        (rows.len() <= REVISION_ROWS_MAX).then_some(Self { position, rows })
    }
}

/// `r1.<store>.<position in hex>~<uid>.<rev in hex>~…`, safe in headers and URLs.
impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("r1.")?;
        if let Some(position) = &self.position {
            write!(f, "{}.{:x}", Escaped(&position.store), position.value)?;
        }
        for (uid, rev) in &self.rows {
            write!(f, "~{}.{rev:x}", Escaped(uid.as_str()))?;
        }
        Ok(())
    }
}

/// Everything but ASCII letters, digits, `-` and `_` as `!xx`, so that keys of any form fit.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => {
                    write!(f, "{}", byte as char)?;
                }
                _ => write!(f, "!{byte:02x}")?,
            }
        }
        Ok(())
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'!' => {
                let pair = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => bytes.push(byte),
            // Everything else would have been escaped.
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_there_and_back() {
        let position = Position {
            store: "7412.1".into(),
            value: 0x16_B374_D848,
        };
        let key = Uid::parse("a~b.c!дом").unwrap();
        for revision in [
            Revision::of_write(
                position.clone(),
                vec![(key.clone(), 5), (key.clone(), i64::MAX)],
            ),
            Revision::of_write(position.clone(), vec![]),
            Revision {
                position: None,
                rows: vec![(key.clone(), 1)],
            },
            Revision::default(),
        ] {
            let token = revision.to_string();
            assert!(token.bytes().all(|b| b.is_ascii_graphic()), "{token}");
            assert_eq!(Revision::parse(&token), Some(revision));
        }
        let many = Revision::of_write(position, vec![(key, 1); REVISION_ROWS_MAX + 1]);
        assert!(many.rows.is_empty());
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in [
            "", "r1", "r2.", "r1.x", "r1.x.zz", "r1.~a", "r1.~!.1", "r1.~.1",
        ] {
            assert_eq!(Revision::parse(text), None, "{text}");
        }
    }
}
