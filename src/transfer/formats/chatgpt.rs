//! ChatGPT: a conversation is a `mapping` of nodes with parents and ordered children.
//!
//! Nodes may stand in any order, may hide, and may disagree about who is whose child: the parent
//! that a node names wins. What a message says is read in `chatgpt_message`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::chatgpt_message::message;
use super::{Unreadable, beginning, instant, object, text_of};
use crate::transfer::conversation::{Message, Source};
use crate::transfer::keys;

pub(super) fn parse(text: &str) -> Result<Source, Unreadable> {
    let fields = object(text)?;
    let Some(mapping) = fields.get("mapping").and_then(Value::as_object) else {
        let reason = "it has no `mapping`, so it holds no messages; export the conversation again";
        return Err(Unreadable::new(reason));
    };
    let mut repairs = Vec::new();
    let nodes = ordered(mapping, &mut repairs);
    let messages: Vec<Message> = nodes
        .into_iter()
        .map(|(id, parent, node)| message(id, parent, node))
        .collect();
    let value = Value::Object(fields);
    let id = text_of(&value, "conversation_id").or_else(|| text_of(&value, "id"));
    let began = value
        .get("create_time")
        .map(Value::to_string)
        .unwrap_or_default();
    let mut metadata = Vec::new();
    for key in ["default_model_slug", "gizmo_id", "conversation_origin"] {
        metadata.extend(text_of(&value, key).map(|known| (key.to_owned(), known)));
    }
    for key in ["is_archived", "is_starred"] {
        if value[key].as_bool() == Some(true) {
            metadata.push((key.to_owned(), "true".to_owned()));
        }
    }
    Ok(Source {
        identity: keys::identity(id.as_deref(), &[&began, &beginning(&messages)]),
        id,
        title: text_of(&value, "title"),
        created_at: instant(value.get("create_time")),
        current: text_of(&value, "current_node"),
        messages,
        metadata,
        repairs,
        ..Source::default()
    })
}

type Placed<'a> = (String, Option<String>, &'a Value);

/// The nodes with their parents, in an order in which siblings stand as their parent lists them.
fn ordered<'a>(
    mapping: &'a Map<String, Value>,
    repairs: &mut Vec<(Option<String>, String)>,
) -> Vec<Placed<'a>> {
    let listed = listing(mapping, repairs);
    let mut nodes: Vec<(usize, usize, Placed<'a>)> = Vec::with_capacity(mapping.len());
    for (at, (id, node)) in mapping.iter().enumerate() {
        let by_list = listed.get(id.as_str());
        let stated = text_of(node, "parent");
        let parent = match (&stated, by_list) {
            // A parent that is not there is no reason to lose the link that the list has.
            (Some(parent), Some((lister, _))) if !mapping.contains_key(parent) => {
                let reason = format!("its parent {parent} is not there; {lister} lists it");
                repairs.push((Some(id.clone()), reason));
                Some((*lister).to_owned())
            }
            (None, Some((lister, _))) => {
                let reason = format!("it names no parent; {lister} lists it");
                repairs.push((Some(id.clone()), reason));
                Some((*lister).to_owned())
            }
            _ => stated,
        };
        let rank = match by_list {
            Some((lister, rank)) if parent.as_deref() == Some(lister) => *rank,
            _ => usize::MAX,
        };
        nodes.push((rank, at, (id.clone(), parent, node)));
    }
    // A stable order by rank keeps siblings as listed, wherever their nodes stand in the file.
    nodes.sort_by_key(|(rank, at, _)| (*rank, *at));
    nodes.into_iter().map(|(_, _, placed)| placed).collect()
}

/// For every node that is listed as a child: by whom, and at which place.
fn listing<'a>(
    mapping: &'a Map<String, Value>,
    repairs: &mut Vec<(Option<String>, String)>,
) -> HashMap<&'a str, (&'a str, usize)> {
    let mut listed: HashMap<&str, (&str, usize)> = HashMap::new();
    for (id, node) in mapping {
        let children = node["children"].as_array().map_or(&[][..], Vec::as_slice);
        for (rank, child) in children.iter().filter_map(Value::as_str).enumerate() {
            let Some(node) = mapping.get(child) else {
                let reason = format!("its child {child} is not there");
                repairs.push((Some(id.clone()), reason));
                continue;
            };
            let names = node["parent"].as_str();
            let agrees = names == Some(id);
            if !agrees && names.is_some_and(|parent| mapping.contains_key(parent)) {
                let reason = format!("it lists {child} as a child, which names another parent");
                repairs.push((Some(id.clone()), reason));
                continue;
            }
            listed.entry(child).or_insert((id, rank));
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_stand_as_listed_and_links_that_disagree_are_reported() {
        let text = r#"{"mapping":{
            "c":{"id":"c","parent":"a","children":[]},
            "b":{"id":"b","parent":"a","children":["c","gone"]},
            "a":{"id":"a","children":["b","c","d"]},
            "d":{"id":"d","parent":"lost","children":[]}}}"#;
        let fields = object(text).unwrap();
        let mut repairs = Vec::new();
        let nodes = ordered(fields["mapping"].as_object().unwrap(), &mut repairs);
        let ids: Vec<_> = nodes
            .iter()
            .map(|(id, parent, _)| (id.as_str(), parent.as_deref()))
            .collect();
        assert_eq!(
            ids,
            [
                ("b", Some("a")),
                ("c", Some("a")),
                ("d", Some("a")),
                ("a", None)
            ]
        );
        assert_eq!(repairs.len(), 3);
    }
}
