//! Reads through the gateway, without HTTP, from each store: a conversation, the tail that a chat
//! screen shows, the history, and stepping through branches.
//!
//! - `loads --record URL --prepare 10,100,1000` writes conversations of so many turns and a history.
//! - `loads --record URL [--cql URL] [--redis URL] --source NAME --turns N --loads N` reads them from
//!   one store (POSTGRES or SQLITE: consistency STRONG; CQL, REDIS or MEMORY: EVENTUAL). Prints
//!   p50/p99/max, CPU of this process a request, requests to each store a request (counted by the
//!   stores themselves), bytes of the answer, and how many answers came from elsewhere.
//!   `--source SQL` is a program without turngraph.
//!
//! `benches/loads.sh` starts the servers, fills the projections and calls it.

mod counters;
mod data;
#[path = "../measure/mod.rs"]
mod measure;
mod plain;
#[path = "../measure/times.rs"]
mod times;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use turngraph::app::copies::{Copies, run_worker};
use turngraph::app::{App, environment};
use turngraph::config::{Config, Flags, load};
use turngraph::domain::{Consistency, Uid};
use turngraph::graphql::{Freshness, Gateway, GraphqlRequest};
use turngraph::lifecycle::Lifecycle;

use self::counters::Counters;
use self::measure::{argument, cpu_ticks, number};
use self::times::Times;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCOUNT: &str = "bench";

/// What is read, and the documents.
const OPERATIONS: [(&str, &str); 4] = [
    (
        "conversation",
        "query($uid: Uid!) { session(uid: $uid) { uid title createdAt \
         turns(first: 1000) { nodes { __typename uid parent { uid } activeChild { uid } createdAt \
         ... on HumanTurn { prompt } \
         ... on AgentTurn { liked steps { nodes { idx type content createdAt } } } } } } }",
    ),
    (
        "screen",
        "query($uid: Uid!) { session(uid: $uid) { uid title \
         activePath(last: 20) { nodes { __typename uid siblingIndex siblingCount \
         ... on HumanTurn { prompt } \
         ... on AgentTurn { liked steps { nodes { idx type content } } } } } } }",
    ),
    (
        "branches",
        "query($uid: Uid!, $turn: ID!) { session(uid: $uid) { uid \
         path(through: $turn, first: 1000) { nodes { uid siblingIndex siblingCount \
         siblings(first: 10) { nodes { uid createdAt } } } } } }",
    ),
    (
        "history",
        "{ sessions(first: 20, orderBy: CREATED_DESC) { \
         nodes { uid title createdAt lastActivityAt } } }",
    ),
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(record) = argument("--record") else {
        // `cargo bench` and `cargo test --benches` start it without arguments.
        println!("usage: see the head of benches/loads/main.rs");
        return Ok(());
    };
    let mut flags = Flags::default();
    flags.values.insert("record", record.clone());
    for name in ["cql", "redis"] {
        if let Some(url) = argument(&format!("--{name}")) {
            flags.values.insert(name, url);
        }
    }
    let (config, _) = load(&flags, &environment())?;
    let app = App::open(&config, true).await?;
    if let Some(turns) = argument("--prepare") {
        for turns in turns.split(',') {
            data::conversation(&app, turns.parse()?).await?;
        }
        data::history(&app).await?;
        app.record.close().await;
        return Ok(());
    }
    let source = argument("--source").context("--source is missing")?;
    let turns = number("--turns").unwrap_or(10);
    let loads = number("--loads").unwrap_or(1_000);
    if source == "SQL" {
        return plain::measure(&record, turns, loads).await;
    }
    let lifecycle = Lifecycle::default();
    let gateway = gateway(&app, &config, &source, &lifecycle).await?;
    let mut counters = Counters::connect(&config).await?;
    for (name, document) in OPERATIONS {
        // A cache has conversations, not lists of them.
        if name == "history" && matches!(source.as_str(), "REDIS" | "MEMORY") {
            continue;
        }
        let read = Read {
            gateway: &gateway,
            document,
            turns,
            source: &source,
        };
        read.measure(name, loads, &mut counters).await?;
    }
    lifecycle.stop(Duration::from_secs(5)).await;
    app.record.close().await;
    Ok(())
}

