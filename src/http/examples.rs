//! The ready operations of the page: `playground/examples.json` with ids put in that exist.
//!
//! The file holds placeholders such as `{{demo.session}}`; whoever serves the list knows the data
//! and looks the names up. Knows nothing of the stores and does not run the operations.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every name that `playground/examples.json` may use, and what stands for it in the data.
///
/// Ids are the global ids of the API; all turns are of the session `demo.session`.
pub const PLACEHOLDERS: [(&str, &str); 9] = [
    ("demo.session", "id of a session with branches"),
    ("demo.session_uid", "uid of that session"),
    ("demo.sibling", "id of a turn with siblings and children"),
    ("demo.leaf_a", "id of the last turn of the active path"),
    ("demo.leaf_b", "id of the last turn of another branch"),
    ("demo.human_turn", "id of a prompt on the active path"),
    ("demo.agent_turn", "id of an answer on the active path"),
    (
        "demo.steps_session",
        "id of a session with all 13 step types",
    ),
    ("demo.word", "a word that prompts or answers contain"),
];

/// One ready operation, in the shape that the page reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// Unique in the list; lower-case words with hyphens.
    pub id: String,
    /// Who would ask this: `frontend`, `mobile`, `analyst` or `operator`.
    pub persona: String,
    /// A few words.
    pub title: String,
    /// One or two sentences.
    pub description: String,
    /// A document with exactly one operation.
    pub query: String,
    /// Its variables: an object.
    pub variables: Value,
    /// Variable path to path in an earlier answer, whose value the page prefers; an object.
    pub follow: Value,
}

/// An example as written: the query is a list of lines, for the sake of whoever reads the diff.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    persona: String,
    title: String,
    description: String,
    query: Vec<String>,
    variables: Value,
    #[serde(default = "empty")]
    follow: Value,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

/// The ready operations, each placeholder replaced by what `lookup` gives for its name.
///
/// Where it gives `None` (a server without demo data) the variable says in words what belongs
/// there, for example `<id of a session with branches>`.
pub fn examples(lookup: impl Fn(&str) -> Option<String>) -> Vec<Example> {
    let written: Vec<Written> =
        serde_json::from_str(include_str!("../../playground/examples.json"))
            .expect("a test reads the same file");
    let fill = |example: Written| {
        let mut variables = example.variables;
        fill_in(&mut variables, &lookup);
        Example {
            id: example.id,
            persona: example.persona,
            title: example.title,
            description: example.description,
            query: example.query.join("\n") + "\n",
            variables,
            follow: example.follow,
        }
    };
    written.into_iter().map(fill).collect()
}

/// Replaces the placeholders among the strings of `value`. As deep as the file is, so it recurses.
fn fill_in(value: &mut Value, lookup: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(name) = placeholder(text) {
                *text = lookup(name).unwrap_or_else(|| format!("<{}>", meaning(name)));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(item, lookup)),
        Value::Object(fields) => fields.values_mut().for_each(|it| fill_in(it, lookup)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn placeholder(text: &str) -> Option<&str> {
    text.strip_prefix("{{")?.strip_suffix("}}")
}

fn meaning(name: &str) -> &str {
    let known = PLACEHOLDERS.iter().find(|(known, _)| *known == name);
    known.map_or(name, |(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_file_uses_exactly_the_known_placeholders() {
        let asked = RefCell::new(BTreeSet::new());
        examples(|name| {
            asked.borrow_mut().insert(name.to_owned());
            None
        });
        let known = PLACEHOLDERS.map(|(name, _)| name.to_owned());
        assert_eq!(asked.into_inner(), BTreeSet::from(known));
    }

    #[test]
    fn ids_are_put_in_at_every_depth() {
        let list = examples(|name| Some(format!("id of {name}")));
        let find = |id: &str| list.iter().find(|it| it.id == id).unwrap();
        let many = &find("nodes").variables["ids"];
        assert_eq!(many[1], "id of demo.human_turn");
        let append = &find("append-human").variables["input"]["parentId"];
        assert_eq!(append, "id of demo.agent_turn");
        assert!(!serde_json::to_string(&list).unwrap().contains("{{"));
    }

    #[test]
    fn without_demo_data_a_variable_says_what_belongs_there() {
        let list = examples(|_| None);
        let load = list.iter().find(|it| it.id == "load-conversation").unwrap();
        assert_eq!(
            load.variables["sessionId"],
            "<id of a session with branches>"
        );
    }

    #[test]
    fn ids_are_unique_and_each_document_names_its_operation() {
        let list = examples(|_| None);
        let ids: BTreeSet<_> = list.iter().map(|it| &it.id).collect();
        assert!(ids.len() == list.len() && list.len() >= 12);
        for example in &list {
            let named = ["query ", "mutation "].map(|kind| example.query.starts_with(kind));
            assert!(named.contains(&true), "{}", example.id);
        }
    }
}
