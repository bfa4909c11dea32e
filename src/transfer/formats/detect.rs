//! Tells a format by what a file holds, never by its name.

use serde_json::Value;

use super::{Format, shallow};

/// The format of a file with this element, if the element tells it.
pub(in crate::transfer) fn detect(text: &str) -> Option<Format> {
    let keys = shallow::keys(text)?;
    let has = |key: &str| keys.contains(key);
    if has("turngraph") {
        Some(Format::Ndjson)
    } else if has("message_tree_id") || (has("user_message_id") && has("role")) {
        Some(Format::Oasst)
    } else if has("mapping") {
        Some(Format::Chatgpt)
    } else if has("conversationId") && has("messages") {
        Some(Format::Librechat)
    } else if has("history") && has("version") {
        Some(Format::Chatbotui)
    } else if has("chat") && is_openwebui(text) {
        Some(Format::Openwebui)
    } else if has("prompt") && text.contains("\"replies\"") {
        Some(Format::Oasst)
    } else {
        None
    }
}

fn is_openwebui(text: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return false;
    };
    let chat = &value["chat"];
    chat["history"].is_object() || chat["messages"].is_array()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_told_by_its_keys() {
        for (text, format) in [
            (r#"{"turngraph":1,"uid":"a"}"#, Some(Format::Ndjson)),
            (
                r#"{"message_tree_id":"a","prompt":{}}"#,
                Some(Format::Oasst),
            ),
            (
                r#"{"user_message_id":"a","role":"prompter"}"#,
                Some(Format::Oasst),
            ),
            (r#"{"title":"x","mapping":{}}"#, Some(Format::Chatgpt)),
            (
                r#"{"conversationId":"x","messages":[]}"#,
                Some(Format::Librechat),
            ),
            (r#"{"version":4,"history":[]}"#, Some(Format::Chatbotui)),
            (
                r#"{"id":"a","chat":{"history":{}}}"#,
                Some(Format::Openwebui),
            ),
            (r#"{"id":"a","chat":1}"#, None),
            (r#"{"id":"a"}"#, None),
            ("[1]", None),
            ("{", None),
        ] {
            assert_eq!(detect(text), format, "{text}");
        }
    }
}
