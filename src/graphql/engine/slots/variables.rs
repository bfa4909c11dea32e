//! Variables: their values against their declared types, before anything is planned.
//!
//! Validation is done once per document and knows no values; so each request's values are checked
//! here, whether a field that uses them is selected or not.

use async_graphql::parser::types::{BaseType, Type, VariableDefinition};
use async_graphql::registry::{MetaType, Registry};
use async_graphql::{Name, Positioned, ServerResult, Value, Variables};

use super::bad_input;

/// The variables of a request and their definitions.
pub(crate) struct Vars<'q> {
    pub(crate) variables: &'q Variables,
    pub(crate) definitions: &'q [Positioned<VariableDefinition>],
}

impl Vars<'_> {
    /// The value of a variable after its default.
    pub(in crate::graphql::engine) fn get(&self, name: &str) -> Option<Value> {
        let definition = self.definitions.iter().find(|d| d.node.name.node == name)?;
        self.variables
            .get(&definition.node.name.node)
            .or_else(|| definition.node.default_value())
            .cloned()
    }

    /// A value of the document with its variables put in. An absent variable is an absent
    /// argument or field, and a null in a list.
    pub(in crate::graphql::engine) fn resolve(
        &self,
        value: &async_graphql_value::Value,
    ) -> Option<Value> {
        use async_graphql_value::Value as Written;
        match value {
            Written::Variable(name) => self.get(name),
            Written::List(items) => {
                let items = items
                    .iter()
                    .map(|item| self.resolve(item).unwrap_or_default());
                Some(Value::List(items.collect()))
            }
            Written::Object(fields) => {
                let fields = fields
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), self.resolve(value)?)));
                Some(Value::Object(fields.collect()))
            }
            literal => literal.clone().into_const(),
        }
    }
}

/// Puts the defaults into `variables` and refuses values that do not fit their declared types.
pub(in crate::graphql::engine) fn check(
    registry: &Registry,
    definitions: &[Positioned<VariableDefinition>],
    variables: &mut Variables,
) -> ServerResult<()> {
    for definition in definitions {
        let name = &definition.node.name.node;
        let ty = &definition.node.var_type.node;
        if let Some(default) = definition.node.default_value() {
            variables
                .entry(name.clone())
                .or_insert_with(|| default.clone());
        }
        let problem = match variables.get(name) {
            None if ty.nullable => None,
            None => Some("needs a value".to_owned()),
            Some(value) => fits(registry, ty, value)
                .err()
                .map(|misfit| misfit.to_string()),
        };
        if let Some(problem) = problem {
            let message = format!("Variable `${name}` of type `{ty}` {problem}.");
            return Err(bad_input(message, definition.pos));
        }
    }
    Ok(())
}

/// Why a value does not fit, and where; the place is put together while the checks return.
struct Misfit {
    place: Vec<String>,
    problem: String,
}

impl Misfit {
    fn at(mut self, segment: impl ToString) -> Self {
        self.place.push(segment.to_string());
        self
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() {
            return f.write_str(&self.problem);
        }
        let place: Vec<&str> = self.place.iter().rev().map(String::as_str).collect();
        write!(
            f,
            "has at `{}` a value that {}",
            place.join("."),
            self.problem
        )
    }
}

fn misfit(problem: impl Into<String>) -> Misfit {
    Misfit {
        place: Vec::new(),
        problem: problem.into(),
    }
}

fn fits(registry: &Registry, ty: &Type, value: &Value) -> Result<(), Misfit> {
    if *value == Value::Null {
        return match ty.nullable {
            true => Ok(()),
            false => Err(misfit("must not be null")),
        };
    }
    match (&ty.base, value) {
        (BaseType::List(item), Value::List(items)) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(at, value)| fits(registry, item, value).map_err(|m| m.at(at)))
        }
        // One value stands for a list of one.
        (BaseType::List(item), one) => fits(registry, item, one),
        (BaseType::Named(name), value) => fits_named(registry, name, value),
    }
}

fn fits_named(registry: &Registry, name: &Name, value: &Value) -> Result<(), Misfit> {
    let is_not = || Err(misfit(format!("is not of type `{name}`")));
    match registry.types.get(name.as_str()) {
        Some(MetaType::Scalar { is_valid, .. }) => match is_valid {
            Some(is_valid) if !is_valid(value) => is_not(),
            _ => Ok(()),
        },
        Some(MetaType::Enum { enum_values, .. }) => {
            let known = match value {
                Value::String(text) => enum_values.contains_key(text),
                Value::Enum(text) => enum_values.contains_key(text.as_str()),
                _ => false,
            };
            if known { Ok(()) } else { is_not() }
        }
        Some(MetaType::InputObject { input_fields, .. }) => {
            let Value::Object(given) = value else {
                return is_not();
            };
            if let Some(unknown) = given
                .keys()
                .find(|k| !input_fields.contains_key(k.as_str()))
            {
                return Err(misfit(format!("has no field of that name in `{name}`")).at(unknown));
            }
            for field in input_fields.values() {
                let ty = Type::new(&field.ty).expect("the registry has well-formed types");
                let checked = match given.get(field.name.as_str()) {
                    Some(value) => fits(registry, &ty, value),
                    None if ty.nullable || field.default_value.is_some() => Ok(()),
                    None => Err(misfit("is missing")),
                };
                checked.map_err(|m| m.at(&field.name))?;
            }
            Ok(())
        }
        // Validation has refused variables of other types.
        _ => is_not(),
    }
}
