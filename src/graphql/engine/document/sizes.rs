//! How much the operations of a document select with their fragments expanded, in linear time.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use super::bounds::LEVELS_MAX;

/// What a selection has, with all fragments expanded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) selections: u64,
    pub(super) aliases: u64,
    pub(super) directives: u64,
    /// Fields at its own level; of an operation, its root fields.
    pub(super) roots: u64,
}

impl Size {
    /// Adds what is inside; `level` is whether it is of the same level, as fragments are.
    fn add(&mut self, inner: Self, level: bool) {
        self.selections = self.selections.saturating_add(inner.selections);
        self.aliases = self.aliases.saturating_add(inner.aliases);
        self.directives = self.directives.saturating_add(inner.directives);
        if level {
            self.roots = self.roots.saturating_add(inner.roots);
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            selections: self.selections.max(other.selections),
            aliases: self.aliases.max(other.aliases),
            directives: self.directives.max(other.directives),
            roots: self.roots.max(other.roots),
        }
    }
}

/// What the largest operations have; none where something nests too deeply. Fragments are measured
/// once each: 24 fragments that each spread the next twice would take a plain walk seconds.
pub(super) fn largest(document: &ExecutableDocument) -> Option<Size> {
    let mut sizes = Sizes {
        document,
        known: HashMap::new(),
    };
    let mut most = Size::default();
    for (_, operation) in document.operations.iter() {
        let mut size = sizes.of(&operation.node.selection_set.node, 0)?;
        size.directives += operation.node.directives.len() as u64;
        most = most.max(size);
    }
    Some(most)
}

struct Sizes<'d> {
    document: &'d ExecutableDocument,
    /// By name; none while the fragment is being measured.
    known: HashMap<&'d str, Option<Size>>,
}

impl<'d> Sizes<'d> {
    /// `None` when the set nests too deeply.
    fn of(&mut self, set: &'d SelectionSet, level: usize) -> Option<Size> {
        if level > LEVELS_MAX {
            return None;
        }
        let mut sum = Size::default();
        for item in &set.items {
            let own = Size {
                selections: 1,
                directives: item.node.directives().len() as u64,
                ..Size::default()
            };
            sum.add(own, false);
            match &item.node {
                Selection::Field(field) => {
                    let inner = self.of(&field.node.selection_set.node, level + 1)?;
                    sum.add(inner, false);
                    sum.aliases = sum
                        .aliases
                        .saturating_add(field.node.alias.is_some().into());
                    sum.roots = sum.roots.saturating_add(1);
                }
                Selection::InlineFragment(f) => {
                    let inner = self.of(&f.node.selection_set.node, level + 1)?;
                    sum.add(inner, true);
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    let inner = self.fragment(name, level)?;
                    sum.add(inner, true);
                }
            }
        }
        Some(sum)
    }

    fn fragment(&mut self, name: &'d str, level: usize) -> Option<Size> {
        if let Some(known) = self.known.get(name) {
            // A fragment that spreads itself is refused by the validation.
            return Some(known.unwrap_or_default());
        }
        self.known.insert(name, None);
        let size = match self.document.fragments.get(name) {
            Some(fragment) => self.of(&fragment.node.selection_set.node, level + 1)?,
            None => Size::default(),
        };
        self.known.insert(name, Some(size));
        Some(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ExecutableDocument {
        async_graphql::parser::parse_query(text).unwrap()
    }

    #[test]
    fn fragments_are_expanded_and_circles_cut() {
        let text = "{...A x:a @skip(if:true) ...A @include(if:true)} \
                    fragment A on Query {a b{c:d @skip(if:true)}}";
        let size = Size {
            selections: 9,
            aliases: 3,
            directives: 4,
            roots: 5,
        };
        assert_eq!(largest(&parsed(text)), Some(size));
        let circle = "{...A} fragment A on Query {...B} fragment B on Query {...A}";
        assert_eq!(largest(&parsed(circle)).unwrap().selections, 3);
        let chain: String = (0..200)
            .map(|i| format!("fragment F{i} on Query {{...F{}}} ", i + 1))
            .collect();
        let chain = format!("{{...F0}} {chain} fragment F200 on Query {{a}}");
        assert_eq!(largest(&parsed(&chain)), None);
        let two = "query A {a:b} query B @x {b c d}";
        let size = Size {
            selections: 3,
            aliases: 1,
            directives: 1,
            roots: 3,
        };
        assert_eq!(
            largest(&parsed(two)),
            Some(size),
            "each operation by itself"
        );
    }
}
