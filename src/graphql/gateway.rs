//! `Gateway`: a GraphQL request in, response bytes out.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Variables;
use async_graphql::parser::types::OperationType;

use crate::commands::Commands;
use crate::domain::Consistency;
use crate::limits::{CostLimits, CostMode, Excess};
use crate::reads::{ReadContext, Reads};

use super::about::{About, Cost};
use super::answer::{
    cost_exceeded, endless, note, refused, refused_by_get, respond, too_many_revisions,
};
use super::data::{Data, Env, Loader};
use super::engine::{
    Document, DocumentBounds, Failure, Introspection, ObjPlan, Out, OutLimits, Prepared,
    ResponseParts, RootPlan, Roots,
};
use super::error::ErrorCode;
use super::freshness::Freshness;
use super::mutation::{Mutation, Outcome};
use super::query::Query;
use super::request::{GatewayOptions, GraphqlRequest, GraphqlResponse, Timing};

/// Walks of one operation at most. Every walk but the last finds something to load, one level of
/// fields further down than the walk before (`forkedFrom { session { forkedFrom … }}` is the
/// deepest chain), so an operation within the bound on levels never needs as many.
const WALKS_MAX: usize = 64;

/// A command that takes longer is given up: its transaction is rolled back, unless the commit was
/// already on its way.
const COMMAND_DEADLINE: Duration = Duration::from_secs(20);

/// What the client is told of it.
const COMMAND_LATE: Failure<'static> = Failure {
    code: "STORE_TIMEOUT",
    message: "The store did not answer in time, so it is not known whether this was written; \
              repeat it with the same `idempotencyKey`.",
};

/// The roots of this schema.
struct Schema;

impl Roots for Schema {
    type Query = Query;
    type Mutation = Mutation;
    type Extra = ErrorCode;
}

/// The GraphQL schema over reads and commands.
pub struct Gateway {
    introspection: Introspection<Schema>,
    cost: CostLimits,
    reads: Arc<Reads>,
    commands: Commands,
}

