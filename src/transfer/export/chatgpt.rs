//! A session as a conversation of ChatGPT's export: living turns, branches and the active path.
//!
//! An agent turn is a chain of nodes, one a step. Steps that are no plain text carry their type
//! and content in the node's metadata, so that turngraph reads them back as they were, and their
//! words as text for every other reader.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::Whole;
use crate::domain::graph::Ix;
use crate::domain::step::StepContent;
use crate::domain::{SessionGraph, StepRow, StepType, Timestamp, TurnRole, TurnStatus, Uid};
use crate::transfer::formats::STEP_KEY;

/// Id of the technical root.
const ROOT: &str = "root";

pub(super) fn write(whole: Whole, out: &mut (dyn Write + Send)) -> io::Result<()> {
    serde_json::to_writer(out, &conversation(whole)).map_err(Into::into)
}

fn conversation(whole: Whole) -> Value {
    let Whole {
        session,
        turns,
        prompts,
        steps,
        ..
    } = whole;
    let graph = SessionGraph::build(turns, session.active_root.clone());
    let mut writer = Writer {
        graph: &graph,
        prompts: prompts.into_iter().collect(),
        steps: HashMap::new(),
        mapping: Map::new(),
    };
    for step in steps {
        writer
            .steps
            .entry(step.turn_uid.clone())
            .or_default()
            .push(step);
    }
    let roots: Vec<Value> = graph.roots().map(|ix| json!(writer.first(ix))).collect();
    let root = json!({"id": ROOT, "message": null, "parent": null, "children": roots});
    writer.mapping.insert(ROOT.to_owned(), root);
    for ix in graph.living() {
        writer.turn(ix);
    }
    let current = graph
        .active_leaf()
        .map_or_else(|| ROOT.to_owned(), |ix| writer.last(ix));
    json!({
        "title": session.title,
        "create_time": seconds(session.created_at),
        "update_time": seconds(session.last_activity_at),
        "mapping": writer.mapping,
        "current_node": current,
        "conversation_id": session.uid,
        "id": session.uid,
    })
}

fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1e6
}

struct Writer<'a> {
    graph: &'a SessionGraph,
    prompts: HashMap<Uid, String>,
    steps: HashMap<Uid, Vec<StepRow>>,
    mapping: Map<String, Value>,
}

impl Writer<'_> {
    /// Id of the first node of a turn.
    fn first(&self, ix: Ix) -> String {
        self.graph.turn(ix).uid.as_str().to_owned()
    }

    /// Id of the last node of a turn.
    fn last(&self, ix: Ix) -> String {
        let turn = self.graph.turn(ix);
        match self.steps.get(&turn.uid).map_or(0, Vec::len) {
            0 | 1 => turn.uid.as_str().to_owned(),
            n => node_id(&turn.uid, n - 1),
        }
    }

    fn turn(&mut self, ix: Ix) {
        let turn = self.graph.turn(ix);
        let above = self
            .graph
            .parent(ix)
            .map_or_else(|| ROOT.to_owned(), |ix| self.last(ix));
        let below: Vec<Value> = self
            .graph
            .children(ix)
            .map(|child| json!(self.first(child)))
            .collect();
        let messages = match turn.role {
            TurnRole::Human => {
                let prompt = self.prompts.get(&turn.uid).map_or("", String::as_str);
                let content = json!({"content_type": "text", "parts": [prompt]});
                vec![message(("user", None), content, Map::new())]
            }
            TurnRole::Agent => self.answer(ix),
        };
        let count = messages.len();
        for (nth, mut message) in messages.into_iter().enumerate() {
            let id = node_id(&turn.uid, nth);
            let parent = match nth {
                0 => above.clone(),
                nth => node_id(&turn.uid, nth - 1),
            };
            let children = match nth + 1 == count {
                true => below.clone(),
                false => vec![json!(node_id(&turn.uid, nth + 1))],
            };
            message["id"] = json!(id);
            message["create_time"] = json!(seconds(turn.created_at));
            let node = json!({
                "id": id, "message": message, "parent": parent, "children": children,
            });
            self.mapping.insert(id, node);
        }
    }

    fn answer(&self, ix: Ix) -> Vec<Value> {
        let turn = self.graph.turn(ix);
        let mut about = Map::new();
        if let Some(model) = &turn.model {
            about.insert("model_slug".to_owned(), json!(model));
        }
        if turn.status == Some(TurnStatus::Cancelled) {
            about.insert("finish_details".to_owned(), json!({"type": "interrupted"}));
        }
        let steps = self.steps.get(&turn.uid).map_or(&[][..], Vec::as_slice);
        if steps.is_empty() {
            let content = json!({"content_type": "text", "parts": [""]});
            return vec![message(("assistant", None), content, about)];
        }
        steps
            .iter()
            .map(|step| step_message(step, about.clone()))
            .collect()
    }
}

/// The first node of a turn has the turn's key.
fn node_id(turn: &Uid, nth: usize) -> String {
    match nth {
        0 => turn.as_str().to_owned(),
        nth => format!("{turn}/{nth}"),
    }
}

fn step_message(step: &StepRow, mut about: Map<String, Value>) -> Value {
    let tpe = StepType::from_number(step.tpe);
    let read = StepContent::parse(step.tpe, &step.content);
    // Content that is no JSON at all has no words of its own but itself.
    let words = match &read {
        StepContent::Malformed(_) => step.content.to_string(),
        read => read.plain_text().into_owned(),
    };
    let content = serde_json::from_str::<Value>(&step.content)
        .ok()
        .filter(Value::is_object);
    let is_plain = content
        .as_ref()
        .and_then(Value::as_object)
        .is_some_and(|fields| {
            fields.keys().all(|key| key == "text")
                && fields.get("text").is_some_and(Value::is_string)
        });
    if let (false, Some(tpe), Some(content)) =
        (is_plain && tpe == Some(StepType::Text), tpe, content)
    {
        about.insert(
            STEP_KEY.to_owned(),
            json!({"type": tpe.name(), "content": content}),
        );
    }
    let (role, name) = match tpe {
        Some(StepType::Text) | None => ("assistant", None),
        Some(tpe) => ("tool", Some(tpe.name().to_ascii_lowercase())),
    };
    let content = json!({"content_type": "text", "parts": [words]});
    message((role, name), content, about)
}

fn message(
    (role, name): (&str, Option<String>),
    content: Value,
    metadata: Map<String, Value>,
) -> Value {
    json!({
        "id": null,
        "author": {"role": role, "name": name, "metadata": {}},
        "create_time": null,
        "content": content,
        "status": "finished_successfully",
        "weight": 1.0,
        "metadata": metadata,
        "recipient": "all",
    })
}
