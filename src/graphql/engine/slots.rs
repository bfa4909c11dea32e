//! Arguments: parsed and checked before anything is loaded, read by index while walking.
//!
//! A plan is shared by requests with other variables, so it holds places, not values: every
//! selected field with arguments gets a slot, and each request fills all slots first. A bad page
//! size is thus known before the first statement, and names the path of its field.

use std::any::Any;
use std::sync::Arc;

use async_graphql::indexmap::IndexMap;
use async_graphql::{
    ErrorExtensionValues, InputObjectType, Name, PathSegment, Pos, Positioned, ServerError,
    ServerResult, Value,
};

use crate::graphql::freshness::{Freshness, FreshnessArgs};
use crate::limits::Excess;

pub(super) mod variables;
use variables::Vars;

/// The parsed arguments of one request.
pub(crate) type Slots = Arc<[Box<dyn Any + Send + Sync>]>;

/// Arguments of a field: an input object that can check itself beyond its types.
pub(crate) trait CheckedArgs: InputObjectType + Clone + 'static {
    /// Refuses values that no load should be made for; the message names the argument.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// How fresh the operation must be for this field.
    fn freshness(&self) -> Option<&FreshnessArgs> {
        None
    }

    /// Whether [`Self::size`] says how many entries the field has.
    const SIZED: bool = false;

    /// Entries of the page or list that is asked for, at most.
    fn size(&self) -> u32 {
        1
    }
}

/// What the arguments of a request ask for, beside their values.
#[derive(Default)]
pub(super) struct Asked {
    /// How fresh the operation must be.
    pub(super) freshness: Freshness,
    /// Sizes of its pages and lists, by their numbers in the plan.
    pub(super) sizes: Vec<u32>,
}

/// Where a request's arguments of one field are.
#[derive(Clone, Copy)]
pub(crate) struct Slot(pub(super) usize);

impl Slot {
    /// The arguments of this request.
    pub(super) fn read<A: 'static>(self, slots: &Slots) -> &A {
        slots[self.0]
            .downcast_ref()
            .expect("a slot holds the type that it was planned with")
    }
}

/// Arguments of a field as the document has them.
pub(super) type ArgumentList = Vec<(Positioned<Name>, Positioned<async_graphql_value::Value>)>;

/// Fills one slot for a request, and adds what the field asks for.
pub(super) type Fill =
    Box<dyn Fn(&Vars<'_>, &mut Asked) -> ServerResult<Box<dyn Any + Send + Sync>> + Send + Sync>;

impl Vars<'_> {
    /// Parses and checks the arguments of a field.
    pub(super) fn parse<A: CheckedArgs>(
        &self,
        arguments: &ArgumentList,
        pos: Pos,
    ) -> ServerResult<A> {
        let mut object = IndexMap::new();
        for (name, value) in arguments {
            if let Some(value) = self.resolve(&value.node) {
                object.insert(name.node.clone(), value);
            }
        }
        let parsed = A::parse(Some(Value::Object(object))).map_err(|e| {
            let message = e.into_server_error(pos).message;
            bad_input(without_own_names(&message), pos)
        })?;
        parsed.check().map_err(|message| bad_input(message, pos))?;
        Ok(parsed)
    }
}

/// A parse error without the names of the objects that hold a field's arguments here: clients
/// know the types of the schema only.
fn without_own_names(message: &str) -> String {
    const WITHIN: &str = " (occurred while parsing \"";
    let mut parts = message.split(WITHIN);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let own = part.ends_with("Args\")") || part.ends_with("Page\")");
        if !own {
            kept = format!("{kept}{WITHIN}{part}");
        }
    }
    kept
}

/// Makes the function that fills a slot, and adds the field's path to its errors.
pub(super) fn fill<A: CheckedArgs>(
    arguments: ArgumentList,
    pos: Pos,
    path: Vec<PathSegment>,
) -> Fill {
    Box::new(move |vars, asked| match vars.parse::<A>(&arguments, pos) {
        Ok(parsed) => {
            if let Some(freshness) = parsed.freshness() {
                asked.freshness.add(freshness);
            }
            if A::SIZED {
                asked.sizes.push(parsed.size());
            }
            Ok(Box::new(parsed))
        }
        Err(mut error) => {
            error.path.clone_from(&path);
            Err(error)
        }
    })
}

/// An error of the client's input.
pub(super) fn bad_input(message: impl Into<String>, pos: Pos) -> ServerError {
    let mut error = refusal("BAD_USER_INPUT", message);
    error.locations = vec![pos];
    error
}

/// A refusal of the document because it exceeds a limit; `what` is e.g. "The document has too many
/// tokens".
pub(crate) fn exceeds(code: &str, what: &str, excess: Excess) -> ServerError {
    let mut error = refusal(code, format!("{what}: {excess}."));
    note_excess(&mut error, excess);
    error
}

/// Says in an error's extensions what the limit is and what there is.
pub(crate) fn note_excess(error: &mut ServerError, excess: Excess) {
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("limit", excess.limit);
    extensions.set("actual", excess.actual);
}

/// A refusal of the request as a whole.
pub(crate) fn refusal(code: &str, message: impl Into<String>) -> ServerError {
    let mut error = ServerError::new(message, None);
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    error.extensions = Some(extensions);
    error
}