impl Gateway {
    /// A gateway; `reads` and `commands` decide which stores it speaks to.
    pub fn new(reads: Arc<Reads>, commands: Commands) -> Self {
        Self {
            introspection: introspection(GatewayOptions::default()),
            cost: GatewayOptions::default().cost,
            reads,
            commands,
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with(mut self, options: GatewayOptions) -> Self {
        let (bounds, described) = (bounds(&options), options.introspection);
        self.introspection = self.introspection.with(bounds, described);
        self.cost = options.cost;
        self
    }

    /// Runs a request.
    pub async fn execute(&self, mut request: GraphqlRequest) -> GraphqlResponse {
        let began = self.reads.now();
        let document = match self.introspection.document(&request.query) {
            Ok(document) => document,
            Err(error) => return refused(vec![error], &request),
        };
        if !request.mutations && is_mutation(&document, &request) {
            return refused_by_get(&request);
        }
        let variables = Variables::from_json(request.variables.take());
        let name = request.operation_name.as_deref();
        let prepared = match self.introspection.prepare(&document, name, variables).await {
            Ok(prepared) => prepared,
            Err(errors) => return refused(errors, &request),
        };
        if let Some(excess) = self.too_expensive(prepared.estimated, &request.request_id) {
            return refused(vec![cost_exceeded(excess)], &request);
        }
        let planned = self.reads.now();
        let (parts, mut about) = match &prepared.plan.root {
            RootPlan::Query(plan) => {
                let mut freshness = request.freshness.clone();
                freshness.merge(&prepared.freshness);
                if freshness.is_too_much() {
                    return refused(vec![too_many_revisions()], &request);
                }
                self.query(plan, &prepared, (&request, freshness)).await
            }
            RootPlan::Mutation(plan) => self.mutation(plan, &prepared, &request).await,
        };
        about.cost = Some(Cost {
            estimated: prepared.estimated,
            actual: parts.cost,
            max: self.cost.max,
        });
        let mut response = respond(parts, about, &request.request_id, true);
        response.timing = Timing {
            prepare: planned.0 - began.0,
            run: self.reads.now().0 - planned.0,
        };
        response
    }

    /// Whether a document is GraphQL, fits the schema and is within the limits; it is known from
    /// then on. The error is for operators.
    pub async fn check(&self, document: &str) -> Result<(), String> {
        let checked = self.introspection.check(document).await;
        checked.map_err(|errors| {
            let messages = errors.iter().map(|error| error.message.as_str());
            messages.collect::<Vec<_>>().join("; ")
        })
    }

    /// By how much an operation costs too much to run.
    fn too_expensive(&self, estimated: u64, request_id: &str) -> Option<Excess> {
        let excess = Excess::of(estimated, self.cost.max)?;
        match self.cost.mode {
            CostMode::Enforce => Some(excess),
            CostMode::Measure => {
                let max = self.cost.max;
                tracing::info!(
                    request_id,
                    estimated,
                    max,
                    "an operation above `cost_max` runs"
                );
                None
            }
        }
    }

    async fn query(
        &self,
        plan: &ObjPlan<Query>,
        prepared: &Prepared<Schema>,
        (request, freshness): (&GraphqlRequest, Freshness),
    ) -> (ResponseParts, About) {
        let consistency = freshness.consistency.unwrap_or_default();
        let ctx =
            ReadContext::new(request.account.clone(), consistency).at_least(freshness.at_least);
        let mut about = About {
            consistency,
            ..About::default()
        };
        let loader = Loader::new(Arc::clone(&self.reads), ctx.clone());
        let written = self.reads.written_now();
        let mut data = Data::new(request.account.clone(), consistency, written);
        for _ in 0..WALKS_MAX {
            let (misses, touched, parts) = {
                let env = Env::new(&data, prepared.plan.needs, None);
                let parts = walk(prepared, |out| {
                    plan.write_noted(&env, out, |index| env.enter_root(index))
                });
                let touched = env.take_touched();
                (env.into_misses(), touched, parts)
            };
            if misses.is_empty() {
                self.reads.finish(&ctx);
                note(&mut about, &data, &plan.keys(), &touched);
                about.cache = ctx.cache_use();
                about.reasons = ctx.reasons();
                return (parts, about);
            }
            loader.load(misses, &mut data).await;
        }
        (endless(), about)
    }

    /// Every field runs and is written before the next one begins.
    async fn mutation(
        &self,
        plan: &ObjPlan<Mutation>,
        prepared: &Prepared<Schema>,
        request: &GraphqlRequest,
    ) -> (ResponseParts, About) {
        let mut all = ResponseParts {
            data: Some(vec![b'{']),
            ..ResponseParts::default()
        };
        let mut about = About {
            consistency: Consistency::Strong,
            ..About::default()
        };
        for (index, key) in plan.keys().into_iter().enumerate() {
            let field = (plan, index);
            let mut field = self
                .mutation_field(field, prepared, request, &mut about)
                .await;
            all.errors.append(&mut field.errors);
            all.cost += field.cost;
            // Every mutation field is non-null: where one fails, there is no data at all. Later
            // fields do not run, as the client could not see what they did.
            let (Some(data), Some(value)) = (&mut all.data, field.data) else {
                all.data = Some(b"null".to_vec());
                return (all, about);
            };
            if index > 0 {
                data.push(b',');
            }
            data.push(b'"');
            data.extend_from_slice(key.as_bytes());
            data.extend_from_slice(b"\":");
            data.extend_from_slice(&value);
        }
        if let Some(data) = &mut all.data {
            data.push(b'}');
        }
        (all, about)
    }

    async fn mutation_field(
        &self,
        (plan, index): (&ObjPlan<Mutation>, usize),
        prepared: &Prepared<Schema>,
        request: &GraphqlRequest,
        about: &mut About,
    ) -> ResponseParts {
        let consistency = Consistency::Strong;
        let ctx = ReadContext::new(request.account.clone(), consistency);
        let loader = Loader::new(Arc::clone(&self.reads), ctx);
        let written = self.reads.written_now();
        let mut data = Data::new(request.account.clone(), consistency, written);
        let mut outcome: Option<Outcome> = None;
        for _ in 0..WALKS_MAX {
            let (misses, wanted, touched, mut parts) = {
                let env = Env::new(&data, prepared.plan.needs, outcome.as_ref());
                env.enter_root(index);
                let parts = walk(prepared, |out| plan.write_field(index, &env, out));
                let touched = env.take_touched();
                let (misses, wanted) = env.into_wants();
                (misses, wanted, touched, parts)
            };
            if let Some(command) = wanted {
                let run = command.run(&self.commands, &request.account, &mut data);
                let done = tokio::time::timeout(COMMAND_DEADLINE, run).await;
                outcome = Some(done.unwrap_or(Outcome::Failed(COMMAND_LATE)));
                continue;
            }
            if misses.is_empty() {
                note(about, &data, &plan.keys(), &touched);
                if let Some(Outcome::Done { revision, .. }) = outcome {
                    about.note(plan.keys()[index], written);
                    about.revision = Some(revision);
                }
                if parts.data.as_deref() == Some(b"null") {
                    parts.data = None;
                }
                return parts;
            }
            loader.load(misses, &mut data).await;
        }
        endless()
    }
}

/// The schema definition language of the API.
pub fn sdl() -> String {
    introspection(GatewayOptions::default()).sdl()
}

fn introspection(options: GatewayOptions) -> Introspection<Schema> {
    Introspection::new(bounds(&options), options.introspection)
}

fn bounds(options: &GatewayOptions) -> DocumentBounds {
    DocumentBounds {
        limits: options.document,
        selections_max: 5_000,
        cached_max: 1_000,
        cached_bytes_max: 4 * 1024 * 1024,
    }
}

fn is_mutation(document: &Document<Schema>, request: &GraphqlRequest) -> bool {
    let operation = document.operation(request.operation_name.as_deref());
    operation.is_ok_and(|(_, operation)| operation.node.ty == OperationType::Mutation)
}

/// One walk: the bytes it wrote, `null` where a non-null value failed up to the root.
fn walk<'a>(
    prepared: &'a Prepared<Schema>,
    write: impl FnOnce(&mut Out<'a>) -> super::engine::Done,
) -> ResponseParts {
    let limits = OutLimits {
        capacity: 16 * 1024,
        bytes_max: 64 * 1024 * 1024,
        objects_max: 1_000_000,
    };
    let mut out = Out::new((&prepared.slots, &prepared.introspection), limits);
    let done = write(&mut out);
    let cost = out.cost();
    for error in &mut out.errors {
        error.path.reverse();
    }
    let data = if done.is_ok() {
        out.buf
    } else {
        b"null".to_vec()
    };
    ResponseParts {
        data: Some(data),
        errors: out.errors,
        cost,
        ..ResponseParts::default()
    }
}
