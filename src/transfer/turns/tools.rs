//! What a tool does, by its name: the type of the step that a call of it becomes.

use serde_json::{Value, json};

use crate::domain::StepType;
use crate::transfer::conversation::Call;

/// The type that fits what a tool of this name does, and the content of a call of it.
pub(in crate::transfer) fn call(call_id: Option<String>, name: &str, arguments: Value) -> Call {
    let lower = name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let text = match &arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let query = query_of(&arguments, &text);
    let (tpe, content) = if has(&["browser", "web", "bing", "google"]) {
        (StepType::WebSearch, json!({"query": query}))
    } else if has(&[
        "python",
        "code",
        "exec",
        "shell",
        "bash",
        "calculat",
        "interpreter",
    ]) {
        let language = lower.contains("python").then_some("python");
        let source = match &arguments {
            Value::Object(fields) => fields.get("code").and_then(Value::as_str).unwrap_or(&text),
            _ => &text,
        };
        (
            StepType::Code,
            json!({"language": language, "source": source}),
        )
    } else if has(&[
        "search", "retriev", "find", "get_", "list_", "lookup", "query", "fetch",
    ]) {
        (StepType::Retrieval, json!({"query": query, "index": name}))
    } else {
        (StepType::Card, json!({"title": name}))
    };
    let Value::Object(content) = content else {
        unreachable!("the literals above are objects")
    };
    Call {
        call_id,
        name: name.to_owned(),
        arguments,
        tpe,
        content,
    }
}

/// What is looked for: `search("…")`, `{"query": "…"}`, or the arguments as they are.
fn query_of(arguments: &Value, text: &str) -> String {
    let named = arguments
        .get("query")
        .or_else(|| arguments.get("q"))
        .and_then(Value::as_str);
    if let Some(query) = named {
        return query.to_owned();
    }
    let quoted = text.strip_prefix("search(").and_then(|rest| {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        values.next()?.ok()
    });
    quoted.unwrap_or_else(|| text.to_owned())
}
