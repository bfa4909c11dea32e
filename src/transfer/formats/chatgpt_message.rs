//! What one message of a ChatGPT export says: a prompt, parts of an answer, or nothing visible.
//!
//! `content_type: code` is a call of a tool whenever `recipient` names one. Steps that turngraph
//! exported carry their own type and content in the message's metadata and come back as they were.

use serde_json::{Map, Value, json};

use super::{fields, instant, text_of, text_step};
use crate::domain::{StepType, TurnStatus};
use crate::transfer::conversation::{Body, Message, Part, ToolResult};
use crate::transfer::turns::tools::call;

/// Key of a message's metadata under which turngraph's own export keeps a step.
pub(in crate::transfer) const STEP_KEY: &str = "turngraph";

pub(super) fn message(id: String, parent: Option<String>, node: &Value) -> Message {
    let value = &node["message"];
    let body = body(value);
    let mut message = Message::new(id, parent, body);
    message.at = instant(value.get("create_time"));
    let metadata = &value["metadata"];
    message.model = text_of(metadata, "model_slug");
    let ended = metadata["finish_details"]["type"].as_str();
    message.status = match (value["status"].as_str(), ended) {
        (_, Some("interrupted")) => Some(TurnStatus::Cancelled),
        (Some("finished_partial_completion"), _) => Some(TurnStatus::Cancelled),
        _ => None,
    };
    for key in ["attachments", "finished_text"] {
        if let Some(known) = metadata.get(key).filter(|known| is_something(known)) {
            let text = known
                .as_str()
                .map_or_else(|| known.to_string(), str::to_owned);
            message.metadata.push((key.to_owned(), text));
        }
    }
    message
}

fn is_something(value: &Value) -> bool {
    !(value.is_null() || value.as_array().is_some_and(Vec::is_empty))
}

fn body(value: &Value) -> Body {
    if !value.is_object() {
        return Body::Technical("a node without a message");
    }
    let role = value["author"]["role"].as_str().unwrap_or_default();
    let content = &value["content"];
    let kind = content["content_type"].as_str().unwrap_or("text");
    let metadata = &value["metadata"];
    if role == "system" || role == "developer" {
        return Body::Technical("a system message");
    }
    if kind == "user_editable_context" || kind == "model_editable_context" {
        return Body::Technical("a profile, not a message");
    }
    if metadata["is_visually_hidden_from_conversation"].as_bool() == Some(true) {
        return Body::Technical("hidden from the conversation");
    }
    match role {
        "user" => Body::Human(prompt(content)),
        "tool" => Body::Agent(tool(value, content, kind)),
        _ => Body::Agent(assistant(value, content, kind)),
    }
}

/// Texts of a prompt; what is no text, an image say, stays in it as JSON.
fn prompt(content: &Value) -> String {
    let Some(parts) = content["parts"].as_array() else {
        return own_text(content).unwrap_or_else(|| content.to_string());
    };
    let texts: Vec<String> = parts
        .iter()
        .filter_map(|part| match part {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        })
        .collect();
    texts.join("\n")
}

fn own_text(content: &Value) -> Option<String> {
    let text = ["text", "result"]
        .iter()
        .find_map(|key| content[key].as_str());
    text.map(str::to_owned)
}

/// A step that turngraph's own export wrote.
fn exported(value: &Value) -> Option<Part> {
    let own = value["metadata"].get(STEP_KEY)?;
    let tpe = StepType::from_name(own["type"].as_str()?)?;
    Some(Part::Step(tpe, own["content"].as_object()?.clone()))
}

fn assistant(value: &Value, content: &Value, kind: &str) -> Vec<Part> {
    if let Some(part) = exported(value) {
        return vec![part];
    }
    let recipient = value["recipient"].as_str().unwrap_or("all");
    if recipient != "all" {
        let text = own_text(content).unwrap_or_else(|| prompt(content));
        let arguments = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text));
        return vec![Part::Call(call(None, recipient, arguments))];
    }
    match kind {
        "text" | "multimodal_text" => visible(value, content),
        "code" | "execution_output" => {
            let source = own_text(content).unwrap_or_default();
            let language = content["language"]
                .as_str()
                .filter(|known| *known != "unknown");
            vec![Part::Step(
                StepType::Code,
                fields(json!({"language": language, "source": source})),
            )]
        }
        "thoughts" | "reasoning_recap" => thoughts(content),
        _ => vec![unknown(content, kind)],
    }
}

/// The parts of a visible answer; pictures become cards.
fn visible(value: &Value, content: &Value) -> Vec<Part> {
    let Some(parts) = content["parts"].as_array() else {
        return own_text(content)
            .iter()
            .filter(|t| !t.is_empty())
            .map(|t| text_step(t))
            .collect();
    };
    let mut citations = citations(&value["metadata"]);
    let mut steps = Vec::new();
    for part in parts {
        match part {
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => {
                let mut step = Map::new();
                step.insert("text".to_owned(), json!(text));
                // Places are counted in the first text.
                if let Some(citations) = citations.take() {
                    step.insert("citations".to_owned(), citations);
                }
                steps.push(Part::Step(StepType::Text, step));
            }
            other => steps.push(picture(other)),
        }
    }
    steps
}

