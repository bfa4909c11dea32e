//! `Type`: an object or interface is declared once; registry entry and plan both come from it.

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{MetaInputValue, Registry};
use async_graphql::{ServerResult, parser::types::SelectionSet};

use super::collect::Merged;
use super::cost::{ASSUMED, Times};
use super::out::{Done, Out};
use super::output::{At, Failure, Output, View, write_list};
use super::plan::{Needs, ObjPlan, Planner};
use super::registry::{arguments_of, register};
use super::slots::{CheckedArgs, Slot};

/// Whether a type is written itself or through one of its possible types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Has values.
    Object,
    /// Its values are those of the objects that implement it.
    Interface,
}

/// A GraphQL type over a family of views.
pub(crate) trait Entity: Sized + Send + Sync + 'static {
    /// Name in the schema.
    const NAME: &'static str;
    /// Object unless said otherwise.
    const KIND: Kind = Kind::Object;
    /// What its getters read.
    type V: View;
    /// Declares description, interfaces and fields.
    fn declare(t: &mut Type<Self>);
}

/// A compiled field: reads from a view, writes its value.
pub(crate) type Step<V> =
    Box<dyn for<'a> Fn(<V as View>::Of<'a>, &mut Out<'a>) -> Done + Send + Sync>;
/// Says why a field cannot be written, before its getter is asked.
type Guard<V> = for<'a> fn(At<'a, V>) -> Result<(), Failure<'a>>;
type PlanStep<V> =
    Box<dyn for<'q> Fn(&mut Planner<'q>, &Merged<'q>) -> ServerResult<Step<V>> + Send + Sync>;
/// A compiled possible type: `None` when the value is of another type.
pub(crate) type Choice<V> =
    Box<dyn for<'a> Fn(<V as View>::Of<'a>, &mut Out<'a>) -> Option<Done> + Send + Sync>;
