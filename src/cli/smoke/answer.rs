//! Answers of the server, as `turngraph smoke` reads them: whether a conversation is whole, where it
//! came from and how old it may be. Knows no connection.

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub(super) const TITLE: &str = "turngraph smoke test";
pub(super) const PROMPT: &str = "Does a write arrive everywhere?";
pub(super) const REPLY: &str = "It does, when you read this.";

/// Whether an answer has everything that was written.
pub(super) fn whole(answer: &Value) -> anyhow::Result<()> {
    let session = &answer["data"]["session"];
    let nodes = &session["activePath"]["nodes"];
    let wanted = json!([
        { "role": "HUMAN", "text": PROMPT },
        { "role": "AGENT", "text": REPLY },
    ]);
    if session["title"] != TITLE || session["turnCount"] != 2 || nodes != &wanted {
        bail!("the conversation was not read as it was written");
    }
    Ok(())
}

/// The stores of a status.
pub(super) fn listed(status: &Value) -> impl Iterator<Item = &Value> {
    status["stores"].as_array().into_iter().flatten()
}

/// What the answer says of the stores that it came from.
pub(super) fn reads(answer: &Value) -> impl Iterator<Item = &Value> {
    let reads = answer["extensions"]["turngraph"]["reads"].as_array();
    reads.into_iter().flatten()
}

/// The time until which everything is in the answer, where every part of it has one.
pub(super) fn oldest(answer: &Value) -> Option<DateTime<Utc>> {
    let times = reads(answer).map(|read| read["asOf"].as_str()?.parse().ok());
    times.collect::<Option<Vec<_>>>()?.into_iter().min()
}

pub(super) fn text(of: &Value, field: &str) -> anyhow::Result<String> {
    let text = of[field].as_str();
    Ok(text
        .with_context(|| format!("the answer has no `{field}`"))?
        .to_owned())
}

pub(super) fn time(of: &Value) -> anyhow::Result<DateTime<Utc>> {
    let text = text(of, "createdAt")?;
    text.parse().context("`createdAt` is no time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_conversation_will_do() {
        let mut answer = json!({ "data": { "session": { "title": TITLE, "turnCount": 2,
            "activePath": { "nodes": [
                { "role": "HUMAN", "text": PROMPT }, { "role": "AGENT", "text": REPLY } ] } } } });
        whole(&answer).unwrap();
        answer["data"]["session"]["activePath"]["nodes"][1]["text"] = json!("");
        assert!(whole(&answer).is_err());
        assert!(whole(&json!({ "data": { "session": null } })).is_err());
    }

    #[test]
    fn an_answer_is_as_old_as_its_oldest_part() {
        let of = |times: [Value; 2]| {
            let reads = times.map(|at| json!({ "source": "CQL", "asOf": at }));
            oldest(&json!({ "extensions": { "turngraph": { "reads": reads } } }))
        };
        let (early, late) = (
            json!("2026-01-31T09:15:00.123Z"),
            json!("2026-01-31T09:15:01Z"),
        );
        let found = of([late.clone(), early]).unwrap();
        assert_eq!(found.timestamp_millis() % 1_000, 123);
        assert_eq!(of([late, Value::Null]), None);
    }
}
