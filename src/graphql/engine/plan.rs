//! Compiling: one plan per concrete type and selection sets, memoised and bounded.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{
    FragmentDefinition, OperationDefinition, OperationType, SelectionSet,
};
use async_graphql::{Name, PathSegment, Positioned, ServerResult, Value};

use super::collect::{Found, Merged, Target};
use super::cost::{Cost, Costs, Sum};
use super::declare::{Choice, Entity, Kind, Step, Type};
use super::execute::Roots;
use super::out::{Done, Out};
use super::output::{At, View};
use super::slots::variables::Vars;
use super::slots::{CheckedArgs, Fill, Slot, bad_input, exceeds, fill, refusal};
use crate::limits::Excess;

/// What a plan's fields want loaded before the first walk that could miss it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The turns of every session that is touched.
    pub(crate) graph: bool,
    /// The typed form of every step that is touched.
    pub(crate) step_contents: bool,
}

/// Compiled objects at most in one operation.
const PLANS_MAX: usize = 20_000;

/// State of one compilation.
pub(crate) struct Planner<'q> {
    pub(super) fragments: &'q HashMap<Name, Positioned<FragmentDefinition>>,
    pub(super) vars: Vars<'q>,
    pub(super) needs: Needs,
    pub(super) fills: Vec<Fill>,
    pub(super) decided: Vec<(Name, Option<Value>)>,
    /// Whether `__schema` or `__type` is selected, which async-graphql answers.
    pub(super) introspects: bool,
    path: Vec<PathSegment>,
    planned: usize,
    /// Field levels at most.
    depth_max: usize,
    /// The deepest level that was reached since it was last reset.
    deepest: usize,
    memo: HashMap<PlanKey, Known>,
    costs: Costs,
    /// The cost of the object that was compiled last.
    cost: Option<Cost>,
    /// Fields so far whose arguments say how many entries they have.
    sized: usize,
}

/// A type, and the addresses of the selection sets that are compiled for it.
type PlanKey = (TypeId, Vec<usize>);

/// A plan that was compiled before.
struct Known {
    plan: Arc<dyn Any + Send + Sync>,
    /// Field levels below the object.
    height: usize,
    cost: Cost,
}

impl<'q> Planner<'q> {
    pub(super) fn new(
        fragments: &'q HashMap<Name, Positioned<FragmentDefinition>>,
        vars: Vars<'q>,
        depth_max: usize,
    ) -> Self {
        Self {
            fragments,
            vars,
            needs: Needs::default(),
            fills: Vec::new(),
            decided: Vec::new(),
            introspects: false,
            path: Vec::new(),
            planned: 0,
            depth_max,
            deepest: 0,
            memo: HashMap::new(),
            costs: Costs::default(),
            cost: None,
            sized: 0,
        }
    }

    /// Notes that fields at `level` are planned, and refuses those that are too deep.
    fn reach(&mut self, level: usize) -> ServerResult<()> {
        self.deepest = self.deepest.max(level);
        match Excess::of(level as u64, self.depth_max as u64) {
            None => Ok(()),
            Some(excess) => {
                let what = "The operation has too many levels";
                Err(exceeds("MAX_DEPTH_EXCEEDED", what, excess))
            }
        }
    }

    /// Reserves a slot for the arguments of `field`.
    pub(crate) fn slot<A: CheckedArgs>(&mut self, field: &Merged<'_>) -> ServerResult<Slot> {
        let arguments = field.field.node.arguments.clone();
        self.fills
            .push(fill::<A>(arguments, field.field.pos, self.path.clone()));
        self.sized += usize::from(A::SIZED);
        Ok(Slot(self.fills.len() - 1))
    }
}

/// A compiled field of an object.
pub(crate) struct PlanField<V: View> {
    name: Name,
    key: Box<[u8]>,
    step: Step<V>,
}

/// A compiled selection on one type.
pub(crate) enum ObjPlan<T: Entity> {
    /// Fields in the order of the document.
    Object(Vec<PlanField<T::V>>),
    /// One choice per possible type.
    Interface(Vec<Choice<T::V>>),
}