type PlanChoice<V> = Box<
    dyn for<'q> Fn(&mut Planner<'q>, &[&'q SelectionSet]) -> ServerResult<Choice<V>> + Send + Sync,
>;

/// A declaration under construction, then at rest.
pub(crate) struct Type<T: Entity> {
    pub(super) doc: &'static str,
    pub(super) implements: Vec<&'static str>,
    pub(super) interfaces: Vec<fn(&mut Registry) -> String>,
    pub(super) possible: Vec<(fn(&mut Registry) -> String, PlanChoice<T::V>)>,
    pub(super) fields: IndexMap<&'static str, FieldDef<T>>,
    pub(super) narrowing_need: Option<fn(&mut Needs)>,
}

/// One declared field.
pub(crate) struct FieldDef<T: Entity> {
    pub(super) doc: &'static str,
    pub(super) ty: fn(&mut Registry) -> String,
    pub(super) arguments: fn(&mut Registry) -> IndexMap<String, MetaInputValue>,
    pub(super) plan: PlanStep<T::V>,
    pub(super) need: Option<fn(&mut Needs)>,
    pub(super) guard: Option<Guard<T::V>>,
    pub(super) nullable: bool,
    /// Units beyond those of the objects that it writes.
    pub(super) cost: u64,
    /// Of a list: how many entries it has where its arguments do not say.
    pub(super) list: Option<Times>,
    /// Whether its arguments say how many entries it has.
    pub(super) sized: bool,
}

impl<T: Entity> FieldDef<T> {
    /// What the field means; every field has one (a test counts).
    pub(crate) fn doc(&mut self, doc: &'static str) -> &mut Self {
        self.doc = doc;
        self
    }

    /// What should be loaded at once when this field is selected.
    pub(crate) fn needs(&mut self, need: fn(&mut Needs)) -> &mut Self {
        self.need = Some(need);
        self
    }

    /// Units that it costs beyond the objects that it writes: stores work for it.
    pub(crate) fn cost(&mut self, units: u64) -> &mut Self {
        self.cost = units;
        self
    }

    /// Says of a list that its entries are those of the enclosing page.
    pub(crate) fn entries(&mut self) -> &mut Self {
        self.list = Some(Times::Entries);
        self
    }

    /// How often it writes its object; `slot` is the number of its arguments among those that say
    /// how many.
    pub(super) fn times(&self, slot: usize) -> Times {
        match (self.list, self.sized) {
            (None, false) => Times::Once,
            (None, true) => Times::Page(slot),
            (Some(_), true) => Times::List(slot),
            (Some(entries), false) => entries,
        }
    }

    /// What must have been loaded without failure for the getter to say the truth. For fields
    /// whose own type cannot hold a failure, as [`super::Part`] does.
    pub(crate) fn guard(&mut self, guard: Guard<T::V>) -> &mut Self {
        self.guard = Some(guard);
        self
    }
}

impl<T: Entity> Type<T> {
    pub(super) fn new() -> Self {
        let mut declared = Self {
            doc: "",
            implements: Vec::new(),
            interfaces: Vec::new(),
            possible: Vec::new(),
            fields: IndexMap::new(),
            narrowing_need: None,
        };
        T::declare(&mut declared);
        declared
    }

    /// What the type means.
    pub(crate) fn doc(&mut self, doc: &'static str) -> &mut Self {
        self.doc = doc;
        self
    }

    /// Names an interface that this type implements.
    pub(crate) fn implements<I: Entity>(&mut self) -> &mut Self {
        self.implements.push(I::NAME);
        self.interfaces.push(register::<I>);
        self
    }

    /// Needed when the very type decides what is written: `__typename`, or a fragment on it.
    pub(crate) fn narrowing_needs(&mut self, need: fn(&mut Needs)) -> &mut Self {
        self.narrowing_need = Some(need);
        self
    }

    /// Names a possible type of this interface; `project` is `None` for values of other types.
    pub(crate) fn possible<C: Entity>(
        &mut self,
        project: impl for<'a> Fn(At<'a, T::V>) -> Option<<C::V as View>::Of<'a>>
        + Copy
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        let plan: PlanChoice<T::V> = Box::new(move |planner, sets| {
            let plan = ObjPlan::<C>::compile(planner, sets)?;
            Ok(Box::new(move |value, out: &mut Out<'_>| {
                project(At(value)).map(|value| plan.write(value, out))
            }))
        });
        self.possible.push((register::<C>, plan));
        self
    }

    fn add(&mut self, name: &'static str, field: FieldDef<T>) -> &mut FieldDef<T> {
        let entry = self.fields.entry(name).insert_entry(field);
        entry.into_mut()
    }

    /// A field without arguments.
    pub(crate) fn field<O: Output>(
        &mut self,
        name: &'static str,
        get: for<'a> fn(At<'a, T::V>) -> <O::V as View>::Of<'a>,
    ) -> &mut FieldDef<T> {
        let plan: PlanStep<T::V> = Box::new(move |planner, field| {
            let plan = O::plan(planner, field)?;
            Ok(Box::new(move |value, out: &mut Out<'_>| {
                O::write(&plan, get(At(value)), out)
            }))
        });
        self.add(
            name,
            FieldDef {
                doc: "",
                ty: O::ty,
                arguments: |_| IndexMap::new(),
                plan,
                need: None,
                guard: None,
                nullable: O::NULLABLE,
                cost: 0,
                list: None,
                sized: false,
            },
        )
    }

    /// A field with arguments, an ordinary `#[derive(InputObject)]` that checks itself.
    pub(crate) fn field_with<A: CheckedArgs, O: Output>(
        &mut self,
        name: &'static str,
        get: for<'a> fn(At<'a, T::V>, &'a A) -> <O::V as View>::Of<'a>,
    ) -> &mut FieldDef<T> {
        let plan: PlanStep<T::V> = Box::new(move |planner, field| {
            let slot = planner.slot::<A>(field)?;
            let plan = O::plan(planner, field)?;
            Ok(Box::new(move |value, out: &mut Out<'_>| {
                O::write(&plan, get(At(value), slot.read::<A>(out.slots)), out)
            }))
        });
        self.add(
            name,
            FieldDef {
                doc: "",
                ty: O::ty,
                arguments: arguments_of::<A>,
                plan,
                need: None,
                guard: None,
                nullable: O::NULLABLE,
                cost: 0,
                list: None,
                sized: A::SIZED,
            },
        )
    }

    /// A list `[O!]!` (or `[O]!` where `O` is nullable); items are pushed, so that a list costs
    /// no allocation.
    pub(crate) fn list<O: Output>(
        &mut self,
        name: &'static str,
        each: for<'a, 'f> fn(At<'a, T::V>, &'f mut dyn FnMut(<O::V as View>::Of<'a>)),
    ) -> &mut FieldDef<T> {
        let plan: PlanStep<T::V> = Box::new(move |planner, field| {
            let plan = O::plan(planner, field)?;
            Ok(Box::new(move |value, out: &mut Out<'_>| {
                write_list::<O>(&plan, out, |push| each(At(value), push))
            }))
        });
        self.add(
            name,
            FieldDef {
                doc: "",
                ty: list_type::<O>,
                arguments: |_| IndexMap::new(),
                plan,
                need: None,
                guard: None,
                nullable: false,
                cost: 0,
                list: Some(Times::About(ASSUMED)),
                sized: false,
            },
        )
    }

    /// A list with arguments.
    pub(crate) fn list_with<A: CheckedArgs, O: Output>(
        &mut self,
        name: &'static str,
        each: for<'a, 'f> fn(At<'a, T::V>, &'a A, &'f mut dyn FnMut(<O::V as View>::Of<'a>)),
    ) -> &mut FieldDef<T> {
        let plan: PlanStep<T::V> = Box::new(move |planner, field| {
            let slot: Slot = planner.slot::<A>(field)?;
            let plan = O::plan(planner, field)?;
            Ok(Box::new(move |value, out: &mut Out<'_>| {
                let arguments = slot.read::<A>(out.slots);
                write_list::<O>(&plan, out, |push| each(At(value), arguments, push))
            }))
        });
        self.add(
            name,
            FieldDef {
                doc: "",
                ty: list_type::<O>,
                arguments: arguments_of::<A>,
                plan,
                need: None,
                guard: None,
                nullable: false,
                cost: 0,
                list: Some(Times::About(ASSUMED)),
                sized: A::SIZED,
            },
        )
    }
}

fn list_type<O: Output>(registry: &mut Registry) -> String {
    format!("[{}]!", O::ty(registry))
}
