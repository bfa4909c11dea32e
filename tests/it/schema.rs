//! The schema as a document: up to date, described, valid, and named by its own rules.

use std::collections::BTreeSet;
use std::path::Path;

use apollo_compiler::Schema;
use apollo_compiler::ast::InputValueDefinition;
use apollo_compiler::schema::ExtendedType;

fn schema() -> Schema {
    let sdl = turngraph::graphql::sdl();
    match Schema::parse_and_validate(&sdl, "schema.graphql") {
        Ok(valid) => valid.into_inner(),
        Err(error) => panic!("the schema is not valid:\n{error}"),
    }
}

fn own_types(schema: &Schema) -> impl Iterator<Item = &ExtendedType> {
    schema.types.values().filter(|ty| !ty.is_built_in())
}

#[test]
fn the_file_is_what_the_code_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let file = std::fs::read_to_string(path).unwrap();
    assert!(
        file == turngraph::graphql::sdl(),
        "schema.graphql is out of date; run `turngraph schema print > schema.graphql` and look at the difference"
    );
}

#[test]
fn it_is_valid_and_everything_in_it_is_described() {
    let schema = schema();
    let mut missing = Vec::new();
    let mut count = 0;
    let mut check = |place: String, described: bool| {
        count += 1;
        if !described {
            missing.push(place);
        }
    };
    for ty in own_types(&schema) {
        let name = ty.name();
        check(name.to_string(), ty.description().is_some());
        let mut inputs = |place: &str, inputs: &[apollo_compiler::Node<InputValueDefinition>]| {
            for input in inputs {
                check(
                    format!("{place}({})", input.name),
                    input.description.is_some(),
                );
            }
        };
        let fields = match ty {
            ExtendedType::Object(object) => Some(&object.fields),
            ExtendedType::Interface(interface) => Some(&interface.fields),
            _ => None,
        };
        for (field, definition) in fields.into_iter().flatten() {
            inputs(&format!("{name}.{field}"), &definition.arguments);
        }
        for (field, definition) in fields.into_iter().flatten() {
            check(format!("{name}.{field}"), definition.description.is_some());
        }
        if let ExtendedType::InputObject(input) = ty {
            for (field, definition) in &input.fields {
                check(format!("{name}.{field}"), definition.description.is_some());
            }
        }
        if let ExtendedType::Enum(values) = ty {
            for (value, definition) in &values.values {
                check(format!("{name}.{value}"), definition.description.is_some());
            }
        }
    }
    assert!(count > 600, "the schema has {count} parts");
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn names_follow_the_conventions() {
    let schema = schema();
    let fields = |name: &str| fields_of(&schema, name);
    let mut connections = 0;
    for ty in own_types(&schema) {
        let name = ty.name().as_str();
        if let Some(of) = name.strip_suffix("Connection") {
            connections += 1;
            is_a_connection(&schema, of);
        }
        let camel = |text: &str| {
            text.chars().all(char::is_alphanumeric)
                && text.starts_with(|c: char| c.is_ascii_lowercase())
        };
        if let ExtendedType::Object(object) = ty {
            for (field, definition) in &object.fields {
                assert!(camel(field), "{name}.{field}");
                assert!(
                    definition.arguments.iter().all(|a| camel(&a.name)),
                    "{name}.{field}"
                );
                let returns = definition.ty.to_string();
                assert!(
                    !returns.contains("Connection!"),
                    "{name}.{field}: a list that fails is null alone"
                );
                let pages = definition.ty.inner_named_type().ends_with("Connection");
                let argument = |name: &str| definition.arguments.iter().any(|a| a.name == name);
                assert!(
                    !pages || (argument("first") && argument("after")),
                    "{name}.{field}"
                );
            }
        }
        if let ExtendedType::Enum(values) = ty {
            let shout = |v: &str| v.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            assert!(values.values.keys().all(|v| shout(v)), "{name}");
        }
        assert!(name.starts_with(|c: char| c.is_ascii_uppercase()), "{name}");
    }
    assert_eq!(connections, 5);
    for (mutation, returns) in fields("Mutation") {
        let payload = format!("{}{}Payload", mutation[..1].to_uppercase(), &mutation[1..]);
        assert_eq!(returns, format!("{payload}!"));
        let payload = fields(&payload);
        assert!(
            payload.contains(&("userErrors".into(), "[UserError!]!".into())),
            "{mutation}"
        );
        assert!(
            payload.contains(&("revision".into(), "Revision".into())),
            "{mutation}"
        );
    }
}

/// `OfConnection` and `OfEdge` have the shape that every list has.
fn is_a_connection(schema: &Schema, of: &str) {
    let fields = fields_of(schema, &format!("{of}Connection"));
    assert_eq!(fields[0], ("edges".into(), format!("[{of}Edge!]!")));
    let node = fields[1].1.trim_matches(['[', ']', '!']).to_owned();
    assert_eq!(fields[1], ("nodes".into(), format!("[{node}!]!")));
    assert_eq!(fields[2], ("pageInfo".into(), "PageInfo!".into()));
    let edge = fields_of(schema, &format!("{of}Edge"));
    let cursor = ("cursor".into(), "String!".into());
    assert_eq!(edge, [cursor, ("node".into(), format!("{node}!"))]);
    let has_id = match &schema.types[node.as_str()] {
        ExtendedType::Object(object) => object.implements_interfaces.contains("Node"),
        ExtendedType::Interface(interface) => interface.implements_interfaces.contains("Node"),
        _ => false,
    };
    assert!(has_id, "{node} has a global id");
}

fn fields_of(schema: &Schema, name: &str) -> Vec<(String, String)> {
    let object = schema
        .get_object(name)
        .unwrap_or_else(|| panic!("{name} is an object"));
    object
        .fields
        .iter()
        .map(|(field, d)| (field.to_string(), d.ty.to_string()))
        .collect()
}

/// Whether a text looks as codes do: capitals with at least one underscore.
fn is_code(text: &str) -> bool {
    text.contains('_') && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

/// Every text that the sources set as a code, found by how codes are set.
fn codes_in_sources() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // Relative: the checkout itself may lie in a folder of one of these names.
            let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
            if !["src/graphql", "src/http"]
                .iter()
                .any(|it| name.starts_with(it))
            {
                continue;
            }
            let Ok(source) = std::fs::read_to_string(&path) else {
                continue;
            };
            let only_codes = ["src/http/api", "src/graphql/engine/document.rs"];
            if only_codes.iter().any(|it| name.starts_with(it)) {
                let texts = source.split('"').skip(1).step_by(2);
                codes.extend(texts.filter(|it| is_code(it)).map(str::to_owned));
            }
            for setter in [
                "code: \"",
                "\"code\", \"",
                "\"code\": \"",
                "refusal(\"",
                "refusal_error(\"",
                "exceeds(\"",
                "set_code(e, \"",
                "set_code(&mut error, \"",
                ".fail(\"",
                "code = \"",
            ] {
                for found in source.split(setter).skip(1) {
                    codes.insert(found.split('"').next().unwrap().to_owned());
                }
            }
            for found in source.split(".fail(\n").skip(1) {
                codes.insert(
                    found
                        .trim_start()
                        .trim_start_matches('"')
                        .split('"')
                        .next()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    codes
}

#[test]
fn every_code_that_the_sources_set_is_in_the_schema() {
    let schema = schema();
    let ExtendedType::Enum(declared) = &schema.types["ErrorCode"] else {
        panic!("ErrorCode is an enum");
    };
    let used = codes_in_sources();
    assert!(used.len() >= 9, "the search finds codes: {used:?}");
    for code in used {
        assert!(
            declared.values.contains_key(code.as_str()),
            "{code} is not in ErrorCode"
        );
    }
}
