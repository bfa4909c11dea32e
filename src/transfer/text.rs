//! Bytes of JSON text: where a value ends, and escapes that no text can hold.

/// White space of JSON.
pub(in crate::transfer) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Follows JSON text byte by byte and tells where its first object, array or string ends.
#[derive(Debug, Default)]
pub(in crate::transfer) struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Takes the next byte; true when an object, array or string ends with it at the top.
    pub(in crate::transfer) fn ends_value(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_string = false;
                    return self.depth == 0;
                }
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }

    /// Neither within a string nor within brackets.
    pub(in crate::transfer) fn is_outside(&self) -> bool {
        self.depth == 0 && !self.in_string
    }
}

/// Replaces escapes of NUL and of half a surrogate pair by that of U+FFFD; returns how many.
///
/// PostgreSQL cannot store the one and no text can hold the other; exports of old programs, which
/// cut texts in the middle of an emoji, have both.
pub(in crate::transfer) fn replace_unstorable_escapes(text: &mut String) -> usize {
    let bytes = text.as_bytes();
    let mut bad = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match hex4(bytes, at) {
            None => at += 2,
            Some(0xD800..=0xDBFF) if matches!(hex4(bytes, at + 6), Some(0xDC00..=0xDFFF)) => {
                at += 12;
            }
            Some(0 | 0xD800..=0xDFFF) => {
                bad.push(at);
                at += 6;
            }
            Some(_) => at += 6,
        }
    }
    for &at in &bad {
        text.replace_range(at..at + 6, "\\ufffd");
    }
    bad.len()
}

/// The number of a `\uXXXX` at `at`.
fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |value, &digit| {
        Some(value << 4 | char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_escapes_that_cannot_be_stored_are_replaced() {
        for (text, of, count) in [
            (r#""\u0000a\ud83d\ude00""#, r#""\ufffda\ud83d\ude00""#, 1),
            (r#""\ud800""#, r#""\ufffd""#, 1),
            (r#""\udc00\ud800\n""#, r#""\ufffd\ufffd\n""#, 2),
            (r#""\\u0000 \\\u0000""#, r#""\\u0000 \\\ufffd""#, 1),
            (r#""\ud800\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#, 1),
            (r#""\u00"#, r#""\u00"#, 0),
        ] {
            let mut changed = text.to_owned();
            assert_eq!(replace_unstorable_escapes(&mut changed), count, "{text}");
            assert_eq!(changed, of);
        }
    }

    proptest! {
        #[test]
        fn strings_can_be_read_after_it(text in "\"(\\\\u[dD][89cC][0-9a]{2}|\\\\u0000|\\\\\\\\|[a-z😀])*\"") {
            let mut text = text;
            replace_unstorable_escapes(&mut text);
            let read: String = serde_json::from_str(&text).unwrap();
            prop_assert!(!read.contains('\0'));
        }
    }
}
