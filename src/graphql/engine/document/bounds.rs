//! Bounds on documents, checked in linear time before anything else walks them.
//!
//! The parser and the validation of async-graphql walk a document recursively and expand its
//! fragments one by one; what is let through here keeps them quick and on a small stack.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

/// Brackets and braces inside each other at most: the deepest selection, with room for the values
/// of its arguments (JSON of that depth is refused as a step's content as well).
pub(super) const NESTING_MAX: usize = 200;

/// Fragments that spread each other and selections inside each other at most; async-graphql stops
/// at 64 as well, but walks fragments that spread each other before it counts.
const LEVELS_MAX: usize = 100;

/// Lists of the schema's own description inside each other at most. Each multiplies the answer by
/// the number of fields of a type: five of them would be gigabytes.
const INTROSPECTED_LISTS_MAX: usize = 2;

/// Whether brackets and braces of `text`, outside of strings and comments, nest within the bound.
pub(super) fn nests_within(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0usize);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' | b'(' => {
                depth += 1;
                if depth > max {
                    return false;
                }
            }
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'#' => at = line_end(bytes, at),
            b'"' => at = string_end(bytes, at),
            _ => {}
        }
    }
    true
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

/// Counts selections with all fragments expanded. Fragments are measured once each: 24 fragments
/// that each spread the next twice would take a plain walk seconds.
pub(super) fn expands_within(document: &ExecutableDocument, max: u64) -> bool {
    let mut sizes = Sizes {
        document,
        known: HashMap::new(),
    };
    document.operations.iter().all(|(_, operation)| {
        let size = sizes.of(&operation.node.selection_set.node, 0);
        size.is_some_and(|size| size <= max)
    })
}

struct Sizes<'d> {
    document: &'d ExecutableDocument,
    /// By name; none while the fragment is being measured.
    known: HashMap<&'d str, Option<u64>>,
}

impl<'d> Sizes<'d> {
    /// `None` when the set nests too deeply.
    fn of(&mut self, set: &'d SelectionSet, level: usize) -> Option<u64> {
        if level > LEVELS_MAX {
            return None;
        }
        let mut sum = 0u64;
        for item in &set.items {
            let inner = match &item.node {
                Selection::Field(field) => self.of(&field.node.selection_set.node, level + 1)?,
                Selection::InlineFragment(f) => self.of(&f.node.selection_set.node, level + 1)?,
                Selection::FragmentSpread(spread) => {
                    self.fragment(spread.node.fragment_name.node.as_str(), level)?
                }
            };
            sum = sum.saturating_add(inner).saturating_add(1);
        }
        Some(sum)
    }

    fn fragment(&mut self, name: &'d str, level: usize) -> Option<u64> {
        if let Some(known) = self.known.get(name) {
            // A fragment that spreads itself is refused by the validation.
            return Some(known.unwrap_or(0));
        }
        self.known.insert(name, None);
        let size = match self.document.fragments.get(name) {
            Some(fragment) => self.of(&fragment.node.selection_set.node, level + 1)?,
            None => 0,
        };
        self.known.insert(name, Some(size));
        Some(size)
    }
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
            assert!(nests_within(text, depth), "{text}");
            assert!(!nests_within(text, depth - 1), "{text}");
        }
    }

    #[test]
    fn fragments_are_expanded_and_circles_cut() {
        let text = "{...A ...A} fragment A on Query {a b{c}}";
        assert!(expands_within(&parsed(text), 8));
        assert!(!expands_within(&parsed(text), 7));
        let circle = "{...A} fragment A on Query {...B} fragment B on Query {...A}";
        assert!(expands_within(&parsed(circle), 10));
        let chain: String = (0..200)
            .map(|i| format!("fragment F{i} on Query {{...F{}}} ", i + 1))
            .collect();
        let chain = format!("{{...F0}} {chain} fragment F200 on Query {{a}}");
        assert!(!expands_within(&parsed(&chain), 5_000));
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
