//! Parts of an answer become steps: a call and its result are one step, everything else its own.

use serde_json::{Map, Value, json};

use crate::domain::{StepType, Timestamp, step::check_json};
use crate::transfer::conversation::{Call, Part, ToolResult};

/// A step before it has a place: type, content as JSON text, and when it was begun.
pub(in crate::transfer) type StepText = (StepType, Box<str>, Option<Timestamp>);

struct Building {
    at: Option<Timestamp>,
    tpe: StepType,
    content: Map<String, Value>,
    tool: Option<Tool>,
}

struct Tool {
    call_id: Option<String>,
    name: String,
    arguments: Value,
    results: Vec<Value>,
    success: Option<bool>,
}

/// The steps of one agent turn.
pub(in crate::transfer) fn assemble<'a>(
    parts: impl Iterator<Item = (&'a Part, Option<Timestamp>)>,
) -> Vec<StepText> {
    let mut steps: Vec<Building> = Vec::new();
    for (part, at) in parts {
        match part {
            Part::Step(tpe, content) => steps.push(Building {
                at,
                tpe: *tpe,
                content: content.clone(),
                tool: None,
            }),
            Part::Call(call) => steps.push(begun(call, at)),
            Part::Result(result) => match call_of(&steps, result) {
                Some(at) => join(&mut steps[at], result),
                None => steps.push(Building {
                    at,
                    tpe: result.alone.0,
                    content: result.alone.1.clone(),
                    tool: result.name.as_ref().map(|name| Tool {
                        call_id: result.call_id.clone(),
                        name: name.clone(),
                        arguments: Value::Null,
                        results: vec![result.value.clone()],
                        success: result.success,
                    }),
                }),
            },
        }
    }
    steps.into_iter().map(text).collect()
}

fn begun(call: &Call, at: Option<Timestamp>) -> Building {
    Building {
        at,
        tpe: call.tpe,
        content: call.content.clone(),
        tool: Some(Tool {
            call_id: call.call_id.clone(),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
            results: Vec::new(),
            success: None,
        }),
    }
}

/// The step that a result belongs to: that of its call id; without ids the first call of the
/// tool that waits, else the last one, since a tool may answer a call in several messages.
fn call_of(steps: &[Building], result: &ToolResult) -> Option<usize> {
    let tools = || {
        let tools = steps.iter().enumerate();
        tools.filter_map(|(at, step)| Some((at, step.tool.as_ref()?)))
    };
    if let Some(id) = &result.call_id {
        let of_id = tools().find(|(_, tool)| tool.call_id.as_ref() == Some(id));
        return of_id.map(|(at, _)| at);
    }
    let named = || {
        tools().filter(|(_, tool)| {
            tool.call_id.is_none() && result.name.as_ref().is_none_or(|name| *name == tool.name)
        })
    };
    let waiting = named().find(|(_, tool)| tool.results.is_empty());
    waiting.or_else(|| named().next_back()).map(|(at, _)| at)
}

fn join(step: &mut Building, result: &ToolResult) {
    for (tpe, key, value) in &result.adds {
        if *tpe != step.tpe {
            continue;
        }
        match (step.content.get_mut(*key), value) {
            (Some(Value::Array(known)), Value::Array(more)) => known.extend(more.iter().cloned()),
            (Some(Value::String(known)), Value::String(more)) => known.push_str(more),
            _ => {
                step.content.insert((*key).to_owned(), value.clone());
            }
        }
    }
    let tool = step
        .tool
        .as_mut()
        .expect("only steps with a tool are joined");
    tool.results.push(result.value.clone());
    tool.success = match (tool.success, result.success) {
        (Some(false), _) => Some(false),
        (known, new) => new.or(known),
    };
}

fn text(step: Building) -> StepText {
    let Building {
        at,
        tpe,
        mut content,
        tool,
    } = step;
    if let Some(tool) = tool {
        content.insert("tool".to_owned(), tool_json(&tool, false));
        let text = written(&content);
        if check_json(&text).is_ok() {
            return (tpe, text, at);
        }
        // Nested too deep for a step: the tool's own JSON is kept as a string.
        content.insert("tool".to_owned(), tool_json(&tool, true));
    }
    (tpe, written(&content), at)
}

fn written(content: &Map<String, Value>) -> Box<str> {
    let text = serde_json::to_string(content).expect("a JSON object can be written");
    text.into_boxed_str()
}

fn tool_json(tool: &Tool, flat: bool) -> Value {
    let value = |value: &Value| match flat {
        true => Value::String(value.to_string()),
        false => value.clone(),
    };
    let mut fields = Map::new();
    if let Some(id) = &tool.call_id {
        fields.insert("callId".to_owned(), json!(id));
    }
    fields.insert("name".to_owned(), json!(tool.name));
    if !tool.arguments.is_null() {
        fields.insert("arguments".to_owned(), value(&tool.arguments));
    }
    match tool.results.as_slice() {
        [] => {}
        [one] => drop(fields.insert("result".to_owned(), value(one))),
        many => {
            let many = Value::Array(many.to_vec());
            fields.insert("result".to_owned(), value(&many));
        }
    }
    if let Some(success) = tool.success {
        fields.insert("success".to_owned(), json!(success));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::super::tools::call;
    use super::*;

    fn result(call_id: Option<&str>, name: Option<&str>, value: &str) -> Part {
        Part::Result(ToolResult {
            call_id: call_id.map(Into::into),
            name: name.map(Into::into),
            value: json!(value),
            success: None,
            adds: vec![(StepType::WebSearch, "results", json!([{"url": value}]))],
            alone: (StepType::Card, Map::new()),
        })
    }

    fn of(parts: &[Part]) -> Vec<Value> {
        let steps = assemble(parts.iter().map(|part| (part, None)));
        steps
            .iter()
            .map(|(_, text, _)| serde_json::from_str(text).unwrap())
            .collect()
    }

    #[test]
    fn a_call_and_its_results_are_one_step() {
        let parts = [
            Part::Call(call(None, "browser", json!("search(\"cats\", 3)"))),
            result(None, Some("browser"), "u1"),
            result(None, Some("browser"), "u2"),
        ];
        let steps = of(&parts);
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0]["query"], "cats");
        assert_eq!(steps[0]["results"], json!([{"url": "u1"}, {"url": "u2"}]));
        assert_eq!(steps[0]["tool"]["result"], json!(["u1", "u2"]));
    }

    #[test]
    fn parallel_calls_get_their_own_results() {
        let parts = [
            Part::Call(call(Some("a".into()), "get_x", json!({}))),
            Part::Call(call(Some("b".into()), "get_x", json!({}))),
            result(Some("b"), None, "of b"),
            result(Some("a"), None, "of a"),
        ];
        let steps = of(&parts);
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0]["tool"]["result"], "of a");
        assert_eq!(steps[1]["tool"]["result"], "of b");
    }

    #[test]
    fn a_result_without_its_call_is_a_step_of_its_own() {
        let steps = of(&[result(Some("x"), Some("t"), "r")]);
        assert_eq!(
            steps[0]["tool"],
            json!({"callId": "x", "name": "t", "result": "r"})
        );
    }

    #[test]
    fn a_result_that_is_nested_too_deep_is_kept_as_text() {
        let deep: Value = serde_json::from_str(&("[".repeat(127) + &"]".repeat(127))).unwrap();
        let mut part = result(None, Some("t"), "");
        if let Part::Result(result) = &mut part {
            result.value = deep;
        }
        let (_, text, _) = assemble([(&part, None)].into_iter()).remove(0);
        assert!(check_json(&text).is_ok());
    }
}
