//! `turngraph smoke`: proves on a running installation that a write arrives everywhere. It writes a
//! conversation, reads it back from the record store, waits until the copies have it by way of the
//! change feed, removes it for good, and sees that nobody has it any more.
//!
//! It speaks to the server as any client does and knows no store, so it needs no settings.

mod answer;
mod client;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::answer::{PROMPT, REPLY, TITLE, listed, oldest, reads, text, time, whole};
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

    /// All stores answer, perhaps after a while: projections that were just made are read only when
    /// they are filled. Returns which copies there are.
    async fn stores(&mut self) -> anyhow::Result<Copies> {
        let until = Instant::now() + self.within;
        let status = loop {
            let answer = self
                .client
                .ask(STORES, json!({}), Consistency::Strong)
                .await?;
            let status = answer["data"]["status"].clone();
            let away = listed(&status).find(|store| store["reachable"] != true);
            let Some(store) = away else { break status };
            if Instant::now() >= until {
                let text = |field: &str| store[field].as_str().unwrap_or("?");
                bail!(
                    "the {} store ({}) {}",
                    text("role"),
                    text("store"),
                    text("message")
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let has = |role: &str| listed(&status).any(|store| store["role"] == role);
        let copies = Copies {
            projection: has("projection"),
            any: has("projection") || has("cache"),
        };
        let names: Vec<_> = listed(&status)
            .filter_map(|store| store["store"].as_str())
            .collect();
        let version = status["version"].as_str().unwrap_or("?");
        let found = format!("turngraph {version} over {}", names.join(", "));
        self.show("stores", found)?;
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
