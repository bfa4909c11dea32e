//! `check_json`: whether a text from outside is JSON that can be stored and read by anyone.
//!
//! One pass over the bytes, without a tree and without recursion. It knows nothing of step types.

use thiserror::Error;

/// How deep arrays and objects may be nested: as deep as `serde_json` reads, so that whatever
/// passes [`check_json`] can be read into a tree by anyone later.
pub const JSON_DEPTH_MAX: usize = 127;

/// What is wrong with a JSON text. It never quotes the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind} at byte {position}")]
pub struct JsonProblem {
    /// Offset of the offending byte, from 0; the length of the text when it ends too soon.
    pub position: usize,
    /// What is wrong there.
    pub kind: JsonProblemKind,
}

/// The ways in which a text is not JSON that can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JsonProblemKind {
    /// The text is over before the value is.
    #[error("unexpected end")]
    End,
    /// This byte cannot stand here.
    #[error("unexpected character")]
    Unexpected,
    /// A control character must be written as an escape.
    #[error("unescaped control character in a string")]
    Control,
    /// A backslash is followed by what is no escape.
    #[error("unknown escape in a string")]
    Escape,
    /// Half of a surrogate pair, e.g. `\ud800` alone, is no character: databases and clients
    /// refuse it.
    #[error("lone surrogate escape in a string")]
    LoneSurrogate,
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    #[error("nested deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep,
}

/// Whether `text` is one JSON value (RFC 8259) that every reader accepts: well-formed, no lone
/// surrogate, not nested too deep. White space around it is allowed, a byte order mark is not.
pub fn check_json(text: &str) -> Result<(), JsonProblem> {
    let mut scan = Scan {
        bytes: text.as_bytes(),
        at: 0,
    };
    scan.document().map_err(|kind| {
        let at_end = scan.at >= scan.bytes.len() && kind == JsonProblemKind::Unexpected;
        JsonProblem {
            position: scan.at,
            kind: if at_end { JsonProblemKind::End } else { kind },
        }
    })
}

type Scanned = Result<(), JsonProblemKind>;