impl<T: Entity> ObjPlan<T> {
    /// Compiles `sets` for `T`. Without the memo the number of plans doubles with every nested
    /// `Turn` and is multiplied by 14 with every `Step`.
    pub(crate) fn compile<'q>(
        planner: &mut Planner<'q>,
        sets: &[&'q SelectionSet],
    ) -> ServerResult<Arc<Self>> {
        let addresses = sets
            .iter()
            .map(|set| std::ptr::from_ref(*set) as usize)
            .collect();
        let key = (TypeId::of::<T>(), addresses);
        let level = planner.path.len();
        if let Some(known) = planner.memo.get(&key) {
            let plan = Arc::clone(&known.plan);
            let cost = known.cost;
            // It was compiled at another level, perhaps nearer to the root.
            planner.reach(level + known.height)?;
            planner.cost = Some(cost);
            return Ok(plan
                .downcast()
                .expect("the memo's key has the type of its value"));
        }
        planner.planned += 1;
        if planner.planned > PLANS_MAX {
            let message = "The operation selects too many fields.";
            return Err(refusal("DOCUMENT_TOO_LARGE", message));
        }
        let above = std::mem::replace(&mut planner.deepest, level);
        let (plan, cost) = Self::fresh(planner, sets)?;
        let plan = Arc::new(plan);
        let known = Known {
            plan: Arc::clone(&plan) as Arc<dyn Any + Send + Sync>,
            height: planner.deepest - level,
            cost,
        };
        planner.cost = Some(cost);
        planner.deepest = planner.deepest.max(above);
        planner.memo.insert(key, known);
        Ok(plan)
    }

    fn fresh<'q>(
        planner: &mut Planner<'q>,
        sets: &[&'q SelectionSet],
    ) -> ServerResult<(Self, Cost)> {
        let declared = declaration::<T>();
        if T::KIND == Kind::Interface {
            let mut costs = Vec::with_capacity(declared.possible.len());
            let choices = declared.possible.iter().map(|(_, plan)| {
                let choice = plan(planner, sets)?;
                costs.extend(planner.cost.take());
                Ok(choice)
            });
            let plan = Self::Interface(choices.collect::<ServerResult<_>>()?);
            return Ok((plan, planner.costs.interface(costs)));
        }
        let target = Target {
            name: T::NAME,
            interfaces: &declared.implements,
        };
        let mut merged = IndexMap::new();
        let mut found = Found::default();
        for set in sets {
            planner.collect(&target, set, &mut merged, &mut found)?;
        }
        let mut fields = Vec::with_capacity(merged.len());
        let mut sum = Sum::of_object();
        for (name, field) in merged {
            planner.reach(planner.path.len() + 1)?;
            planner.path.push(PathSegment::Field(name.to_string()));
            let step = compile_field::<T>(planner, declared, (&field, &mut sum), &mut found)?;
            planner.path.pop();
            fields.push(PlanField {
                key: response_key(&name),
                name,
                step,
            });
        }
        if let Some(need) = declared.narrowing_need.filter(|_| found.narrowed) {
            need(&mut planner.needs);
        }
        let cost = planner.costs.object(sum);
        Ok((Self::Object(fields), cost))
    }

    /// Writes `value` as this plan selects it.
    pub(crate) fn write<'a>(&self, value: <T::V as View>::Of<'a>, out: &mut Out<'a>) -> Done {
        self.write_noted(value, out, |_| {})
    }

    /// Writes as [`Self::write`] does, and tells before each selected field which one it is.
    pub(crate) fn write_noted<'a>(
        &self,
        value: <T::V as View>::Of<'a>,
        out: &mut Out<'a>,
        before: impl Fn(usize),
    ) -> Done {
        match self {
            Self::Object(fields) => {
                out.charge()?;
                out.raw(b"{");
                for (i, field) in fields.iter().enumerate() {
                    if i > 0 {
                        out.raw(b",");
                    }
                    before(i);
                    out.raw(&field.key);
                    out.check_size()?;
                    let segment = || PathSegment::Field(field.name.to_string());
                    out.at(segment, |out| (field.step)(value, out))?;
                }
                out.raw(b"}");
                Ok(())
            }
            Self::Interface(choices) => choices
                .iter()
                .find_map(|choice| choice(value, out))
                .unwrap_or_else(|| Err(out.fail("INTERNAL", "No possible type fits the value."))),
        }
    }
}

fn compile_field<'q, T: Entity>(
    planner: &mut Planner<'q>,
    declared: &Type<T>,
    (field, sum): (&Merged<'q>, &mut Sum),
    found: &mut Found,
) -> ServerResult<Step<T::V>> {
    let name = field.field.node.name.node.as_str();
    if name == "__typename" {
        found.narrowed = true;
        return Ok(Box::new(|_, out: &mut Out<'_>| {
            out.raw(b"\"");
            out.raw(T::NAME.as_bytes());
            out.raw(b"\"");
            Ok(())
        }));
    }
    if matches!(name, "__schema" | "__type") && planner.path.len() == 1 {
        planner.introspects = true;
        let key = field.field.node.response_key().node.to_string();
        return Ok(Box::new(move |_, out: &mut Out<'_>| {
            let known = out
                .introspection
                .get(&key)
                .map_or(&b"null"[..], |bytes| bytes);
            out.buf.extend_from_slice(known);
            Ok(())
        }));
    }
    let Some(definition) = declared.fields.get(name) else {
        let message = format!("Unknown field `{name}` on type `{}`.", T::NAME);
        return Err(bad_input(message, field.field.pos));
    };
    if let Some(need) = definition.need {
        need(&mut planner.needs);
    }
    let (slot, units) = (planner.sized, definition.cost);
    planner.cost = None;
    let mut step = (definition.plan)(planner, field)?;
    sum.add(units, definition.times(slot), planner.cost.take());
    if units > 0 {
        let inner = step;
        step = Box::new(move |value, out: &mut Out<'_>| {
            out.spent += units;
            inner(value, out)
        });
    }
    let (Some(guard), nullable) = (definition.guard, definition.nullable) else {
        return Ok(step);
    };
    Ok(Box::new(move |value, out: &mut Out<'_>| {
        match guard(At(value)) {
            Ok(()) => step(value, out),
            Err(failure) => out.absent(failure, nullable),
        }
    }))
}

