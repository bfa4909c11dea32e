//! `turngraph smoke`: proves on a running installation that a write arrives everywhere. It writes a
//! conversation, reads it back from the record store, waits until the copies have it by way of the
//! change feed, removes it for good, and sees that nobody has it any more.
//!
//! It speaks to the server as any client does and knows no store, so it needs no settings.

mod client;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::client::{Client, Consistency};
use super::exit::UsageError;
use super::output;

const CREATE: &str = "mutation($title: String!, $prompt: String!) { createSession(input: \
    {title: $title, firstPrompt: $prompt}) { session { id uid createdAt } humanTurn { id } \
    userErrors { message } } }";
const ANSWER: &str = "mutation($session: ID!, $parent: ID!, $steps: [StepInput!]!) { \
    appendAgentTurn(sessionId: $session, input: {parentId: $parent, steps: $steps}) { \
    agentTurn { id createdAt } userErrors { message } } }";
const PURGE: &str = "mutation($session: ID!) { purgeSession(id: $session) { \
    erasure { id } userErrors { message } } }";
const READ: &str = "query($uid: Uid!) { session(uid: $uid) { title turnCount activePath(first: 9) \
    { nodes { role text: preview(maxChars: 80) } } } }";
const STORES: &str = "{ status { version lagMs stores { role store reachable message } } }";

const TITLE: &str = "turngraph smoke test";
const PROMPT: &str = "Does a write arrive everywhere?";
const REPLY: &str = "It does, when you read this.";

/// Sources of answers that are copies of the record store.
const COPIES: [&str; 3] = ["CQL", "REDIS", "MEMORY"];

/// Between two looks at the copies.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Options of `smoke`.
#[derive(Args)]
pub(super) struct SmokeArgs {
    /// The server, e.g. http://turngraph:4000.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4000")]
    url: String,
    /// How long the copies may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within: u64,
    /// File with a token that is sent as `Authorization: Bearer TOKEN`.
    #[arg(long, value_name = "FILE")]
    bearer_file: Option<PathBuf>,
}

/// One thing that was shown.
#[derive(Serialize)]
struct Shown {
    step: &'static str,
    found: String,
}

pub(super) async fn run(args: SmokeArgs, json: bool) -> anyhow::Result<u8> {
    let authorization = match &args.bearer_file {
        Some(file) => {
            let token = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the token in {}", file.display()))?;
            Some(format!("Bearer {}", token.trim()))
        }
        None => None,
    };
    let client = Client::new(&args.url, authorization).map_err(UsageError)?;
    let mut smoke = Smoke {
        client,
        within: Duration::from_secs(args.within),
        shown: Vec::new(),
        tell: !json,
    };
    let outcome = smoke.all().await;
    if json {
        output::json(&json!({
            "ok": outcome.is_ok(),
            "shown": smoke.shown,
            "problem": outcome.as_ref().err().map(super::said),
        }))?;
    }
    match outcome {
        Ok(()) => Ok(0),
        Err(_) if json => Ok(69),
        Err(error) => {
            output::line(format_args!("✖ {}", super::said(&error)))?;
            Ok(69)
        }
    }
}

struct Smoke {
    client: Client,
    within: Duration,
    shown: Vec<Shown>,
    tell: bool,
}

impl Smoke {
    async fn all(&mut self) -> anyhow::Result<()> {
        let copies = self.stores().await?;
        let written = self.write().await?;
        // Whatever fails below, the conversation does not stay.
        let arrived = self.arrives(&written, copies).await;
        let removed = self.remove(&written).await;
        arrived.and(removed)
    }

    fn show(&mut self, step: &'static str, found: String) -> anyhow::Result<()> {
        if self.tell {
            output::line(format_args!("✔ {step:<9} {found}"))?;
        }
        self.shown.push(Shown { step, found });
        Ok(())
    }

    /// All stores answer; returns whether there are projections, and whether there is any copy.
    async fn stores(&mut self) -> anyhow::Result<Copies> {
        let answer = self
            .client
            .ask(STORES, json!({}), Consistency::Strong)
            .await?;
        let status = &answer["data"]["status"];
        let stores = status["stores"].as_array().cloned().unwrap_or_default();
        for store in &stores {
            if store["reachable"] != true {
                bail!(
                    "the {} store {}: {}",
                    store["role"],
                    store["store"],
                    store["message"]
                );
            }
        }
        let has = |role: &str| stores.iter().any(|store| store["role"] == role);
        let copies = Copies {
            projection: has("projection"),
            any: has("projection") || has("cache"),
        };
        let names: Vec<_> = stores.iter().filter_map(|s| s["store"].as_str()).collect();
        let version = status["version"].as_str().unwrap_or("?");
        self.show(
            "stores",
            format!("turngraph {version} over {}", names.join(", ")),
        )?;
        Ok(copies)
    }

