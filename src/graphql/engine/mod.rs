//! How an operation runs: plan once, then walk; what a walk misses is loaded, and it walks again.
//!
//! 1. **Plan.** The operation is compiled once per document into closures that write JSON
//!    (`declare`, `collect`, `plan`). A plan does not depend on the values of variables.
//! 2. **Walk.** The plan writes bytes into one buffer, synchronously (`output`, `out`). A getter
//!    that needs data which is not there notes the miss and writes anything.
//! 3. **Load.** All misses of a walk are loaded together, one statement a kind, and the walk is
//!    repeated. So the number of round trips depends on the operation's shape, never on the
//!    number of rows: N+1 is impossible by construction.
//!
//! This module knows nothing of sessions or stores. Only `registry` and `execute` touch items
//! that async-graphql hides from its documentation; an upgrade changes just those two.

mod collect;
mod cost;
mod declare;
mod document;
mod execute;
mod out;
mod output;
mod plan;
mod registry;
mod slots;
mod writer;

pub(crate) use collect::Merged;
pub(crate) use declare::{Entity, FieldDef, Kind, Type};
pub(crate) use document::{Document, DocumentBounds};
pub(crate) use execute::{Introspection, Prepared, Roots};
pub(crate) use out::{Done, Out, OutLimits};
pub(crate) use output::{
    At, Bool, Failure, Float, Int, Obj, Output, Part, Str, View, enumeration, leaf,
};
pub(crate) use plan::{Needs, ObjPlan, Planner, RootPlan};
pub(crate) use slots::{CheckedArgs, note_excess, refusal as refusal_error};
pub(crate) use writer::{ResponseParts, write_response};