impl<T: Entity> ObjPlan<T> {
    /// Names of the selected fields; for root types, whose fields may run one after another.
    pub(crate) fn keys(&self) -> Vec<&Name> {
        match self {
            Self::Object(fields) => fields.iter().map(|field| &field.name).collect(),
            Self::Interface(_) => Vec::new(),
        }
    }

    /// Writes the value of the `index`-th selected field, without its key. The error path begins
    /// with that key.
    pub(crate) fn write_field<'a>(
        &self,
        index: usize,
        value: <T::V as View>::Of<'a>,
        out: &mut Out<'a>,
    ) -> Done {
        let Self::Object(fields) = self else {
            return Ok(());
        };
        let segment = || PathSegment::Field(fields[index].name.to_string());
        out.at(segment, |out| (fields[index].step)(value, out))
    }
}

/// A compiled operation, whatever the values of its variables.
pub(crate) struct OpPlan<R: Roots> {
    /// The selection on the root type.
    pub(crate) root: RootPlan<R>,
    /// What is wanted at once.
    pub(crate) needs: Needs,
    pub(super) fills: Vec<Fill>,
    /// Variables of `@skip` and `@include` that this plan was made for.
    pub(super) decided: Vec<(Name, Option<Value>)>,
    pub(super) introspects: bool,
    costs: Costs,
    cost: Cost,
}

/// The selection on one of the root types.
pub(crate) enum RootPlan<R: Roots> {
    /// All fields are walked together.
    Query(Arc<ObjPlan<R::Query>>),
    /// Each field runs, and is written, before the next one begins.
    Mutation(Arc<ObjPlan<R::Mutation>>),
}

impl<R: Roots> OpPlan<R> {
    pub(super) fn compile<'q>(
        planner: &mut Planner<'q>,
        operation: &'q Positioned<OperationDefinition>,
    ) -> ServerResult<Self> {
        let sets = [&operation.node.selection_set.node];
        let root = match operation.node.ty {
            OperationType::Query => RootPlan::Query(ObjPlan::compile(planner, &sets)?),
            OperationType::Mutation => RootPlan::Mutation(ObjPlan::compile(planner, &sets)?),
            OperationType::Subscription => {
                return Err(bad_input(
                    "This schema has no subscriptions.",
                    operation.pos,
                ));
            }
        };
        Ok(Self {
            root,
            needs: planner.needs,
            fills: std::mem::take(&mut planner.fills),
            decided: std::mem::take(&mut planner.decided),
            introspects: planner.introspects,
            costs: std::mem::take(&mut planner.costs),
            cost: planner.cost.take().expect("the root is an object"),
        })
    }

    /// What the operation costs with pages of these sizes.
    pub(super) fn estimate(&self, sizes: &[u32]) -> u64 {
        self.costs.estimate(self.cost, sizes)
    }
}

/// `"name":`
pub(super) fn response_key(name: &str) -> Box<[u8]> {
    let mut key = Vec::with_capacity(name.len() + 3);
    key.push(b'"');
    key.extend_from_slice(name.as_bytes());
    key.extend_from_slice(b"\":");
    key.into()
}

/// The declaration of `T`, made once a process.
fn declaration<T: Entity>() -> &'static Type<T> {
    static ALL: OnceLock<RwLock<HashMap<TypeId, &'static (dyn Any + Send + Sync)>>> =
        OnceLock::new();
    let all = ALL.get_or_init(RwLock::default);
    let known = all
        .read()
        .expect("declaring does not panic")
        .get(&TypeId::of::<T>())
        .copied();
    let found = known.unwrap_or_else(|| {
        // Leaked on purpose: there is one per type of the schema, and plans refer to them.
        let fresh: &'static (dyn Any + Send + Sync) = Box::leak(Box::new(Type::<T>::new()));
        *all.write()
            .expect("declaring does not panic")
            .entry(TypeId::of::<T>())
            .or_insert(fresh)
    });
    found
        .downcast_ref()
        .expect("the map's key has the type of its value")
}