    async fn write(&mut self) -> anyhow::Result<Written> {
        let variables = json!({ "title": TITLE, "prompt": PROMPT });
        let created = self.mutate("createSession", CREATE, variables).await?;
        let session = &created["session"];
        let mut written = Written {
            id: text(session, "id")?,
            uid: text(session, "uid")?,
            at: time(session)?,
        };
        let steps = json!([{ "type": "TEXT", "content": { "text": REPLY } }]);
        let parent = text(&created["humanTurn"], "id")?;
        let variables = json!({ "session": written.id, "parent": parent, "steps": steps });
        let answered = self.mutate("appendAgentTurn", ANSWER, variables).await?;
        written.at = time(&answered["agentTurn"])?;
        self.show(
            "write",
            format!("session {} with a prompt and an answer", written.uid),
        )?;
        Ok(written)
    }

    async fn arrives(&mut self, written: &Written, copies: Copies) -> anyhow::Result<()> {
        let (answer, source) = self.read(written, Consistency::Strong).await?;
        whole(&answer).context("STRONG")?;
        self.show("STRONG", format!("both turns, read from {source}"))?;
        if !copies.any {
            return self.show(
                "EVENTUAL",
                "no copies are configured, so the same".to_owned(),
            );
        }
        let until = Instant::now() + self.within;
        loop {
            let (answer, source) = self.read(written, Consistency::Eventual).await?;
            // The age of a copy moves with the change feed alone, never with a write to the copy,
            // so an answer that is younger than the write shows that the feed has passed it.
            let passed = oldest(&answer).is_some_and(|at| at >= written.at);
            let copied = COPIES.iter().any(|name| *name == source);
            if copied && (passed || !copies.projection) && whole(&answer).is_ok() {
                let by = if copies.projection {
                    "; the change feed has passed the write"
                } else {
                    ""
                };
                return self.show("EVENTUAL", format!("both turns, read from {source}{by}"));
            }
            if Instant::now() >= until {
                bail!(
                    "the write did not reach the copies within {} s: the last answer came from \
                     {source}, as of {}. Does `turngraph project` run, and has `turngraph rebuild` \
                     filled the projections once?",
                    self.within.as_secs(),
                    oldest(&answer).map_or("an unknown time".to_owned(), |at| at.to_rfc3339()),
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn remove(&mut self, written: &Written) -> anyhow::Result<()> {
        self.mutate("purgeSession", PURGE, json!({ "session": written.id }))
            .await?;
        let until = Instant::now() + self.within;
        for consistency in [Consistency::Strong, Consistency::Eventual] {
            while !self.read(written, consistency).await?.0["data"]["session"].is_null() {
                if Instant::now() >= until {
                    bail!("a {consistency:?} read still has the session that was removed");
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        self.show("delete", "nobody has it any more".to_owned())
    }

    /// A mutation's payload; what the server found wrong is an error.
    async fn mutate(&self, name: &str, text: &str, variables: Value) -> anyhow::Result<Value> {
        let mut answer = self
            .client
            .ask(text, variables, Consistency::Strong)
            .await?;
        let payload = answer["data"][name].take();
        if let Some(error) = payload["userErrors"].get(0) {
            bail!("{name}: {}", error["message"]);
        }
        Ok(payload)
    }

    /// The conversation, and where it came from.
    async fn read(&self, of: &Written, how: Consistency) -> anyhow::Result<(Value, String)> {
        let answer = self.client.ask(READ, json!({ "uid": of.uid }), how).await?;
        let names: Vec<_> = reads(&answer)
            .filter_map(|r| r["source"].as_str())
            .collect();
        let source = names.join(" and ");
        Ok((answer, source))
    }
}

#[derive(Clone, Copy)]
struct Copies {
    projection: bool,
    any: bool,
}

/// The conversation that is followed.
struct Written {
    id: String,
    uid: String,
    at: DateTime<Utc>,
}

/// Whether an answer has everything that was written.
fn whole(answer: &Value) -> anyhow::Result<()> {
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

/// What the answer says of the stores that it came from.
fn reads(answer: &Value) -> impl Iterator<Item = &Value> {
    let reads = answer["extensions"]["turngraph"]["reads"].as_array();
    reads.into_iter().flatten()
}

/// The time until which everything is in the answer, where every part of it has one.
fn oldest(answer: &Value) -> Option<DateTime<Utc>> {
    let times = reads(answer).map(|read| read["asOf"].as_str()?.parse().ok());
    times.collect::<Option<Vec<_>>>()?.into_iter().min()
}

fn text(of: &Value, field: &str) -> anyhow::Result<String> {
    let text = of[field].as_str();
    Ok(text
        .with_context(|| format!("the answer has no `{field}`"))?
        .to_owned())
}

fn time(of: &Value) -> anyhow::Result<DateTime<Utc>> {
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
