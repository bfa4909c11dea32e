//! How texts are compared in searches, the same on both engines.

use serde_json::Value;

/// Text without case, for every script that has one.
pub fn folded(text: &str) -> String {
    text.to_lowercase()
}

/// A text of a turn in the form that words are compared with. Many programs write JSON with
/// `\u00e4` for `ä`, so JSON with escapes is read and its texts are taken.
pub fn searchable(text: &str) -> String {
    if !text.contains('\\') {
        return folded(text);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) => {
            let mut texts = String::new();
            gather(&value, &mut texts);
            folded(&texts)
        }
        Err(_) => folded(text),
    }
}

/// Appends every text of a JSON value. Depth is bounded by the reader's own limit of 128.
fn gather(value: &Value, texts: &mut String) {
    match value {
        Value::String(text) => {
            texts.push_str(text);
            texts.push('\n');
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, texts)),
        Value::Object(entries) => entries.values().for_each(|value| gather(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_is_compared_by_its_texts_and_broken_json_as_it_stands() {
        assert_eq!(searchable(r#"{"text":"\u00c4\u00d6 \"x\""}"#), "äö \"x\"\n");
        assert_eq!(searchable("ДОМ"), "дом");
        assert_eq!(searchable(r"C:\Temp"), r"c:\temp");
    }
}
