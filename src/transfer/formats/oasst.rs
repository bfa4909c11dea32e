//! Open Assistant: a tree of messages a line, or one flat list of messages of many trees.

use std::collections::HashMap;

use serde_json::Value;

use super::{Item, Unreadable, not_json, shallow, text_of, text_step};
use crate::domain::score::{ScoreSource, ScoreValue};
use crate::transfer::conversation::{Body, Judgement, Message, Prefer, Source};
use crate::transfer::keys;

/// Reads a tree or, of a flat list, one message.
pub(super) fn parse(text: &str) -> Result<Item, Unreadable> {
    let (value, prompt) = shallow::split(text, "prompt").map_err(|error| not_json(&error))?;
    if value.get("user_message_id").is_some() {
        let id = text_of(&value, "user_message_id");
        let parent = text_of(&value, "parent_message_id");
        return Ok(Item::Loose(Box::new(message(&value, id, parent)?)));
    }
    let root = prompt.first().ok_or_else(|| {
        Unreadable::new("it has no `prompt`; give trees as Open Assistant exports them")
    })?;
    tree(&value, root.get()).map(Item::Source)
}

fn tree(value: &Value, root: &str) -> Result<Source, Unreadable> {
    let id = text_of(value, "message_tree_id");
    let mut messages = Vec::new();
    // Texts of messages that wait, with the ids of their parents; children are pushed in reverse.
    let mut waiting = vec![(root.to_owned(), None::<String>)];
    while let Some((text, above)) = waiting.pop() {
        let (value, replies) =
            shallow::split(&text, "replies").map_err(|error| not_json(&error))?;
        let own = text_of(&value, "message_id").unwrap_or_else(|| format!("#{}", messages.len()));
        let replies = replies.into_iter().rev();
        waiting.extend(replies.map(|reply| (reply.get().to_owned(), Some(own.clone()))));
        messages.push(message(&value, Some(own), above)?);
    }
    let mut source = of(id, messages);
    if let Some(state) = text_of(value, "tree_state") {
        source.metadata.push(("tree_state".to_owned(), state));
    }
    Ok(source)
}

fn of(id: Option<String>, messages: Vec<Message>) -> Source {
    let beginning = match messages.first().map(|message| &message.body) {
        Some(Body::Human(prompt)) => prompt.as_str(),
        _ => "",
    };
    Source {
        identity: keys::identity(id.as_deref(), &[beginning]),
        id,
        messages,
        prefer: Prefer::First,
        ..Source::default()
    }
}

fn message(
    value: &Value,
    id: Option<String>,
    parent: Option<String>,
) -> Result<Message, Unreadable> {
    let refuse = |what: &str| Unreadable {
        nodes: 1,
        ..Unreadable::new(format!("a message has no {what}"))
    };
    let id = id.ok_or_else(|| refuse("id"))?;
    let text = value
        .get("text")
        .and_then(Value::as_str)
        .ok_or_else(|| refuse("text"))?;
    let body = match value.get("role").and_then(Value::as_str) {
        Some("prompter" | "user") => Body::Human(text.to_owned()),
        Some("assistant") => Body::Agent(vec![text_step(text)]),
        _ => return Err(refuse("role that is `prompter` or `assistant`")),
    };
    let mut message = Message::new(id, parent, body);
    message.deleted = value
        .get("deleted")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    message.rank = value.get("rank").and_then(Value::as_f64);
    message.model = text_of(value, "model_name");
    let number = |name: &str, number: f64| Judgement {
        name: name.to_owned(),
        source: ScoreSource::Reviewer,
        value: ScoreValue::Number(number),
    };
    message
        .scores
        .extend(message.rank.map(|rank| number("rank", rank)));
    for (emoji, count) in value
        .get("emojis")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        match count.as_f64() {
            // What labellers left out is no judgement, but it is part of the record.
            Some(count) if emoji.starts_with("_skip_") => {
                message
                    .metadata
                    .push((format!("emoji:{emoji}"), count.to_string()));
            }
            Some(count) => message.scores.push(number(emoji, count)),
            None => {}
        }
    }
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for key in [
        "lang",
        "review_count",
        "review_result",
        "task_message_id",
        "model_name",
    ] {
        if let Some(known) = value.get(key).filter(|value| !value.is_null()) {
            message.metadata.push((key.to_owned(), plain(known)));
        }
    }
    if value.get("synthetic") == Some(&Value::Bool(true)) {
        message
            .metadata
            .push(("written_by_model".to_owned(), "true".to_owned()));
    }
    Ok(message)
}

/// Sorts the messages of a flat list into conversations by their roots, in the order of the file.
pub(super) fn group(messages: Vec<Message>) -> Vec<Source> {
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    for (ix, message) in messages.iter().enumerate() {
        by_id.entry(&message.id).or_insert(ix);
    }
    let mut root: Vec<Option<usize>> = vec![None; messages.len()];
    for start in 0..messages.len() {
        // A second message of one id goes with the first.
        let mut at = by_id[messages[start].id.as_str()];
        let mut walked = vec![start];
        let found = loop {
            if let Some(known) = root[at] {
                break known;
            }
            // Set for now, so that a cycle ends the walk where it began.
            root[at] = Some(start);
            walked.push(at);
            let parent = messages[at].parent.as_deref().and_then(|id| by_id.get(id));
            match parent {
                Some(&parent) => at = parent,
                None => break at,
            }
        };
        for ix in walked {
            root[ix] = Some(found);
        }
    }
    let mut groups: Vec<Vec<Message>> = Vec::new();
    let mut group_of: HashMap<usize, usize> = HashMap::new();
    for (ix, message) in messages.into_iter().enumerate() {
        let root = root[ix].expect("every message was walked");
        let group = *group_of.entry(root).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(message);
    }
    let sources = groups.into_iter();
    sources
        .map(|messages| of(messages.first().map(|root| root.id.clone()), messages))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loose(id: &str, parent: Option<&str>) -> Message {
        let body = Body::Human(id.to_owned());
        Message::new(id.to_owned(), parent.map(Into::into), body)
    }

    #[test]
    fn messages_are_grouped_by_root_also_when_trees_are_mixed_or_damaged() {
        let groups = group(vec![
            loose("a", None),
            loose("b", None),
            loose("b1", Some("b")),
            loose("a1", Some("a")),
            loose("a2", Some("a1")),
            loose("lost", Some("gone")),
            loose("x", Some("y")),
            loose("y", Some("x")),
            loose("a1", Some("a")),
        ]);
        let ids: Vec<Vec<&str>> = groups
            .iter()
            .map(|source| source.messages.iter().map(|m| m.id.as_str()).collect())
            .collect();
        let of = [
            vec!["a", "a1", "a2", "a1"],
            vec!["b", "b1"],
            vec!["lost"],
            vec!["x", "y"],
        ];
        assert_eq!(ids, of);
    }

    #[test]
    fn a_thousand_nested_replies_are_read() {
        let mut text = String::new();
        for n in 0..1_000 {
            let role = if n % 2 == 0 { "prompter" } else { "assistant" };
            text += &format!(r#"{{"message_id":"{n}","text":"t","role":"{role}","replies":["#);
        }
        text += &"]}".repeat(1_000);
        let text = format!(r#"{{"message_tree_id":"x","prompt":{text}}}"#);
        let Ok(Item::Source(source)) = parse(&text) else {
            panic!("it is a tree");
        };
        assert_eq!(source.messages.len(), 1_000);
    }
}