fn citations(metadata: &Value) -> Option<Value> {
    let listed = metadata["citations"]
        .as_array()
        .filter(|listed| !listed.is_empty())?;
    let citations = listed.iter().map(|citation| {
        let about = &citation["metadata"];
        let number = |key: &str| citation[key].as_i64().and_then(|n| i32::try_from(n).ok());
        Value::Object(fields(json!({
            "label": text_of(about, "title"),
            "start": number("start_ix"),
            "end": number("end_ix"),
            "url": text_of(about, "url"),
        })))
    });
    Some(citations.collect())
}

fn picture(part: &Value) -> Part {
    let pointer = text_of(part, "asset_pointer");
    let image = pointer.map(|url| {
        let number = |key: &str| part[key].as_i64().and_then(|n| i32::try_from(n).ok());
        fields(json!({
            "url": url,
            "mimeType": "image/*",
            "sizeBytes": number("size_bytes"),
            "width": number("width"),
            "height": number("height"),
        }))
    });
    let title = text_of(&part["metadata"]["dalle"], "prompt");
    let mut card = fields(json!({"title": title, "image": image}));
    card.insert("source".to_owned(), part.clone());
    Part::Step(StepType::Card, card)
}

fn thoughts(content: &Value) -> Vec<Part> {
    let think = |text: String| Part::Step(StepType::Think, fields(json!({"text": text})));
    if let Some(recap) = content["content"].as_str() {
        return vec![think(recap.to_owned())];
    }
    let listed = content["thoughts"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let texts = listed.iter().map(|thought| {
        let lines = ["summary", "content"].map(|key| thought[key].as_str().unwrap_or_default());
        lines
            .iter()
            .filter(|line| !line.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    });
    texts.filter(|text| !text.is_empty()).map(think).collect()
}

/// A kind of content that is not known: kept whole, with its texts to read.
fn unknown(content: &Value, kind: &str) -> Part {
    let text = own_text(content).unwrap_or_else(|| prompt(content));
    let step = json!({"title": kind, "text": text, "source": content});
    Part::Step(StepType::Document, fields(step))
}

fn tool(value: &Value, content: &Value, kind: &str) -> Vec<Part> {
    if let Some(part) = exported(value) {
        return vec![part];
    }
    let name = value["author"]["name"].as_str().unwrap_or("tool");
    let metadata = &value["metadata"];
    // Models that reason tell what they think as a tool of a random name.
    if metadata
        .get("initial_text")
        .or(metadata.get("finished_text"))
        .is_some()
    {
        return vec![Part::Step(
            StepType::Think,
            fields(json!({"text": prompt(content)})),
        )];
    }
    let text = own_text(content).unwrap_or_else(|| prompt(content));
    let results = web_results(metadata, content);
    let alone = match kind {
        "tether_browsing_display" => {
            let documents: Vec<Value> = results.iter().map(document).collect();
            (
                StepType::Retrieval,
                json!({"index": name, "documents": documents}),
            )
        }
        "tether_quote" => (
            StepType::Document,
            json!({"title": content["title"].as_str(), "text": text}),
        ),
        "execution_output" => (StepType::Code, json!({"source": "", "stdout": text})),
        _ => (StepType::Card, json!({"title": name, "body": text})),
    };
    let mut parts = vec![Part::Result(ToolResult {
        call_id: None,
        name: Some(name.to_owned()),
        value: content.clone(),
        success: None,
        adds: vec![
            (StepType::WebSearch, "results", Value::Array(results)),
            (StepType::Code, "stdout", json!(text)),
        ],
        alone: (alone.0, fields(alone.1)),
    })];
    let pictures = content["parts"].as_array().map_or(&[][..], Vec::as_slice);
    parts.extend(pictures.iter().filter(|part| part.is_object()).map(picture));
    parts
}

/// What a search found, from the places that exports keep it in.
fn web_results(metadata: &Value, content: &Value) -> Vec<Value> {
    let listed = metadata["_cite_metadata"]["metadata_list"].as_array();
    let result = |about: &Value, snippet: Option<String>| {
        let url = text_of(about, "url")?;
        let title = text_of(about, "title");
        Some(Value::Object(fields(
            json!({"title": title, "url": url, "snippet": snippet}),
        )))
    };
    let found: Vec<Value> = listed
        .into_iter()
        .flatten()
        .filter_map(|about| result(about, text_of(about, "text")))
        .collect();
    if !found.is_empty() {
        return found;
    }
    result(content, text_of(content, "text"))
        .into_iter()
        .collect()
}

fn document(result: &Value) -> Value {
    let (title, url, snippet) = (&result["title"], &result["url"], &result["snippet"]);
    Value::Object(fields(
        json!({"title": title, "url": url, "snippet": snippet}),
    ))
}

/// What a tool gave back, where the format names the tool and the result.
pub(super) fn result(call_id: Option<String>, name: &str, value: Value) -> ToolResult {
    let text = match &value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ToolResult {
        call_id,
        name: Some(name.to_owned()),
        value,
        success: None,
        adds: vec![(StepType::Code, "stdout", json!(text))],
        alone: (StepType::Card, fields(json!({"title": name, "body": text}))),
    }
}
