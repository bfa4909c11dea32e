//! `Documents`: parsed documents with their plans, kept by text.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock};

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::registry::Registry;
use async_graphql::{Name, Positioned, ServerError, ServerResult, Value, Variables};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

mod bounds;
mod sizes;

use crate::limits::{DocumentLimits, Excess};

use super::execute::Roots;
use super::plan::{OpPlan, Planner};
use super::slots::variables::{self, Vars};
use super::slots::{Asked, Slots, bad_input, exceeds, refusal};
use bounds::{NESTING_MAX, introspects_within_bounds, scan};
use sizes::largest;

/// Bounds on documents, checked before anything walks them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DocumentBounds {
    /// What the configuration allows.
    pub(crate) limits: DocumentLimits,
    /// Selections after all fragments are expanded.
    pub(crate) selections_max: u64,
    /// Documents kept.
    pub(crate) cached_max: usize,
    /// Bytes of the documents that are kept; parsed, they take some thirty times as much.
    pub(crate) cached_bytes_max: u64,
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
    bounds: DocumentBounds,
    cache: Cache<Box<str>, Arc<Document<R>>, ByText>,
}

/// Weighs a document by its text, to which everything else is proportional.
#[derive(Clone)]
struct ByText;

impl<V> Weighter<Box<str>, V> for ByText {
    fn weight(&self, text: &Box<str>, _: &V) -> u64 {
        text.len() as u64
    }
}

impl<R: Roots> Documents<R> {
    pub(crate) fn new(bounds: DocumentBounds) -> Self {
        Self {
            bounds,
            cache: Cache::with_weighter(bounds.cached_max, bounds.cached_bytes_max, ByText),
        }
    }

    /// Field levels that an operation may have.
    pub(super) fn depth_max(&self) -> usize {
        self.bounds.limits.depth
    }

    /// The document of `text`, parsed now or before.
    pub(crate) fn get(&self, text: &str) -> ServerResult<Arc<Document<R>>> {
        if let Some(known) = self.cache.get(text) {
            return Ok(known);
        }
        let limits = &self.bounds.limits;
        check_text(text, limits)?;
        let parsed = async_graphql::parser::parse_query(text).map_err(|e| {
            let place = e.positions().next();
            // The parser's own message repeats the line, which may be long and hold a prompt.
            let said = e.to_string();
            let why = said.rsplit_once("= ").map_or(said.as_str(), |(_, why)| why);
            let message = format!(
                "The document is not GraphQL: {}.",
                why.trim_end_matches('.')
            );
            let mut error = refusal("GRAPHQL_PARSE_FAILED", message);
            error.locations = place.into_iter().collect();
            error
        })?;
        check_sizes(&parsed, &self.bounds)?;
        if !introspects_within_bounds(&parsed) {
            let message = "The description of the schema is asked for lists inside lists inside \
                           lists; ask for the types by name instead.";
            return Err(refusal("DOCUMENT_TOO_LARGE", message));
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

/// What can be said of a document before it is parsed.
fn check_text(text: &str, limits: &DocumentLimits) -> ServerResult<()> {
    let many = |actual: usize, limit: usize| Excess::of(actual as u64, limit as u64);
    if let Some(excess) = many(text.len(), limits.bytes) {
        let what = "The document has too many bytes";
        return Err(exceeds("DOCUMENT_TOO_LARGE", what, excess));
    }
    let scanned = scan(text, NESTING_MAX);
    if let Some(excess) = many(scanned.nesting, NESTING_MAX) {
        let what = "The document nests brackets too deeply";
        return Err(exceeds("DOCUMENT_TOO_LARGE", what, excess));
    }
    match many(scanned.tokens, limits.tokens) {
        None => Ok(()),
        Some(excess) => {
            let what = "The document has too many tokens";
            Err(exceeds("TOKEN_LIMIT_EXCEEDED", what, excess))
        }
    }
}

/// What its operations select, with fragments expanded.
fn check_sizes(parsed: &ExecutableDocument, bounds: &DocumentBounds) -> ServerResult<()> {
    let limits = &bounds.limits;
    let Some(sizes) = largest(parsed) else {
        let message = "The document's fragments and selections nest too deeply.";
        return Err(refusal("DOCUMENT_TOO_LARGE", message));
    };
    let checks = [
        (
            "DOCUMENT_TOO_LARGE",
            "fields",
            sizes.selections,
            bounds.selections_max,
        ),
        (
            "MAX_ALIASES_EXCEEDED",
            "aliases",
            sizes.aliases,
            limits.aliases,
        ),
        (
            "MAX_ROOT_FIELDS_EXCEEDED",
            "root fields",
            sizes.roots,
            limits.root_fields,
        ),
        (
            "MAX_DIRECTIVES_EXCEEDED",
            "directives",
            sizes.directives,
            limits.directives,
        ),
    ];
    for (code, what, actual, limit) in checks {
        if let Some(excess) = Excess::of(actual, limit) {
            return Err(exceeds(
                code,
                &format!("The operation has too many {what}"),
                excess,
            ));
        }
    }
    Ok(())
}

impl<R: Roots> Document<R> {
    /// The operation that `name` names, or the only one.
    pub(crate) fn operation(
        &self,
        name: Option<&str>,
    ) -> ServerResult<(Option<&Name>, &Positioned<OperationDefinition>)> {
        let wrong = |message: String| refusal("OPERATION_RESOLUTION_FAILURE", message);
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

    /// The plan of an operation, the arguments of this request and how fresh they ask it to be.
    /// `variables` gets the defaults.
    pub(super) fn plan(
        &self,
        (registry, depth_max): (&Registry, usize),
        name: Option<&str>,
        variables: &mut Variables,
    ) -> ServerResult<(Arc<OpPlan<R>>, Slots, Asked)> {
        let (name, operation) = self.operation(name)?;
        let definitions = &operation.node.variable_definitions;
        variables::check(registry, definitions, variables)?;
        let vars = || Vars {
            variables,
            definitions,
        };
        let plan = self
            .known(name, &vars())
            .map_or_else(|| self.compile(name, operation, vars(), depth_max), Ok)?;
        let mut asked = Asked::default();
        let slots: Vec<_> = plan
            .fills
            .iter()
            .map(|fill| fill(&vars(), &mut asked))
            .collect::<ServerResult<_>>()?;
        Ok((plan, slots.into(), asked))
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
        depth_max: usize,
    ) -> ServerResult<Arc<OpPlan<R>>> {
        check_directive_variables(&operation.node.selection_set.node, &self.parsed, &vars)?;
        let mut planner = Planner::new(&self.parsed.fragments, vars, depth_max);
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

/// Gives an error its stable code, unless it has one.
pub(super) fn set_code(error: &mut ServerError, code: &str) {
    let extensions = error.extensions.get_or_insert_with(Default::default);
    if extensions.get("code").is_none() {
        extensions.set("code", code);
    }
}

/// `@skip` and `@include` take booleans only; async-graphql treats any other value as false. Only
/// what the operation reaches is looked at: fragments of other operations have other variables.
fn check_directive_variables<'d>(
    set: &'d SelectionSet,
    document: &'d ExecutableDocument,
    vars: &Vars<'_>,
) -> ServerResult<()> {
    let mut sets: Vec<&SelectionSet> = vec![set];
    let mut spread: HashSet<&Name> = HashSet::new();
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
                Selection::FragmentSpread(f) => {
                    let name = &f.node.fragment_name.node;
                    let fragment = document.fragments.get(name);
                    if let Some(fragment) = fragment.filter(|_| spread.insert(name)) {
                        sets.push(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
    Ok(())
}
