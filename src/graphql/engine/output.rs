//! Output types: from a borrowed value of the loaded data to JSON bytes, without a copy between.

use async_graphql::registry::Registry;
use async_graphql::{PathSegment, ServerResult};

use super::collect::Merged;
use super::declare::Entity;
use super::out::{Done, Out};
use super::plan::{ObjPlan, Planner};
use super::registry::register;

/// A family of borrowed values: what a walk carries from parent to child.
pub(crate) trait View: 'static {
    /// The value while the loaded data is borrowed for `'a`.
    type Of<'a>: Copy;
}

/// A value of the family with its lifetime named, so that a getter may return borrowed data.
pub(crate) struct At<'a, V: View>(pub(crate) V::Of<'a>);

/// A GraphQL output type: its name in the schema, its plan, its writing.
pub(crate) trait Output: 'static {
    /// What is written.
    type V: View;
    /// What the selection below compiles to.
    type Plan: Send + Sync;
    /// Whether null is a value.
    const NULLABLE: bool = false;
    /// Name of the type without `!`.
    fn named(registry: &mut Registry) -> String;
    /// Name with `!` where the type is not nullable.
    fn ty(registry: &mut Registry) -> String {
        format!("{}!", Self::named(registry))
    }
    /// Compiles the selection.
    fn plan<'q>(planner: &mut Planner<'q>, field: &Merged<'q>) -> ServerResult<Self::Plan>;
    /// Writes a value.
    fn write<'a>(plan: &Self::Plan, value: <Self::V as View>::Of<'a>, out: &mut Out<'a>) -> Done;
}

/// The family of `Option`s.
pub(crate) struct OptionV<V>(V);

impl<V: View> View for OptionV<V> {
    type Of<'a> = Option<V::Of<'a>>;
}

impl<O: Output> Output for Option<O> {
    type V = OptionV<O::V>;
    type Plan = O::Plan;
    const NULLABLE: bool = true;

    fn named(registry: &mut Registry) -> String {
        O::named(registry)
    }

    fn ty(registry: &mut Registry) -> String {
        O::named(registry)
    }

    fn plan<'q>(planner: &mut Planner<'q>, field: &Merged<'q>) -> ServerResult<O::Plan> {
        O::plan(planner, field)
    }

    fn write<'a>(plan: &O::Plan, value: <Self::V as View>::Of<'a>, out: &mut Out<'a>) -> Done {
        let start = out.buf.len();
        let written = match value {
            Some(value) => O::write(plan, value, out).is_ok(),
            None => false,
        };
        if !written {
            out.buf.truncate(start);
            out.raw(b"null");
        }
        Ok(())
    }
}

/// A value that may have failed to load: the field has a typed error, and its nearest nullable
/// ancestor (itself, as `Part<Option<_>>`) is null.
pub(crate) struct Part<O>(O);

/// Why a part is missing, as the client may read it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure<'a> {
    /// Stable code.
    pub(crate) code: &'static str,
    /// Masked message.
    pub(crate) message: &'a str,
}

/// The family of results.
pub(crate) struct PartV<V>(V);

impl<V: View> View for PartV<V> {
    type Of<'a> = Result<V::Of<'a>, Failure<'a>>;
}

impl<O: Output> Output for Part<O> {
    type V = PartV<O::V>;
    type Plan = O::Plan;
    const NULLABLE: bool = O::NULLABLE;

    fn named(registry: &mut Registry) -> String {
        O::named(registry)
    }

    fn ty(registry: &mut Registry) -> String {
        O::ty(registry)
    }

    fn plan<'q>(planner: &mut Planner<'q>, field: &Merged<'q>) -> ServerResult<O::Plan> {
        O::plan(planner, field)
    }

    fn write<'a>(plan: &O::Plan, value: <Self::V as View>::Of<'a>, out: &mut Out<'a>) -> Done {
        match value {
            Ok(value) => O::write(plan, value, out),
            Err(failure) => out.absent(failure, O::NULLABLE),
        }
    }
}

