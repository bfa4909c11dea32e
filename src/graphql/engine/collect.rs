//! CollectFields of the specification, for one concrete type: merge by response key, decide
//! `@skip` and `@include`, refuse conflicts.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Directive, Field, Selection, SelectionSet};
use async_graphql::{Name, Positioned, ServerResult, Value};

use super::plan::Planner;
use super::slots::bad_input;

/// One response key: its first field, and the selection sets of all fields with that key.
pub(crate) struct Merged<'q> {
    pub(crate) field: &'q Positioned<Field>,
    pub(crate) sets: Vec<&'q SelectionSet>,
}

/// How the fragments' type conditions stand to the type that is collected for.
pub(super) struct Target<'t> {
    pub(super) name: &'t str,
    pub(super) interfaces: &'t [&'static str],
}

/// What a collection found besides the fields.
#[derive(Default)]
pub(super) struct Found {
    /// A fragment on the very type was applied, so the type decides what is written.
    pub(super) narrowed: bool,
}

impl<'q> Planner<'q> {
    /// Adds the fields of `set` that apply to `target`, in the order of the document.
    pub(super) fn collect(
        &mut self,
        target: &Target<'_>,
        set: &'q SelectionSet,
        merged: &mut IndexMap<Name, Merged<'q>>,
        found: &mut Found,
    ) -> ServerResult<()> {
        for selection in &set.items {
            if self.skipped(selection.node.directives()) {
                continue;
            }
            let (condition, inner) = match &selection.node {
                Selection::Field(field) => {
                    merge(merged, field)?;
                    continue;
                }
                Selection::InlineFragment(fragment) => (
                    fragment
                        .node
                        .type_condition
                        .as_ref()
                        .map(|c| c.node.on.node.as_str()),
                    &fragment.node.selection_set.node,
                ),
                Selection::FragmentSpread(spread) => {
                    let Some(fragment) = self.fragments.get(&spread.node.fragment_name.node) else {
                        continue;
                    };
                    (
                        Some(fragment.node.type_condition.node.on.node.as_str()),
                        &fragment.node.selection_set.node,
                    )
                }
            };
            let narrows = condition.is_some_and(|c| c == target.name);
            let applies = condition.is_none_or(|c| narrows || target.interfaces.contains(&c));
            if applies {
                found.narrowed |= narrows;
                self.collect(target, inner, merged, found)?;
            }
        }
        Ok(())
    }

    /// Whether a directive leaves the selection out. Values of variables that decide are noted,
    /// because they are part of the plan's key.
    fn skipped(&mut self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().any(|directive| {
            let leaves_out = match directive.node.name.node.as_str() {
                "skip" => true,
                "include" => false,
                _ => return false,
            };
            let Some(argument) = directive.node.get_argument("if") else {
                return false;
            };
            let value = match &argument.node {
                async_graphql_value::Value::Variable(name) => {
                    let value = self.vars.get(name);
                    if !self.decided.iter().any(|(known, _)| known == name) {
                        self.decided.push((name.clone(), value.clone()));
                    }
                    value
                }
                literal => literal.clone().into_const(),
            };
            value == Some(Value::Boolean(leaves_out))
        })
    }
}

/// async-graphql's own rule compares fields within one selection set and one type condition only,
/// so fields that conflict through fragments are found here.
fn merge<'q>(
    merged: &mut IndexMap<Name, Merged<'q>>,
    field: &'q Positioned<Field>,
) -> ServerResult<()> {
    let key = &field.node.response_key().node;
    let entry = merged.entry(key.clone()).or_insert_with(|| Merged {
        field,
        sets: Vec::new(),
    });
    let first = &entry.field.node;
    let same_arguments = first.arguments.len() == field.node.arguments.len()
        && first.arguments.iter().all(|(name, value)| {
            field
                .node
                .get_argument(&name.node)
                .is_some_and(|other| other.node == value.node)
        });
    if first.name.node != field.node.name.node || !same_arguments {
        return Err(bad_input(
            format!(
                "Fields conflict: `{key}` is selected twice with another field or other \
                 arguments; give one of them an alias."
            ),
            field.pos,
        ));
    }
    if !field.node.selection_set.node.items.is_empty() {
        entry.sets.push(&field.node.selection_set.node);
    }
    Ok(())
}
