//! `Documents`: parsed documents with their plans, kept by text.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, ServerError, ServerResult, Value, Variables};
use quick_cache::sync::Cache;

use super::execute::Roots;
use super::plan::{OpPlan, Planner};
use super::slots::{Slots, Vars, bad_input};

/// Bounds on documents, checked before anything walks them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DocumentLimits {
    /// Bytes of a document.
    pub(crate) bytes_max: usize,
    /// Selections after all fragments are expanded.
    pub(crate) selections_max: u64,
    /// Documents kept.
    pub(crate) cached_max: usize,
}

/// Plans kept per document: one per operation and outcome of `@skip`/`@include`.
const PLANS_MAX: usize = 32;

/// A parsed document.
pub(crate) struct Document<R: Roots> {
    pub(super) parsed: ExecutableDocument,
    /// Set once strict validation has passed.
    pub(super) validated: OnceLock<()>,
    plans: Mutex<Vec<(Option<Name>, Arc<OpPlan<R>>)>>,
}

/// The cache of documents.
pub(crate) struct Documents<R: Roots> {
    limits: DocumentLimits,
    cache: Cache<Box<str>, Arc<Document<R>>>,
}

impl<R: Roots> Documents<R> {
    pub(crate) fn new(limits: DocumentLimits) -> Self {
        Self {
            limits,
            cache: Cache::new(limits.cached_max),
        }
    }

    /// The document of `text`, parsed now or before.
    pub(crate) fn get(&self, text: &str) -> ServerResult<Arc<Document<R>>> {
        if let Some(known) = self.cache.get(text) {
            return Ok(known);
        }
        let max = self.limits.bytes_max;
        if text.len() > max {
            let message = format!(
                "The document has {} bytes; this server takes {max}.",
                text.len()
            );
            return Err(refused("DOCUMENT_TOO_LARGE", message));
        }
        let parsed = async_graphql::parser::parse_query(text).map_err(|e| {
            let mut error = ServerError::from(e);
            set_code(&mut error, "GRAPHQL_PARSE_FAILED");
            error
        })?;
        if !expands_within(&parsed, self.limits.selections_max) {
            let max = self.limits.selections_max;
            let message = format!("The document selects more than {max} fields.");
            return Err(refused("DOCUMENT_TOO_LARGE", message));
        }
        let document = Arc::new(Document {
            parsed,
            validated: OnceLock::new(),
            plans: Mutex::default(),
        });
        self.cache.insert(text.into(), Arc::clone(&document));
        Ok(document)
    }
}

impl<R: Roots> Document<R> {
    /// The operation that `name` names, or the only one.
    pub(crate) fn operation(
        &self,
        name: Option<&str>,
    ) -> ServerResult<(Option<&Name>, &Positioned<OperationDefinition>)> {
        let wrong = |message: String| refused("OPERATION_RESOLUTION_FAILURE", message);
        match (&self.parsed.operations, name) {
            (DocumentOperations::Single(operation), None) => Ok((None, operation)),
            (DocumentOperations::Single(_), Some(name)) => Err(wrong(format!(
                "The document has one operation without a name, but `operationName` is {name:?}."
            ))),
            (DocumentOperations::Multiple(all), Some(name)) => all
                .get_key_value(name)
                .map(|(name, operation)| (Some(name), operation))
                .ok_or_else(|| wrong(format!("The document has no operation {name:?}."))),
            (DocumentOperations::Multiple(all), None) if all.len() == 1 => Ok(all
                .iter()
                .next()
                .map(|(n, o)| (Some(n), o))
                .expect("it has one entry")),
            (DocumentOperations::Multiple(_), None) => Err(wrong(
                "The document has several operations: say which one in `operationName`.".into(),
            )),
        }
    }

    /// The plan of an operation and the arguments of this request. `variables` gets the defaults.
    pub(super) fn plan(
        &self,
        name: Option<&str>,
        variables: &mut Variables,
    ) -> ServerResult<(Arc<OpPlan<R>>, Slots)> {
        let (name, operation) = self.operation(name)?;
        let definitions = &operation.node.variable_definitions;
        for definition in definitions {
            if let Some(default) = definition.node.default_value() {
                let key = definition.node.name.node.clone();
                variables.entry(key).or_insert_with(|| default.clone());
            }
        }
        let vars = || Vars {
            variables,
            definitions,
        };
        vars().check_required()?;
        let plan = self
            .known(name, &vars())
            .map_or_else(|| self.compile(name, operation, vars()), Ok)?;
        let slots: Vec<_> = plan
            .fills
            .iter()
            .map(|f| f(&vars()))
            .collect::<ServerResult<_>>()?;
        Ok((plan, slots.into()))
    }