async fn gateway(
    app: &App,
    config: &Config,
    source: &str,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Gateway> {
    if matches!(source, "POSTGRES" | "SQLITE") {
        return Ok(app.gateway());
    }
    let copies = Copies::open(config, app).await?;
    // As the embedded server does.
    if copies.private() {
        let worker = copies.worker(app, config, Arc::new(app.feeds(config).await?));
        tokio::spawn(run_worker(worker, lifecycle.stopping()));
    }
    app.gateway_over(&copies, config, lifecycle).await
}

struct Read<'a> {
    gateway: &'a Gateway,
    document: &'static str,
    turns: usize,
    source: &'a str,
}

impl Read<'_> {
    async fn measure(
        &self,
        name: &str,
        loads: usize,
        counters: &mut Counters,
    ) -> anyhow::Result<()> {
        self.warm_up().await?;
        let (mut times, mut bytes, mut elsewhere) = (Times::default(), 0, 0);
        let before = counters.read().await?;
        let cpu = cpu_ticks()?;
        for _ in 0..loads {
            let begun = Instant::now();
            let body = self.once().await;
            times.note(begun.elapsed());
            // On a busy machine the router gives up on a slow store, as it should.
            elsewhere += usize::from(!self.is_from_source(&body)?);
            bytes = body.len();
        }
        // The kernel counts in hundredths of a second on every platform that we build for.
        let cpu = (cpu_ticks()? - cpu) as f64 * 10_000.0 / loads as f64;
        let requests = counters.read().await?.since(&before, loads);
        println!(
            "source={} turns={} {name}: {times} cpu={cpu:.0} us requests: {requests} bytes={bytes} \
             elsewhere={elsewhere}",
            self.source, self.turns
        );
        Ok(())
    }

    /// Reads until the wanted store answers: a cache is filled by a read that missed it.
    async fn warm_up(&self) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let body = self.once().await;
            if self.is_from_source(&body)? {
                break;
            }
            let late = Instant::now() > until;
            anyhow::ensure!(!late, "{} does not answer", self.source);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for _ in 0..50 {
            self.once().await;
        }
        Ok(())
    }

    async fn once(&self) -> Vec<u8> {
        let strong = matches!(self.source, "POSTGRES" | "SQLITE");
        let freshness = Freshness {
            consistency: strong.then_some(Consistency::Strong),
            ..Freshness::default()
        };
        let uid = data::session_uid(self.turns);
        let turn = format!("HumanTurn:{}", data::middle_turn(self.turns));
        let response = self
            .gateway
            .execute(GraphqlRequest {
                query: self.document.into(),
                operation_name: None,
                variables: serde_json::json!({ "uid": uid, "turn": turn }),
                account: Uid::parse(ACCOUNT).expect("a constant that is a key"),
                request_id: "bench".into(),
                freshness,
                mutations: false,
            })
            .await;
        response.body
    }

    /// Whether the answer came from the wanted store alone; an error where there is none.
    fn is_from_source(&self, body: &[u8]) -> anyhow::Result<bool> {
        let text = std::str::from_utf8(body)?;
        let tail = text.rfind("\"extensions\"").unwrap_or(0);
        let (data, about) = text.split_at(tail);
        anyhow::ensure!(
            !data.contains("\"errors\"") && data.contains("\"uid\":\"bench-"),
            "no answer: {about}"
        );
        let reads = about.matches("\"source\":\"").count();
        let wanted = format!("\"source\":\"{}\"", self.source);
        Ok(reads > 0 && reads == about.matches(&wanted).count())
    }
}
