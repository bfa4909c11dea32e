//! A gateway over a scratch store: short ways to fill the store and to ask.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use turngraph::commands::Commands;
use turngraph::domain::clock::ManualClock;
use turngraph::domain::{Clock, SessionRow, StepRow, Timestamp, Uid, UidSource};
use turngraph::graphql::{Freshness, Gateway, GraphqlRequest, GraphqlResponse};
use turngraph::reads::Reads;
use turngraph::stores::RecordStore;
use turngraph::stores::record::NewTurn;
use turngraph::stores::sqlite::SqliteRecordStore;

use super::watched::Watched;
use crate::support::rows;
use crate::support::sqlite::SqliteFixture;

/// The account that asks unless a test says otherwise.
pub(super) const ACCOUNT: &str = "account";

/// Keys `n0`, `n1` …
struct Numbered(AtomicU64);

impl UidSource for Numbered {
    fn next(&self) -> Uid {
        rows::uid(&format!("n{}", self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

/// A gateway and what is behind it.
pub(super) struct Api {
    pub(super) gateway: Gateway,
    pub(super) store: Arc<Watched>,
    pub(super) clock: Arc<ManualClock>,
    /// Keeps the scratch store while the gateway uses it.
    _kept: Box<dyn Any + Send + Sync>,
}

impl Api {
    /// On an empty store.
    pub(super) async fn new() -> Self {
        let fixture = SqliteFixture::new().await;
        let inner: Arc<dyn RecordStore> = Arc::<SqliteRecordStore>::clone(&fixture.store);
        let clock = Arc::clone(&fixture.clock);
        Self::on(inner, clock, Box::new(fixture))
    }

    /// On a store of any engine; `kept` lives as long as the gateway.
    pub(super) fn on(
        inner: Arc<dyn RecordStore>,
        manual: Arc<ManualClock>,
        kept: Box<dyn Any + Send + Sync>,
    ) -> Self {
        let store = Arc::new(Watched::new(inner));
        let record: Arc<dyn RecordStore> = Arc::<Watched>::clone(&store);
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&manual);
        let reads = Arc::new(Reads::new(Arc::clone(&record), Arc::clone(&clock)));
        let uids = Arc::new(Numbered(AtomicU64::new(0)));
        let commands = Commands::new(record, clock, uids);
        Self {
            gateway: Gateway::new(reads, commands),
            store,
            clock: manual,
            _kept: kept,
        }
    }

    /// With the conversation of [`Api::conversation`].
    pub(super) async fn with_conversation() -> Self {
        let api = Self::new().await;
        api.conversation(ACCOUNT, "s").await;
        api.store.calls();
        api
    }

    /// Session `s` titled `Talk`: question `s-q1`, answers `s-a1` and `s-a2` (active), below it
    /// `s-q2` with `s-a3`; a second root `s-q3`. The active root is `s-q1`.
    pub(super) async fn conversation(&self, account: &str, s: &str) {
        let key = |name: &str| format!("{s}-{name}");
        let mut session = rows::session(account, s);
        session.title = Some("Talk".into());
        session.active_root = Some(rows::uid(&key("q1")));
        session.next_seq = 6;
        let below = |name: &str| Some(key(name));
        let turns = vec![
            rows::human(&key("q1"), None, 0, "first question"),
            rows::agent(&key("a1"), below("q1").as_deref(), 1),
            rows::agent(&key("a2"), below("q1").as_deref(), 2),
            rows::human(&key("q2"), below("a2").as_deref(), 3, "second question"),
            rows::agent(&key("a3"), below("q2").as_deref(), 4),
            rows::human(&key("q3"), None, 5, "another beginning"),
        ];
        let text =
            |turn: &str, text: &str| rows::step(&key(turn), 0, &json!({"text": text}).to_string());
        let steps = [
            (text("a1", "first answer"), 1),
            (text("a2", "better answer"), 2),
            (text("a3", "last answer"), 4),
        ];
        self.insert(&session, &turns, &steps).await;
    }

    /// Inserts rows as they are; each step with the `seq` of its turn.
    pub(super) async fn insert(
        &self,
        session: &SessionRow,
        turns: &[NewTurn],
        steps: &[(StepRow, i32)],
    ) {
        let mut transaction = self.store.begin().await.unwrap();
        transaction
            .session_insert(session)
            .await
            .unwrap()
            .expect("the key is free");
        for turns in turns.chunks(1_000) {
            transaction.turns_insert(&session.uid, turns).await.unwrap();
        }
        for steps in steps.chunks(1_000) {
            let (rows, seqs): (Vec<StepRow>, Vec<i32>) = steps.iter().cloned().unzip();
            transaction
                .steps_insert(&session.uid, &rows, &seqs)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
    }

    /// One chain of `turns` turns, a text step on each answer.
    pub(super) async fn chain(&self, s: &str, turns: i32) {
        let mut session = rows::session(ACCOUNT, s);
        session.next_seq = turns;
        let key = |n: i32| format!("{s}-{n}");
        let mut all = Vec::new();
        let mut steps = Vec::new();
        for n in 0..turns {
            let parent = (n > 0).then(|| key(n - 1));
            if n % 2 == 0 {
                all.push(rows::human(
                    &key(n),
                    parent.as_deref(),
                    n,
                    &format!("question {n}"),
                ));
            } else {
                all.push(rows::agent(&key(n), parent.as_deref(), n));
                steps.push((rows::step(&key(n), 0, r#"{"text":"answer"}"#), n));
            }
        }
        self.insert(&session, &all, &steps).await;
    }

    /// The response to a request, as it is.
    pub(super) async fn execute(
        &self,
        account: &str,
        (query, operation): (&str, Option<&str>),
        variables: Value,
    ) -> GraphqlResponse {
        let request = GraphqlRequest {
            query: query.to_owned(),
            operation_name: operation.map(str::to_owned),
            variables,
            account: rows::uid(account),
            request_id: "request-1".to_owned(),
            mutations: true,
            freshness: Freshness::default(),
        };
        self.gateway.execute(request).await
    }

    /// The response's text, without its extensions.
    pub(super) async fn text(&self, query: &str) -> String {
        text(self.execute(ACCOUNT, (query, None), json!({})).await)
    }

    /// The response.
    pub(super) async fn ask(&self, query: &str) -> Value {
        self.ask_with(query, json!({})).await
    }

    /// The response to a request with variables.
    pub(super) async fn ask_with(&self, query: &str, variables: Value) -> Value {
        let response = self.execute(ACCOUNT, (query, None), variables).await;
        serde_json::from_slice(&response.body).unwrap()
    }

    /// The data of a response without errors.
    pub(super) async fn data(&self, query: &str) -> Value {
        self.data_with(query, json!({})).await
    }

    /// The data of a response without errors.
    pub(super) async fn data_with(&self, query: &str, variables: Value) -> Value {
        let mut response = self.ask_with(query, variables).await;
        assert_eq!(response.get("errors"), None, "{query}: {response:#}");
        response["data"].take()
    }

    /// Codes and messages of a request that is refused as a whole.
    pub(super) async fn refusal(&self, query: &str) -> String {
        self.refusal_with(query, json!({})).await
    }

    /// Codes and messages of a request that is refused as a whole, before anything is read.
    pub(super) async fn refusal_with(&self, query: &str, variables: Value) -> String {
        self.store.calls();
        let response = self.ask_with(query, variables).await;
        let shown: String = query.chars().take(300).collect();
        assert_eq!(response.get("data"), None, "{shown}: {response:.500}");
        assert_eq!(self.store.calls(), Vec::<&str>::new(), "{shown}");
        brief(&response)
    }

    /// Moves the clock.
    pub(super) fn later(&self, seconds: i64) -> Timestamp {
        self.clock.advance(seconds * 1_000_000);
        self.clock.now()
    }
}

/// The response's text, without its extensions, which every response has.
pub(super) fn text(response: GraphqlResponse) -> String {
    let text = String::from_utf8(response.body).unwrap();
    let end = text.rfind(r#","extensions":{"turngraph":"#);
    format!("{}}}", &text[..end.expect("there are extensions")])
}

/// `CODE at path: message`, one error a line.
pub(super) fn brief(response: &Value) -> String {
    let errors = response["errors"].as_array().expect("there are errors");
    assert!(!errors.is_empty());
    let line = |error: &Value| {
        assert_eq!(error["extensions"]["requestId"], "request-1", "{error}");
        assert!(error["extensions"]["retryable"].is_boolean(), "{error}");
        let path = error["path"].as_array().map_or_else(String::new, |path| {
            let parts = path
                .iter()
                .map(|p| p.as_str().map_or(p.to_string(), str::to_owned));
            format!(" at {}", parts.collect::<Vec<_>>().join("."))
        });
        let code = error["extensions"]["code"].as_str().unwrap();
        format!("{code}{path}: {}", error["message"].as_str().unwrap())
    };
    errors.iter().map(line).collect::<Vec<_>>().join("\n")
}