/// An object, interface or union.
pub(crate) struct Obj<T>(T);

impl<T: Entity> Output for Obj<T> {
    type V = T::V;
    type Plan = std::sync::Arc<ObjPlan<T>>;

    fn named(registry: &mut Registry) -> String {
        register::<T>(registry)
    }

    fn plan<'q>(planner: &mut Planner<'q>, field: &Merged<'q>) -> ServerResult<Self::Plan> {
        ObjPlan::compile(planner, &field.sets)
    }

    fn write<'a>(plan: &Self::Plan, value: <T::V as View>::Of<'a>, out: &mut Out<'a>) -> Done {
        plan.write(value, out)
    }
}

/// Writes the items that `each` pushes as a JSON list.
pub(super) fn write_list<'a, O: Output>(
    plan: &O::Plan,
    out: &mut Out<'a>,
    each: impl FnOnce(&mut dyn FnMut(<O::V as View>::Of<'a>)),
) -> Done {
    let (mut index, mut done) = (0, Ok(()));
    out.raw(b"[");
    each(&mut |item| {
        if done.is_ok() {
            if index > 0 {
                out.raw(b",");
            }
            done = out.at(
                || PathSegment::Index(index),
                |out| O::write(plan, item, out),
            );
            index += 1;
        }
    });
    out.raw(b"]");
    done
}

/// Declares a leaf: `leaf!('a Name, borrowed type, GraphQL type, writer)`.
macro_rules! leaf {
    ($(#[$doc:meta])* $l:lifetime $name:ident, $value:ty, $graphql:ty, $write:expr) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl $crate::graphql::engine::View for $name {
            type Of<$l> = $value;
        }

        impl $crate::graphql::engine::Output for $name {
            type V = $name;
            type Plan = ();

            fn named(registry: &mut async_graphql::registry::Registry) -> String {
                <$graphql as async_graphql::OutputType>::create_type_info(registry);
                <$graphql as async_graphql::OutputType>::type_name().into_owned()
            }

            fn plan<'q>(
                _: &mut $crate::graphql::engine::Planner<'q>,
                _: &$crate::graphql::engine::Merged<'q>,
            ) -> async_graphql::ServerResult<()> {
                Ok(())
            }

            #[inline]
            fn write<'w>(
                _: &(),
                value: <$name as $crate::graphql::engine::View>::Of<'w>,
                out: &mut $crate::graphql::engine::Out<'w>,
            ) -> $crate::graphql::engine::Done {
                let write: for<$l> fn($value, &mut $crate::graphql::engine::Out<$l>) = $write;
                write(value, out);
                Ok(())
            }
        }
    };
}
pub(crate) use leaf;

/// Declares the output form of a `#[derive(Enum)]`: its values are written by their names.
macro_rules! enumeration {
    ($(#[$doc:meta])* $name:ident, $graphql:ty) => {
        $crate::graphql::engine::leaf!($(#[$doc])* 'a $name, $graphql, $graphql, |value, out| {
            out.raw(b"\"");
            let item = <$graphql as async_graphql::resolver_utils::EnumType>::items()
                .iter()
                .find(|item| item.value == value);
            out.raw(item.expect("items() has every value of its enum").name.as_bytes());
            out.raw(b"\"");
        });
    };
}
pub(crate) use enumeration;

leaf!(
    /// A text.
    'a Str, &'a str, String, |value, out| out.str(value)
);
leaf!(
    /// A 32-bit number.
    'a Int, i32, i32, |value, out| out.raw(itoa::Buffer::new().format(value).as_bytes())
);
leaf!(
    /// True or false.
    'a Bool, bool, bool, |value, out| out.raw(if value { b"true" } else { b"false" })
);
leaf!(
    /// A finite number; others cannot be JSON and are written as null by their field.
    'a Float, f64, f64, |value, out| {
        serde_json::to_writer(&mut out.buf, &value).expect("writing to memory does not fail");
    }
);