    fn known(&self, name: Option<&Name>, vars: &Vars<'_>) -> Option<Arc<OpPlan<R>>> {
        let plans = self
            .plans
            .lock()
            .expect("nothing panics while plans are locked");
        let decides = |plan: &OpPlan<R>| plan.decided.iter().all(|(n, v)| vars.get(n) == *v);
        let found = plans
            .iter()
            .find(|(n, plan)| n.as_ref() == name && decides(plan));
        found.map(|(_, plan)| Arc::clone(plan))
    }

    fn compile(
        &self,
        name: Option<&Name>,
        operation: &Positioned<OperationDefinition>,
        vars: Vars<'_>,
    ) -> ServerResult<Arc<OpPlan<R>>> {
        check_directive_variables(&operation.node.selection_set.node, &self.parsed, &vars)?;
        let mut planner = Planner::new(&self.parsed.fragments, vars);
        let plan = Arc::new(OpPlan::compile(&mut planner, operation)?);
        let mut plans = self
            .plans
            .lock()
            .expect("nothing panics while plans are locked");
        if plans.len() >= PLANS_MAX {
            plans.remove(0);
        }
        plans.push((name.cloned(), Arc::clone(&plan)));
        Ok(plan)
    }
}

fn refused(code: &str, message: impl Into<String>) -> ServerError {
    let mut error = ServerError::new(message, None);
    set_code(&mut error, code);
    error
}

/// Gives an error its stable code, unless it has one.
pub(super) fn set_code(error: &mut ServerError, code: &str) {
    let extensions = error.extensions.get_or_insert_with(Default::default);
    if extensions.get("code").is_none() {
        extensions.set("code", code);
    }
}

/// `@skip` and `@include` take booleans only; async-graphql treats any other value as false.
fn check_directive_variables(
    set: &SelectionSet,
    document: &ExecutableDocument,
    vars: &Vars<'_>,
) -> ServerResult<()> {
    let mut sets: Vec<&SelectionSet> = vec![set];
    sets.extend(
        document
            .fragments
            .values()
            .map(|f| &f.node.selection_set.node),
    );
    while let Some(set) = sets.pop() {
        for selection in &set.items {
            for directive in selection.node.directives() {
                let name = directive.node.name.node.as_str();
                if !matches!(name, "skip" | "include") {
                    continue;
                }
                let Some(argument) = directive.node.get_argument("if") else {
                    continue;
                };
                if let async_graphql_value::Value::Variable(variable) = &argument.node
                    && !matches!(vars.get(variable), Some(Value::Boolean(_)))
                {
                    let message = format!("Variable `${variable}` in `@{name}` must be a Boolean.");
                    return Err(bad_input(message, argument.pos));
                }
            }
            match &selection.node {
                Selection::Field(field) => sets.push(&field.node.selection_set.node),
                Selection::InlineFragment(f) => sets.push(&f.node.selection_set.node),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    Ok(())
}

/// Counts selections with all fragments expanded, in linear time. async-graphql's own walks
/// expand them one by one (24 fragments that each spread the next twice take it 3 s), so this
/// comes first.
fn expands_within(document: &ExecutableDocument, max: u64) -> bool {
    fn size<'d>(
        document: &'d ExecutableDocument,
        set: &'d SelectionSet,
        known: &mut HashMap<&'d str, Option<u64>>,
    ) -> u64 {
        let sizes = set.items.iter().map(|item| match &item.node {
            Selection::Field(f) => 1 + size(document, &f.node.selection_set.node, known),
            Selection::InlineFragment(f) => 1 + size(document, &f.node.selection_set.node, known),
            Selection::FragmentSpread(spread) => {
                let name = spread.node.fragment_name.node.as_str();
                match known.get(name) {
                    Some(Some(size)) => *size,
                    // A fragment that spreads itself: validation refuses it.
                    Some(None) => 0,
                    None => {
                        known.insert(name, None);
                        let fragment = document.fragments.get(name);
                        let inner = fragment
                            .map_or(0, |f| size(document, &f.node.selection_set.node, known));
                        let inner = inner.saturating_add(1);
                        known.insert(name, Some(inner));
                        inner
                    }
                }
            }
        });
        sizes.fold(0, u64::saturating_add)
    }
    let mut known = HashMap::new();
    document
        .operations
        .iter()
        .all(|(_, o)| size(document, &o.node.selection_set.node, &mut known) <= max)
}