/// A cursor; where a method fails, `at` is the offending byte.
struct Scan<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Scan<'_> {
    /// One value with its nested ones. The open containers are a stack of bits (1: object), not
    /// the call stack.
    fn document(&mut self) -> Scanned {
        let (mut objects, mut depth) = (0u128, 0);
        loop {
            self.space();
            if let Some(opened) = self.peek().filter(|b| matches!(b, b'{' | b'[')) {
                if depth == JSON_DEPTH_MAX {
                    return Err(JsonProblemKind::TooDeep);
                }
                self.at += 1;
                self.space();
                let object = opened == b'{';
                let empty = self.peek() == Some(if object { b'}' } else { b']' });
                if !empty {
                    (objects, depth) = (objects << 1 | u128::from(object), depth + 1);
                    if object {
                        self.key()?;
                    }
                    continue;
                }
                self.at += 1;
            } else {
                self.scalar()?;
            }
            // A value is over: a comma goes on to the next one, brackets close.
            loop {
                self.space();
                if depth == 0 {
                    return if self.at == self.bytes.len() {
                        Ok(())
                    } else {
                        Err(JsonProblemKind::Unexpected)
                    };
                }
                let object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if object {
                            self.space();
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if object => self.at += 1,
                    Some(b']') if !object => self.at += 1,
                    _ => return Err(JsonProblemKind::Unexpected),
                }
                (objects, depth) = (objects >> 1, depth - 1);
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn key(&mut self) -> Scanned {
        self.string()?;
        self.space();
        self.literal(b":")
    }

    fn scalar(&mut self) -> Scanned {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => self.number(),
        }
    }

    fn literal(&mut self, wanted: &[u8]) -> Scanned {
        for &byte in wanted {
            if self.peek() != Some(byte) {
                return Err(JsonProblemKind::Unexpected);
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Scanned {
        self.skip(b"-");
        // No digit may follow a leading zero.
        if !self.skip(b"0") {
            self.digits()?;
        }
        if self.skip(b".") {
            self.digits()?;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.digits()?;
        }
        Ok(())
    }

    fn skip(&mut self, any_of: &[u8]) -> bool {
        let found = self.peek().is_some_and(|b| any_of.contains(&b));
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> Scanned {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from {
            return Err(JsonProblemKind::Unexpected);
        }
        Ok(())
    }

    fn string(&mut self) -> Scanned {
        self.literal(b"\"")?;
        loop {
            self.at += plain_prefix(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(0..0x20) => return Err(JsonProblemKind::Control),
                Some(_) => self.at += 1,
                None => return Err(JsonProblemKind::Unexpected),
            }
        }
    }

    fn escape(&mut self) -> Scanned {
        let from = self.at;
        self.at += 1;
        if !self.skip(b"u") {
            let known = self.skip(b"\"\\/bfnrt");
            let ends = self.at == self.bytes.len();
            return match (known, ends) {
                (true, _) => Ok(()),
                (false, true) => Err(JsonProblemKind::Unexpected),
                (false, false) => Err(JsonProblemKind::Escape),
            };
        }
        let lone = |scan: &mut Self| {
            scan.at = from;
            Err(JsonProblemKind::LoneSurrogate)
        };
        match self.hex4()? {
            0xD800..=0xDBFF => {
                if !self.bytes[self.at..].starts_with(b"\\u") {
                    return lone(self);
                }
                self.at += 2;
                match self.hex4()? {
                    0xDC00..=0xDFFF => Ok(()),
                    _ => lone(self),
                }
            }
            0xDC00..=0xDFFF => lone(self),
            _ => Ok(()),
        }
    }

    fn hex4(&mut self) -> Result<u32, JsonProblemKind> {
        let mut value = 0;
        for _ in 0..4 {
            let byte = self.peek().ok_or(JsonProblemKind::Unexpected)?;
            let digit = char::from(byte).to_digit(16);
            value = value << 4 | digit.ok_or(JsonProblemKind::Escape)?;
            self.at += 1;
        }
        Ok(value)
    }
}

/// Number of bytes before the first quote, backslash or control character, or before the last
/// seven bytes. Every content that is sent is scanned, and nearly all of it is such text: byte by
/// byte the scan took a third of the instructions of a conversation load.
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 0x80;
    // The high bit of each byte of `word` that is below `bound`; exact up to the first such byte,
    // and only the first one counts.
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
    let (words, _) = bytes.as_chunks::<8>();
    for (at, chunk) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let found = below(word, 0x20) | quote | backslash;
        if found != 0 {
            return at * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(text: &str) -> Option<(usize, JsonProblemKind)> {
        check_json(text).err().map(|p| (p.position, p.kind))
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        use JsonProblemKind::*;
        for (text, at, kind) in [
            ("", 0, End),
            (" ", 1, End),
            ("{", 1, End),
            ("[1,", 3, End),
            ("\"ab", 3, End),
            ("\"ab\\", 4, End),
            ("\"\\u00", 5, End),
            ("tru", 3, End),
            ("-", 1, End),
            ("1.", 2, End),
            ("01", 1, Unexpected),
            ("[1,]", 3, Unexpected),
            ("{,}", 1, Unexpected),
            ("{\"a\" 1}", 5, Unexpected),
            ("{a:1}", 1, Unexpected),
            ("[1}", 2, Unexpected),
            ("1 2", 2, Unexpected),
            ("\u{feff}1", 0, Unexpected),
            ("NaN", 0, Unexpected),
            ("\"a\nb\"", 2, Control),
            ("\"\\x\"", 2, Escape),
            ("\"\\u12g4\"", 5, Escape),
            ("[\"\\ud800\"]", 2, LoneSurrogate),
            ("\"\\udc00\"", 1, LoneSurrogate),
            ("\"\\udfff\"", 1, LoneSurrogate),
            ("\"\\udbff \"", 1, LoneSurrogate),
            ("\"\\ud800\\u0041\"", 1, LoneSurrogate),
            ("\"\\ud800\\ud800\"", 1, LoneSurrogate),
            ("{\"\\ud800\":1}", 2, LoneSurrogate),
        ] {
            assert_eq!(problem(text), Some((at, kind)), "{text:?}");
        }
        let told = check_json("[\"\\ud800\"]").unwrap_err().to_string();
        assert_eq!(told, "lone surrogate escape in a string at byte 2");
    }

    #[test]
    fn nesting_is_allowed_as_deep_as_serde_json_reads() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |n: usize| format!("{}0{}", open.repeat(n), close.repeat(n));
            for depth in [1, 64, JSON_DEPTH_MAX] {
                assert_eq!(problem(&nested(depth)), None);
                assert!(serde_json::from_str::<serde_json::Value>(&nested(depth)).is_ok());
            }
            let at = JSON_DEPTH_MAX * open.len();
            assert_eq!(
                problem(&nested(JSON_DEPTH_MAX + 1)),
                Some((at, JsonProblemKind::TooDeep))
            );
            let deep = nested(JSON_DEPTH_MAX + 1);
            assert!(serde_json::from_str::<serde_json::Value>(&deep).is_err());
            assert_eq!(problem(&open.repeat(200_000)).map(|p| p.0), Some(at));
        }
    }

    #[test]
    fn escapes_surrogate_pairs_and_numbers_beyond_any_float_are_json() {
        for text in [
            r#""\ud83d\ude00 \udbff\udfff \ud7ff \ue000""#,
            r#""\" \\ \/ \b \f \n \r \t \u00e9 \u00E9""#,
            "1e999",
            " [ ] ",
            "{ }",
            "-0.5E+3",
        ] {
            assert_eq!(problem(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn structure_and_numbers_agree_with_serde_json(text in "[\\[\\]{},:\"\\\\ 0-2eE.+-]{0,12}") {
            // Skipping a value is compared, since reading it would refuse numbers out of range.
            prop_assert_eq!(
                check_json(&text).is_ok(),
                serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok()
            );
        }

        #[test]
        fn escapes_agree_with_serde_json(text in "\"(\\\\u[dD][89cC][0-9a]{2}|\\\\[a-z\"]|[\\x00-\\x40]){0,5}\"") {
            prop_assert_eq!(check_json(&text).is_ok(), serde_json::from_str::<String>(&text).is_ok());
        }

        #[test]
        fn it_never_panics(text in any::<String>()) {
            let _ = check_json(&text);
        }
    }
}
