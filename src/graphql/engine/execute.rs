//! From a request to a plan with arguments: validation and introspection are async-graphql's,
//! everything else is ours. One of the two modules that use items hidden from its docs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, EmptySubscription, ObjectType, OutputType,
    Positioned, Request, Response, Schema, ServerError, ServerResult, Value, Variables,
};

use super::declare::Entity;
use super::document::{Document, DocumentBounds, Documents, set_code};
use super::out::Introspected;
use super::plan::OpPlan;
use super::registry::register;
use super::slots::{Slots, refusal};
use crate::graphql::freshness::Freshness;

/// The root types of a schema.
pub(crate) trait Roots: Send + Sync + 'static {
    /// The query root.
    type Query: Entity;
    /// The mutation root.
    type Mutation: Entity;
    /// Types that no field returns but clients should know.
    type Extra: OutputType;
}

/// Stands for a root type in async-graphql: it has the registry entry, and answers nothing itself.
pub(crate) struct RootType<T>(PhantomData<T>);

impl<T: Entity> ObjectType for RootType<T> {}

impl<T: Entity> OutputType for RootType<T> {
    fn type_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        format!("{}!", register::<T>(registry))
    }

    async fn resolve(
        &self,
        _: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        Ok(Value::Null)
    }
}

impl<T: Entity> ContainerType for RootType<T> {
    async fn resolve_field(&self, _: &Context<'_>) -> ServerResult<Option<Value>> {
        Ok(None)
    }
}

type RootSchema<R> =
    Schema<RootType<<R as Roots>::Query>, RootType<<R as Roots>::Mutation>, EmptySubscription>;

/// Validation and introspection of a schema, and its documents.
pub(crate) struct Introspection<R: Roots> {
    schema: RootSchema<R>,
    /// The types once more: the schema does not show its own.
    registry: Registry,
    documents: Documents<R>,
    described: bool,
}

/// An operation that is ready to run.
pub(crate) struct Prepared<R: Roots> {
    pub(crate) plan: Arc<OpPlan<R>>,
    pub(crate) slots: Slots,
    pub(crate) introspection: Introspected,
    /// What its arguments ask for.
    pub(crate) freshness: Freshness,
    /// What it costs by estimate.
    pub(crate) estimated: u64,
}

impl<R: Roots> Introspection<R> {
    /// Without `described` the schema is not told: no introspection, no similar names suggested.
    pub(crate) fn new(bounds: DocumentBounds, described: bool) -> Self {
        let roots = (RootType(PhantomData), RootType(PhantomData));
        let mut schema = Schema::build(roots.0, roots.1, EmptySubscription)
            .extension(IntrospectionOnly)
            .limit_recursive_depth(64)
            .register_output_type::<R::Extra>();
        if !described {
            schema = schema.disable_suggestions();
        }
        let schema = schema.finish();
        let mut registry = Registry::default();
        register::<R::Query>(&mut registry);
        register::<R::Mutation>(&mut registry);
        Self {
            schema,
            registry,
            documents: Documents::new(bounds),
            described,
        }
    }

    /// The same with other bounds; what is built for a schema is kept where it stays as it is.
    pub(crate) fn with(self, bounds: DocumentBounds, described: bool) -> Self {
        if described != self.described {
            return Self::new(bounds, described);
        }
        Self {
            documents: Documents::new(bounds),
            ..self
        }
    }

    /// The schema definition, with `@specifiedBy`.
    pub(crate) fn sdl(&self) -> String {
        use async_graphql::SDLExportOptions;
        self.schema
            .sdl_with_options(SDLExportOptions::new().include_specified_by())
    }

    /// The document of `text`; refused before validation when it is too large.
    pub(crate) fn document(&self, text: &str) -> ServerResult<Arc<Document<R>>> {
        self.documents.get(text)
    }

    /// Parses and validates a document, without running any of its operations.
    pub(crate) async fn check(&self, text: &str) -> Result<(), Vec<ServerError>> {
        let document = self.documents.get(text).map_err(|e| vec![e])?;
        let first = document.parsed.operations.iter().next();
        let name = first.and_then(|(name, _)| name).map(ToString::to_string);
        self.validate(&document, name.as_deref()).await
    }

    async fn validate(
        &self,
        document: &Document<R>,
        operation_name: Option<&str>,
    ) -> Result<(), Vec<ServerError>> {
        if document.validated.get().is_none() {
            // Without the variables: a document is valid or not whatever their values are.
            self.ask(document, operation_name, &Variables::default(), false)
                .await?;
            let _ = document.validated.set(());
        }
        Ok(())
    }

    /// Validates, plans and parses all arguments; nothing is loaded yet.
    pub(crate) async fn prepare(
        &self,
        document: &Document<R>,
        operation_name: Option<&str>,
        mut variables: Variables,
    ) -> Result<Prepared<R>, Vec<ServerError>> {
        document.operation(operation_name).map_err(|e| vec![e])?;
        self.validate(document, operation_name).await?;
        let depth_max = self.documents.depth_max();
        let (plan, slots, asked) = document
            .plan((&self.registry, depth_max), operation_name, &mut variables)
            .map_err(|e| vec![e])?;
        if plan.introspects && !self.described {
            let message = "This server does not describe its schema: `__schema` and `__type` are \
                           turned off (setting `introspection`).";
            return Err(vec![refusal("INTROSPECTION_DISABLED", message)]);
        }
        let introspection = if plan.introspects {
            self.ask(document, operation_name, &variables, true).await?
        } else {
            Introspected::default()
        };
        Ok(Prepared {
            slots,
            introspection,
            estimated: plan.estimate(&asked.sizes),
            freshness: asked.freshness,
            plan,
        })
    }

    /// Lets async-graphql validate the document and, if asked, answer its introspection fields.
    async fn ask(
        &self,
        document: &Document<R>,
        operation_name: Option<&str>,
        variables: &Variables,
        introspect: bool,
    ) -> Result<HashMap<String, Vec<u8>>, Vec<ServerError>> {
        let mut request = Request::new("")
            .variables(variables.clone())
            .data(Introspect(introspect));
        if let Some(name) = operation_name {
            request = request.operation_name(name);
        }
        request.set_parsed_query(document.parsed.clone());
        let response = self.schema.execute(request).await;
        if !response.errors.is_empty() {
            let mut errors = response.errors;
            for error in &mut errors {
                set_code(error, "GRAPHQL_VALIDATION_FAILED");
                // Turned off, async-graphql still suggests arguments of directives.
                if let Some(at) = error.message.find(SUGGESTION).filter(|_| !self.described) {
                    error.message.truncate(at);
                }
            }
            return Err(errors);
        }
        let Value::Object(fields) = response.data else {
            return Ok(HashMap::new());
        };
        let bytes = |value: &Value| serde_json::to_vec(value).expect("values are JSON");
        Ok(fields
            .iter()
            .map(|(name, value)| (name.to_string(), bytes(value)))
            .collect())
    }
}

/// How async-graphql begins to suggest similar names.
const SUGGESTION: &str = " Did you mean";

/// Whether introspection fields are to be answered, or the document only validated.
struct Introspect(bool);

/// Keeps async-graphql from executing anything but introspection.
struct IntrospectionOnly;

impl ExtensionFactory for IntrospectionOnly {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for IntrospectionOnly {
    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if ctx.data_opt::<Introspect>().is_some_and(|ask| ask.0) {
            return next.run(ctx, operation_name).await;
        }
        Response::new(Value::Null)
    }
}
