//! Chatbot UI, version 4: all conversations in one object, each a list without ids and times.

use serde_json::Value;

use super::{Item, Parsed, Unreadable, object, text_of, text_step};
use crate::transfer::conversation::{Body, Message, Source};
use crate::transfer::keys;

pub(super) fn parse(text: &str) -> Parsed {
    let fields = match object(text) {
        Ok(fields) => fields,
        Err(unreadable) => return vec![Err(unreadable)],
    };
    let Some(history) = fields.get("history").and_then(Value::as_array) else {
        return vec![Err(Unreadable::new("it has no list `history`"))];
    };
    let labelled = history.iter().enumerate();
    labelled
        .map(|(at, entry)| {
            conversation(entry)
                .map(Item::Source)
                .map_err(|unreadable| Unreadable {
                    part: format!("history {}", at + 1),
                    ..unreadable
                })
        })
        .collect()
}

fn conversation(entry: &Value) -> Result<Source, Unreadable> {
    let Some(listed) = entry["messages"].as_array() else {
        return Err(Unreadable::new("it has no list `messages`"));
    };
    let mut messages: Vec<Message> = Vec::new();
    for (at, value) in listed.iter().enumerate() {
        let content = match &value["content"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let body = match value["role"].as_str() {
            Some("user") => Body::Human(content),
            Some("system") => Body::Technical("a system message"),
            _ if content.is_empty() => Body::Agent(Vec::new()),
            _ => Body::Agent(vec![text_step(&content)]),
        };
        let parent = at.checked_sub(1).map(|at| at.to_string());
        messages.push(Message::new(at.to_string(), parent, body));
    }
    let id = text_of(entry, "id");
    // Without a time there is nothing but the whole that tells two chats apart whose ids are
    // numbers of one browser.
    let whole = entry["messages"].to_string();
    let mut metadata = Vec::new();
    for (key, known) in [
        (
            "model",
            text_of(&entry["model"], "id").or_else(|| text_of(entry, "model")),
        ),
        ("system_prompt", text_of(entry, "prompt")),
    ] {
        metadata.extend(known.map(|known| (key.to_owned(), known)));
    }
    Ok(Source {
        identity: keys::identity(id.as_deref(), &[&whole]),
        id,
        title: text_of(entry, "name"),
        messages,
        metadata,
        ..Source::default()
    })
}
