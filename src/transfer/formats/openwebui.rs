//! Open WebUI: `chat.history.messages` maps ids to messages with parents and ordered children.

use serde_json::{Value, json};

use super::chatgpt_message::result;
use super::{Unreadable, beginning, fields, instant, object, text_of, text_step};
use crate::domain::{StepType, TurnStatus};
use crate::transfer::conversation::{Body, Message, Part, Source};
use crate::transfer::keys;
use crate::transfer::turns::tools::call;

pub(super) fn parse(text: &str) -> Result<Source, Unreadable> {
    let value = Value::Object(object(text)?);
    let chat = &value["chat"];
    let history = &chat["history"];
    let mut repairs = Vec::new();
    let messages = match history["messages"].as_object() {
        Some(mapping) => {
            let mut placed: Vec<(usize, Message)> = Vec::with_capacity(mapping.len());
            for (id, node) in mapping {
                let parent = text_of(node, "parentId");
                let siblings = parent
                    .as_ref()
                    .and_then(|p| mapping.get(p)?["childrenIds"].as_array());
                let rank = siblings.and_then(|ids| ids.iter().position(|sibling| sibling == id));
                placed.push((
                    rank.unwrap_or(usize::MAX),
                    message(id.clone(), parent, node),
                ));
            }
            placed.sort_by_key(|(rank, _)| *rank);
            placed.into_iter().map(|(_, message)| message).collect()
        }
        None => listed(chat, &mut repairs)?,
    };
    let id = text_of(&value, "id").or_else(|| text_of(chat, "id"));
    let mut metadata = Vec::new();
    if let Some(models) = chat["models"].as_array() {
        let models: Vec<&str> = models.iter().filter_map(Value::as_str).collect();
        metadata.push(("models".to_owned(), models.join(", ")));
    }
    Ok(Source {
        identity: keys::identity(id.as_deref(), &[&beginning(&messages)]),
        id,
        title: text_of(&value, "title").or_else(|| text_of(chat, "title")),
        created_at: instant(value.get("created_at")).or_else(|| instant(chat.get("timestamp"))),
        current: text_of(history, "currentId"),
        messages,
        metadata,
        repairs,
        ..Source::default()
    })
}

/// Old exports have only the list of the messages that were shown.
fn listed(
    chat: &Value,
    repairs: &mut Vec<(Option<String>, String)>,
) -> Result<Vec<Message>, Unreadable> {
    let Some(listed) = chat["messages"].as_array() else {
        return Err(Unreadable::new(
            "its `chat` has neither `history.messages` nor `messages`",
        ));
    };
    let reason = "it has no history of branches; only the messages shown were imported";
    repairs.push((None, reason.to_owned()));
    let mut messages: Vec<Message> = Vec::new();
    for (at, value) in listed.iter().enumerate() {
        let id = text_of(value, "id").unwrap_or_else(|| format!("#{at}"));
        let parent = messages.last().map(|last| last.id.clone());
        messages.push(message(id, parent, value));
    }
    Ok(messages)
}

fn message(id: String, parent: Option<String>, value: &Value) -> Message {
    let content = match &value["content"] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let body = match value["role"].as_str() {
        Some("user") => Body::Human(content),
        Some("system") => Body::Technical("a system message"),
        _ => Body::Agent(parts(value, &content)),
    };
    let mut message = Message::new(id, parent, body);
    message.at = instant(value.get("timestamp"));
    message.model = text_of(value, "model");
    message.liked = match &value["annotation"]["rating"] {
        Value::Number(vote) => vote
            .as_f64()
            .filter(|vote| *vote != 0.0)
            .map(|vote| vote > 0.0),
        Value::String(vote) => vote
            .parse()
            .ok()
            .filter(|vote: &f64| *vote != 0.0)
            .map(|v| v > 0.0),
        _ => None,
    };
    let failed = value
        .get("error")
        .is_some_and(|error| !error.is_null() && error != false);
    message.status = match (failed, value["done"].as_bool()) {
        (true, _) => Some(TurnStatus::Failed),
        (false, Some(false)) => Some(TurnStatus::Cancelled),
        _ => None,
    };
    if let Some(files) = value["files"].as_array().filter(|files| !files.is_empty()) {
        message
            .metadata
            .push(("files".to_owned(), Value::Array(files.clone()).to_string()));
    }
    message
}

fn parts(value: &Value, content: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut has_text = false;
    for item in value["output"].as_array().map_or(&[][..], Vec::as_slice) {
        let call_id = text_of(item, "call_id");
        match item["type"].as_str() {
            Some("reasoning") => {
                let texts = [texts(&item["content"]), texts(&item["summary"])];
                let text = texts.into_iter().find(|text| !text.is_empty());
                let think = text.map(|text| fields(json!({"text": text})));
                parts.extend(think.map(|think| Part::Step(StepType::Think, think)));
            }
            Some("function_call") => {
                let name = item["name"].as_str().unwrap_or("tool");
                let text = item["arguments"].as_str();
                let read = text.and_then(|text| serde_json::from_str(text).ok());
                let arguments = read.unwrap_or_else(|| item["arguments"].clone());
                parts.push(Part::Call(call(call_id, name, arguments)));
            }
            Some("function_call_output") => {
                let output = &item["output"];
                let text = texts(output);
                let value = if text.is_empty() {
                    output.clone()
                } else {
                    Value::from(text)
                };
                let mut joined = result(call_id, "tool", value);
                joined.name = None;
                parts.push(Part::Result(joined));
            }
            Some("message") => {
                let text = texts(&item["content"]);
                has_text |= !text.is_empty();
                parts.extend((!text.is_empty()).then(|| text_step(&text)));
            }
            _ => {
                let step = json!({"title": item["type"].as_str(), "text": item.to_string()});
                parts.push(Part::Step(StepType::Document, fields(step)));
            }
        }
    }
    if !has_text && !content.is_empty() {
        parts.push(text_step(content));
    }
    parts
}

/// The texts of a list of `{type, text}`.
fn texts(listed: &Value) -> String {
    if let Some(text) = listed.as_str() {
        return text.to_owned();
    }
    let listed = listed.as_array().map_or(&[][..], Vec::as_slice);
    let texts: Vec<&str> = listed
        .iter()
        .filter_map(|part| part["text"].as_str())
        .collect();
    texts.join("\n")
}
