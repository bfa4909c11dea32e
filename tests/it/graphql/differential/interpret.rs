//! The specification's algorithm, as it is written there: collect, resolve, complete, and null
//! goes up. No plan, nothing remembered; the parser is another one as well.

use std::collections::BTreeMap;

use apollo_compiler::Schema;
use apollo_compiler::ast::{
    Definition, Directive, Document, Field, Selection, Type, Value as Written,
};
use apollo_compiler::schema::ExtendedType;
use serde_json::{Map, Value, json};

use super::world::{Object, Resolved, World};

/// What an operation should answer.
pub(super) struct Answer {
    pub(super) data: Value,
    /// Whether some field failed.
    pub(super) failed: bool,
    /// Fields that were resolved.
    pub(super) fields: usize,
}

struct Interpreter<'a> {
    schema: &'a Schema,
    world: &'a World,
    fragments: BTreeMap<&'a str, (&'a str, &'a [Selection])>,
    variables: BTreeMap<&'a str, bool>,
    failed: bool,
    fields: usize,
}

/// A null that its place does not allow.
struct Bubble;

pub(super) fn interpret(schema: &Schema, world: &World, query: &str) -> Answer {
    let document =
        Document::parse(query, "query.graphql").unwrap_or_else(|e| panic!("{query}\n{e}"));
    let mut fragments = BTreeMap::new();
    let mut variables = BTreeMap::new();
    let mut root: &[Selection] = &[];
    for definition in &document.definitions {
        match definition {
            Definition::OperationDefinition(operation) => {
                root = &operation.selection_set;
                for variable in &operation.variables {
                    let default = variable.default_value.as_ref().and_then(|v| v.to_bool());
                    variables.insert(variable.name.as_str(), default.unwrap());
                }
            }
            Definition::FragmentDefinition(fragment) => {
                let body = (
                    fragment.type_condition.as_str(),
                    fragment.selection_set.as_slice(),
                );
                fragments.insert(fragment.name.as_str(), body);
            }
            _ => unreachable!("the generator writes operations and fragments"),
        }
    }
    let mut interpreter = Interpreter {
        schema,
        world,
        fragments,
        variables,
        failed: false,
        fields: 0,
    };
    let data = interpreter
        .object(&Object::Query, &[root])
        .unwrap_or(Value::Null);
    Answer {
        data,
        failed: interpreter.failed,
        fields: interpreter.fields,
    }
}

impl<'a> Interpreter<'a> {
    fn left_out(&self, directives: &[apollo_compiler::Node<Directive>]) -> bool {
        directives.iter().any(|directive| {
            let condition = &directive.arguments[0].value;
            let holds = match &**condition {
                Written::Variable(name) => self.variables[name.as_str()],
                literal => literal.to_bool().unwrap(),
            };
            holds == (directive.name == "skip")
        })
    }

    fn applies(&self, condition: Option<&str>, ty: &str) -> bool {
        let Some(condition) = condition.filter(|c| *c != ty) else {
            return true;
        };
        match &self.schema.types[ty] {
            ExtendedType::Object(object) => object.implements_interfaces.contains(condition),
            _ => false,
        }
    }

    fn collect(
        &self,
        ty: &str,
        selections: &'a [Selection],
        into: &mut Vec<(String, Vec<&'a Field>)>,
    ) {
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    if self.left_out(&field.directives) {
                        continue;
                    }
                    let key = field.response_name().to_string();
                    match into.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, fields)) => fields.push(field),
                        None => into.push((key, vec![field])),
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.type_condition.as_ref().map(|c| c.as_str());
                    if !self.left_out(&fragment.directives) && self.applies(condition, ty) {
                        self.collect(ty, &fragment.selection_set, into);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let (condition, inner) = self.fragments[spread.fragment_name.as_str()];
                    if !self.left_out(&spread.directives) && self.applies(Some(condition), ty) {
                        self.collect(ty, inner, into);
                    }
                }
            }
        }
    }

    fn object(&mut self, object: &Object, sets: &[&'a [Selection]]) -> Result<Value, Bubble> {
        let ty = object.type_name();
        let mut collected = Vec::new();
        for set in sets {
            self.collect(ty, set, &mut collected);
        }
        let mut answer = Map::new();
        for (key, fields) in collected {
            self.fields += 1;
            let field = fields[0];
            if field.name == "__typename" {
                answer.insert(key, json!(ty));
                continue;
            }
            let arguments: BTreeMap<&str, &Written> = field
                .arguments
                .iter()
                .map(|argument| (argument.name.as_str(), &*argument.value))
                .collect();
            let resolved = self.world.resolve(object, field.name.as_str(), &arguments);
            let declared = self.schema.type_field(ty, &field.name).unwrap();
            let below: Vec<&[Selection]> =
                fields.iter().map(|f| f.selection_set.as_slice()).collect();
            answer.insert(key, self.complete(&declared.ty, resolved, &below)?);
        }
        Ok(Value::Object(answer))
    }

    fn complete(
        &mut self,
        ty: &Type,
        resolved: Resolved,
        sets: &[&'a [Selection]],
    ) -> Result<Value, Bubble> {
        let completed = match resolved {
            Resolved::Failed => {
                self.failed = true;
                Err(Bubble)
            }
            Resolved::Leaf(value) => Ok(value),
            Resolved::Object(object) => self.object(&object, sets),
            Resolved::List(items) => {
                let item_type = ty.item_type();
                let items = items
                    .into_iter()
                    .map(|item| self.complete(item_type, item, sets));
                items.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
        };
        match completed {
            Ok(Value::Null) | Err(Bubble) if ty.is_non_null() => Err(Bubble),
            Err(Bubble) => Ok(Value::Null),
            Ok(value) => Ok(value),
        }
    }
}
