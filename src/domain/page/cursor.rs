//! Cursors of pages: every one names the list that it belongs to.
//!
//! A place means something only in its own list and order: a number is a turn's in one list and a
//! step's in another. So a cursor that comes back to another list is refused instead of read.

use std::fmt;

use super::PageError;

/// The list that a cursor belongs to: the field, and what selects and orders its entries.
///
/// Two lists of the same field on two parents (the children of one turn and of another) are not
/// told apart: arguments are checked before parents are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorList {
    field: &'static str,
    /// Hash of order and filter; 0 for a list without.
    selection: u32,
}

impl CursorList {
    /// The list of a field without order and filter.
    pub const fn of(field: &'static str) -> Self {
        Self {
            field,
            selection: 0,
        }
    }

    /// The same field with an order or filter, given as a text that differs when they do.
    pub fn with(mut self, selection: impl fmt::Debug) -> Self {
        // FNV-1a. The seed is the hash so far, so that several parts can be given one by one.
        let text = format!("{selection:?}");
        let seed = self.selection ^ 0x811c_9dc5;
        let hash = text.bytes().fold(seed, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        self.selection = hash.max(1);
        self
    }

    /// The place in a cursor of this list, as text.
    pub fn place<'a>(&self, argument: &'static str, cursor: &'a str) -> Result<&'a str, PageError> {
        let bad = || PageError::BadCursor {
            argument,
            value: cursor.chars().take(40).collect(),
        };
        let (list, place) = cursor.split_once(':').ok_or_else(bad)?;
        if list == self.to_string() {
            return Ok(place);
        }
        let field = list.split('-').next().unwrap_or_default();
        if field == self.field {
            return Err(PageError::OtherSelection { argument });
        }
        if field.is_empty() || !field.chars().all(|c| c.is_ascii_alphabetic()) {
            return Err(bad());
        }
        Err(PageError::OtherList {
            argument,
            from: field.chars().take(40).collect(),
            to: self.field,
        })
    }
}

impl fmt::Display for CursorList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field)?;
        match self.selection {
            0 => Ok(()),
            selection => write!(f, "-{selection:08x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_by_its_own_list_only() {
        let turns = CursorList::of("turns");
        let liked = turns.with((Some(true), "liked"));
        let disliked = turns.with((Some(false), "liked"));
        for (list, cursor) in [
            (turns, "turns:12".to_owned()),
            (liked, format!("{liked}:12")),
        ] {
            assert_eq!(list.place("after", &cursor), Ok("12"));
        }
        let says =
            |list: CursorList, cursor: &str| list.place("after", cursor).unwrap_err().to_string();
        assert_eq!(
            says(turns, "children:12"),
            "`after` is a cursor of `children`; `turns` takes only cursors that it returned itself"
        );
        for other in [turns, disliked] {
            assert_eq!(
                says(liked, &format!("{other}:12")),
                "`after` is a cursor of this list with another order or filter; keep both while \
                 you page, or begin again without a cursor"
            );
        }
        for nonsense in ["", "12", ":12", "a b:12", "ключ:1"] {
            assert!(
                says(turns, nonsense).contains("is not a cursor"),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn each_part_of_a_selection_counts() {
        let list = CursorList::of("sessions");
        let all = [
            list,
            list.with("a"),
            list.with("b"),
            list.with("a").with("b"),
            list.with("b").with("a"),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|other| other != one), "{one}");
        }
    }
}
