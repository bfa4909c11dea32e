//! LibreChat: one conversation a file, its messages nested in `children` or in one flat list.

use serde_json::Value;

use super::{Unreadable, beginning, instant, not_json, shallow, text_of, text_step};
use crate::domain::TurnStatus;
use crate::transfer::conversation::{Body, Message, Part, Source};
use crate::transfer::keys;
use crate::transfer::turns::tools::call;

/// Parent of roots, besides null.
const ROOT: &str = "00000000-0000-0000-0000-000000000000";

pub(super) fn parse(text: &str) -> Result<Source, Unreadable> {
    let (value, listed) = shallow::split(text, "messages").map_err(|error| not_json(&error))?;
    if value.get("conversationId").is_none() && listed.is_empty() {
        return Err(Unreadable::new(
            "it has neither `conversationId` nor `messages`",
        ));
    }
    let mut messages: Vec<Message> = Vec::new();
    let mut waiting: Vec<(String, Option<String>)> = listed
        .into_iter()
        .rev()
        .map(|raw| (raw.get().to_owned(), None))
        .collect();
    while let Some((text, above)) = waiting.pop() {
        let (value, children) =
            shallow::split(&text, "children").map_err(|error| not_json(&error))?;
        let own = text_of(&value, "messageId").unwrap_or_else(|| format!("#{}", messages.len()));
        let children = children.into_iter().rev();
        waiting.extend(children.map(|child| (child.get().to_owned(), Some(own.clone()))));
        let stated = text_of(&value, "parentMessageId").filter(|parent| parent != ROOT);
        messages.push(message(&value, own, above.or(stated)));
    }
    let id = text_of(&value, "conversationId");
    let beginning = beginning(&messages);
    let mut metadata = Vec::new();
    let options = &value["options"];
    for (key, known) in [
        ("endpoint", text_of(&value, "endpoint")),
        ("model", text_of(options, "model")),
        ("system_prompt", text_of(options, "promptPrefix")),
    ] {
        metadata.extend(known.map(|known| (key.to_owned(), known)));
    }
    Ok(Source {
        identity: keys::identity(id.as_deref(), &[&beginning]),
        id,
        title: text_of(&value, "title"),
        messages,
        metadata,
        ..Source::default()
    })
}

fn message(value: &Value, id: String, parent: Option<String>) -> Message {
    let by_user = value["isCreatedByUser"].as_bool().unwrap_or_else(|| {
        let sender = value["sender"].as_str().unwrap_or_default();
        sender.eq_ignore_ascii_case("user")
    });
    let text = value["text"].as_str().unwrap_or_default();
    let body = match by_user {
        true => Body::Human(text.to_owned()),
        false => Body::Agent(parts(value, text)),
    };
    let flag = |key: &str| value[key].as_bool().unwrap_or(false);
    let mut message = Message::new(id, parent, body);
    message.at = instant(value.get("createdAt"));
    message.model = text_of(value, "model");
    message.status = match (flag("error"), flag("unfinished")) {
        (true, _) => Some(TurnStatus::Failed),
        (false, true) => Some(TurnStatus::Cancelled),
        (false, false) => None,
    };
    message.liked = match value["feedback"]["rating"].as_str() {
        Some("thumbsUp") => Some(true),
        Some("thumbsDown") => Some(false),
        _ => None,
    };
    for key in ["sender", "finish_reason", "tokenCount"] {
        message
            .metadata
            .extend(text_of(value, key).map(|known| (key.to_owned(), known)));
    }
    if flag("isEdited") {
        message
            .metadata
            .push(("isEdited".to_owned(), "true".to_owned()));
    }
    message
}

/// The text, and what newer versions keep in `content`: thoughts and tool calls.
fn parts(value: &Value, text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let listed = value["content"].as_array().map_or(&[][..], Vec::as_slice);
    for part in listed {
        let nested = |key: &str| part[key].as_str().or_else(|| part[key]["value"].as_str());
        match part["type"].as_str() {
            Some("think") => {
                let thought = super::fields(serde_json::json!({"text": nested("think")}));
                parts.push(Part::Step(crate::domain::StepType::Think, thought));
            }
            Some("tool_call") => parts.extend(tool_call(&part["tool_call"])),
            _ => parts.extend(nested("text").filter(|t| !t.is_empty()).map(text_step)),
        }
    }
    let has_text = parts.iter().any(|part| {
        matches!(part, Part::Step(crate::domain::StepType::Text, content) if content["text"] == text)
    });
    if !text.is_empty() && !has_text {
        parts.push(text_step(text));
    }
    parts
}

fn tool_call(value: &Value) -> Vec<Part> {
    let name = value["name"].as_str().unwrap_or("tool");
    let arguments = match value["args"].as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        None => value["args"].clone(),
    };
    let call_id = text_of(value, "id");
    let mut parts = vec![Part::Call(call(call_id.clone(), name, arguments))];
    if let Some(output) = value.get("output").filter(|output| !output.is_null()) {
        parts.push(Part::Result(super::chatgpt_message::result(
            call_id,
            name,
            output.clone(),
        )));
    }
    parts
}
