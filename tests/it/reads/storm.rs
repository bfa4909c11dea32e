//! Writers and readers at once on one server with its cache: nobody is shown less than what was
//! acknowledged before it asked, and nothing old stays behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::{Value, json};
use turngraph::commands::Commands;
use turngraph::domain::UuidV7Source;
use turngraph::domain::clock::ManualClock;
use turngraph::graphql::{Freshness, Gateway, GraphqlRequest};
use turngraph::projection::{DualWrite, DualWriteOptions, Targets};
use turngraph::reads::{Reads, Source};
use turngraph::stores::cache::random::Random;
use turngraph::stores::memory::{MemoryCache, MemoryOptions};
use turngraph::stores::{RecordStore, SessionCache};

use super::lab::ACCOUNT;
use crate::support::rows::uid;
use crate::support::sqlite::SqliteFixture;

const SESSIONS: usize = 3;
const WRITES: u32 = 40;

struct Server {
    gateway: Gateway,
    /// The last title of each session that was acknowledged.
    acknowledged: [AtomicU32; SESSIONS],
    over: AtomicBool,
    hits: AtomicU32,
    _kept: SqliteFixture,
}

impl Server {
    async fn new() -> Self {
        let kept = SqliteFixture::new().await;
        let record: Arc<dyn RecordStore> = Arc::<_>::clone(&kept.store) as _;
        let clock = || Arc::<ManualClock>::clone(&kept.clock);
        let options = MemoryOptions::default();
        let cache: Arc<dyn SessionCache> =
            Arc::new(MemoryCache::new(options, clock(), Random::seeded(1)));
        let targets = Targets::new(None, Some(Arc::clone(&cache)), Arc::default());
        let options = DualWriteOptions {
            budget: std::time::Duration::from_secs(60),
            ..DualWriteOptions::default()
        };
        let dual = Arc::new(DualWrite::new(targets, clock(), options));
        let commands = Commands::new(Arc::clone(&record), clock(), Arc::new(UuidV7Source));
        let commands = commands.telling(dual);
        let reads = Reads::new(record, clock()).with_cache(cache, Source::Memory);
        Self {
            gateway: Gateway::new(Arc::new(reads), commands),
            acknowledged: std::array::from_fn(|_| AtomicU32::new(0)),
            over: AtomicBool::new(false),
            hits: AtomicU32::new(0),
            _kept: kept,
        }
    }

    async fn ask(&self, query: String) -> Value {
        let request = GraphqlRequest {
            query,
            operation_name: None,
            variables: json!({}),
            account: uid(ACCOUNT),
            request_id: "request-1".to_owned(),
            mutations: true,
            freshness: Freshness::default(),
        };
        let answer: Value =
            serde_json::from_slice(&self.gateway.execute(request).await.body).unwrap();
        assert_eq!(answer.get("errors"), None, "{answer}");
        answer
    }

    /// The title of a session as an EVENTUAL read shows it.
    async fn title(&self, session: usize) -> u32 {
        let query = format!("{{session(uid:\"s{session}\"){{title turnCount}}}}");
        let answer = self.ask(query).await;
        if answer["extensions"]["turngraph"]["cache"] == "HIT" {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        let title = answer["data"]["session"]["title"].as_str().unwrap();
        title.parse().unwrap()
    }

    async fn write(&self, session: usize) {
        let create = format!(
            "mutation{{createSession(input:{{uid:\"s{session}\",title:\"0\",firstPrompt:\"?\"}}){{session{{id}}}}}}"
        );
        let created = self.ask(create).await;
        let id = created["data"]["createSession"]["session"]["id"].clone();
        for n in 1..=WRITES {
            let rename = format!(
                "mutation{{renameSession(id:{id},input:{{title:\"{n}\"}}){{userErrors{{message}}}}}}"
            );
            self.ask(rename).await;
            self.acknowledged[session].store(n, Ordering::SeqCst);
            assert_eq!(self.title(session).await, n, "who wrote it sees it");
        }
    }

    async fn read(&self) {
        let mut session = 0;
        while !self.over.load(Ordering::SeqCst) {
            session = (session + 1) % SESSIONS;
            let floor = self.acknowledged[session].load(Ordering::SeqCst);
            if floor > 0 {
                let seen = self.title(session).await;
                assert!(seen >= floor, "{seen} was shown after {floor}");
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_every_write_that_was_acknowledged_before_they_asked() {
    let server = Arc::new(Server::new().await);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.read().await })
        })
        .collect();
    let writers: Vec<_> = (0..SESSIONS)
        .map(|session| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.write(session).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    server.over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    for session in 0..SESSIONS {
        assert_eq!(server.title(session).await, WRITES);
    }
    let hits = server.hits.load(Ordering::Relaxed);
    assert!(hits > 0, "the cache took part");
}
