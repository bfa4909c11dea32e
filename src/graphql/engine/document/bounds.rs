//! Bounds on documents, checked in linear time before anything else walks them.
//!
//! The parser and the validation of async-graphql walk a document recursively and expand its
//! fragments one by one; what is let through here keeps them quick and on a small stack.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

/// Brackets and braces inside each other at most: the deepest selection, with room for the values
/// of its arguments (JSON of that depth is refused as a step's content as well).
pub(super) const NESTING_MAX: usize = 200;

/// Fragments that spread each other and selections inside each other at most; async-graphql stops
/// at 64 as well, but walks fragments that spread each other before it counts.
pub(super) const LEVELS_MAX: usize = 100;

/// Lists of the schema's own description inside each other at most. Each multiplies the answer by
/// the number of fields of a type: five of them would be gigabytes.
const INTROSPECTED_LISTS_MAX: usize = 2;

/// What a look at the bytes of a document tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// The deepest nesting of brackets and braces; counting stops right above the bound.
    pub(super) nesting: usize,
    /// Names, numbers, strings and punctuators.
    pub(super) tokens: usize,
}

/// Counts tokens, and brackets and braces inside each other, outside of strings and comments;
/// stops where these nest more than `max` levels deep.
pub(super) fn scan(text: &str, max: usize) -> Scanned {
    let bytes = text.as_bytes();
    let mut found = Scanned::default();
    let (mut at, mut depth) = (0, 0usize);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => continue,
            b'#' => {
                at = line_end(bytes, at);
                continue;
            }
            b'{' | b'[' | b'(' => {
                depth += 1;
                found.nesting = found.nesting.max(depth);
                if depth > max {
                    return found;
                }
            }
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(bytes, at),
            b'.' if bytes[at..].starts_with(b"..") => at += 2,
            _ if is_word(byte) => {
                at += bytes[at..].iter().take_while(|b| is_word(**b)).count();
            }
            _ => {}
        }
        found.tokens += 1;
    }
    found
}

/// Whether names and numbers are made of it. What is not ASCII belongs to neither; counted as a
/// part of a word, it makes no more tokens than a parser would find.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.') || !byte.is_ascii()
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let end = bytes[from..]
        .iter()
        .position(|b| matches!(b, b'\n' | b'\r'));
    end.map_or(bytes.len(), |end| from + end)
}

/// The place after a string whose first quote is right before `from`.
fn string_end(bytes: &[u8], from: usize) -> usize {
    if bytes[from..].starts_with(b"\"\"") {
        let mut at = from + 2;
        while at < bytes.len() {
            if bytes[at..].starts_with(b"\\\"\"\"") {
                at += 4;
            } else if bytes[at..].starts_with(b"\"\"\"") {
                return at + 3;
            } else {
                at += 1;
            }
        }
        // A block that never ends is an empty string and the beginning of another one.
        return from + 1;
    }
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            b'\n' | b'\r' => return at,
            _ => at += 1,
        }
    }
    at
}

/// Whether `__schema` and `__type` are asked for few enough lists inside each other.
pub(super) fn introspects_within_bounds(document: &ExecutableDocument) -> bool {
    document.operations.iter().all(|(_, operation)| {
        let roots = &operation.node.selection_set.node;
        lists_within(document, roots, (false, 0), 0)
    })
}

/// `(described, lists)`: below `__schema` or `__type`, and below how many lists of it.
fn lists_within(
    document: &ExecutableDocument,
    set: &SelectionSet,
    (described, lists): (bool, usize),
    level: usize,
) -> bool {
    // Fragments that spread themselves are refused later; this only must not follow them forever.
    if level > LEVELS_MAX {
        return true;
    }
    set.items.iter().all(|item| match &item.node {
        Selection::Field(field) => {
            let name = field.node.name.node.as_str();
            let described = described || matches!(name, "__schema" | "__type");
            let is_list = described
                && matches!(
                    name,
                    "fields" | "interfaces" | "possibleTypes" | "inputFields"
                );
            let lists = lists + usize::from(is_list);
            let below = &field.node.selection_set.node;
            lists <= INTROSPECTED_LISTS_MAX
                && lists_within(document, below, (described, lists), level + 1)
        }
        Selection::InlineFragment(fragment) => {
            let below = &fragment.node.selection_set.node;
            lists_within(document, below, (described, lists), level + 1)
        }
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node);
            fragment.is_none_or(|fragment| {
                let below = &fragment.node.selection_set.node;
                lists_within(document, below, (described, lists), level + 1)
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ExecutableDocument {
        async_graphql::parser::parse_query(text).unwrap()
    }

    #[test]
    fn brackets_are_counted_outside_of_strings_and_comments() {
        for (text, depth) in [
            ("{a(b:[{c:1}]){d}}", 4),
            ("{a(b:\"{{{{\\\"{{{{\"){d}}", 2),
            ("{a(b:\"\"\"{{{ \\\"\"\" {{{\"\"\"){d}}", 2),
            ("# {{{{{\n{a}", 1),
            ("{a} # {{{{{", 1),
            ("{a(b:\"\"){c{d}}}", 3),
            // What looks like a block that never ends hides nothing.
            ("[\"\"\"a\" [[[[", 5),
            // A string ends with its line, as for the parser.
            ("{\"a\n{{{", 4),
        ] {
            assert_eq!(scan(text, 99).nesting, depth, "{text}");
            assert_eq!(scan(text, depth - 1).nesting, depth, "{text}");
        }
        assert_eq!(scan("{{{{{{", 2).nesting, 3, "it stops there");
    }

    #[test]
    fn tokens_are_names_numbers_strings_and_punctuators() {
        for (text, tokens) in [
            ("", 0),
            (" ,,\n# a b c\n", 0),
            ("{a}", 3),
            ("query($a:Int!=-1.5e+3){a(b:$a)@skip(if:true)}", 26),
            ("{...F}fragment F on T{a}", 11),
            ("{a(b:\"x y z\",c:\"\"\"x \" y\"\"\")}", 11),
            ("{a(b:[1 2,3])}", 12),
            ("é", 1),
        ] {
            assert_eq!(scan(text, 99).tokens, tokens, "{text}");
        }
    }

    #[test]
    fn the_schema_is_described_to_clients_but_not_squared() {
        let ask = |below: &str| parsed(&format!("{{__schema{{types{{{below}}}}}}}"));
        for fine in [
            "fields{args{name} type{ofType{ofType{name}}}}",
            "fields{type{fields{name}}}",
        ] {
            assert!(introspects_within_bounds(&ask(fine)), "{fine}");
        }
        let deep = "fields{type{fields{type{fields{name}}}}}";
        assert!(!introspects_within_bounds(&ask(deep)));
        assert!(introspects_within_bounds(&parsed(
            "{a{fields{fields{fields{b}}}}}"
        )));
        let spread = "{__type(name:\"A\"){...F}} fragment F on __Type {fields{type{...G}}} \
                      fragment G on __Type {possibleTypes{interfaces{name}}}";
        assert!(!introspects_within_bounds(&parsed(spread)));
    }
}
