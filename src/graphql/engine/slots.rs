//! Arguments: parsed and checked before anything is loaded, read by index while walking.
//!
//! A plan is shared by requests with other variables, so it holds places, not values: every
//! selected field with arguments gets a slot, and each request fills all slots first. A bad page
//! size is thus known before the first statement, and names the path of its field.

use std::any::Any;
use std::sync::Arc;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::VariableDefinition;
use async_graphql::{
    ErrorExtensionValues, InputObjectType, Name, PathSegment, Pos, Positioned, ServerError,
    ServerResult, Value, Variables,
};

/// The parsed arguments of one request.
pub(crate) type Slots = Arc<[Box<dyn Any + Send + Sync>]>;

/// Arguments of a field: an input object that can check itself beyond its types.
pub(crate) trait CheckedArgs: InputObjectType + Clone + 'static {
    /// Refuses values that no load should be made for; the message names the argument.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The variables of a request and their definitions.
pub(crate) struct Vars<'q> {
    pub(crate) variables: &'q Variables,
    pub(crate) definitions: &'q [Positioned<VariableDefinition>],
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

/// Fills one slot for a request.
pub(super) type Fill =
    Box<dyn Fn(&Vars<'_>) -> ServerResult<Box<dyn Any + Send + Sync>> + Send + Sync>;

impl Vars<'_> {
    /// The value of a variable after its default.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let definition = self.definitions.iter().find(|d| d.node.name.node == name)?;
        self.variables
            .get(&definition.node.name.node)
            .or_else(|| definition.node.default_value())
            .cloned()
    }

    /// Refuses a request that leaves out a variable which must have a value.
    pub(super) fn check_required(&self) -> ServerResult<()> {
        for definition in self.definitions {
            let name = &definition.node.name.node;
            let missing = !matches!(self.get(name), Some(value) if value != Value::Null);
            if missing && !definition.node.var_type.node.nullable {
                return Err(bad_input(
                    format!(
                        "Variable `${name}` of type `{}` needs a value.",
                        definition.node.var_type
                    ),
                    definition.pos,
                ));
            }
        }
        Ok(())
    }

    /// Parses and checks the arguments of a field.
    pub(super) fn parse<A: CheckedArgs>(
        &self,
        arguments: &ArgumentList,
        pos: Pos,
    ) -> ServerResult<A> {
        let mut object = IndexMap::new();
        for (name, value) in arguments {
            // An absent variable is an absent argument: the argument's default applies.
            if let Ok(value) = value
                .node
                .clone()
                .into_const_with(|n| self.get(&n).ok_or(()))
            {
                object.insert(name.node.clone(), value);
            }
        }
        let parsed = A::parse(Some(Value::Object(object)))
            .map_err(|e| bad_input(e.into_server_error(pos).message, pos))?;
        parsed.check().map_err(|message| bad_input(message, pos))?;
        Ok(parsed)
    }
}

/// Makes the function that fills a slot, and adds the field's path to its errors.
pub(super) fn fill<A: CheckedArgs>(
    arguments: ArgumentList,
    pos: Pos,
    path: Vec<PathSegment>,
) -> Fill {
    Box::new(move |vars| match vars.parse::<A>(&arguments, pos) {
        Ok(parsed) => Ok(Box::new(parsed)),
        Err(mut error) => {
            error.path.clone_from(&path);
            Err(error)
        }
    })
}

/// An error of the client's input.
pub(super) fn bad_input(message: impl Into<String>, pos: Pos) -> ServerError {
    let mut error = ServerError::new(message, Some(pos));
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", "BAD_USER_INPUT");
    error.extensions = Some(extensions);
    error
}
