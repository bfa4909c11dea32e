//! What every answer of the API says of itself, over HTTP and in the document.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use turngraph::commands::Commands;
use turngraph::domain::clock::ManualClock;
use turngraph::domain::{SystemClock, UuidV7Source};
use turngraph::graphql::{Freshness, Gateway, GraphqlRequest};
use turngraph::http::{AccountRule, Dependency, HttpState, Readiness, router};

use super::fakes::Mood;
use super::lab::{ACCOUNT, Lab, revision};
use crate::graphql::watched::Watched;
use crate::support::rows::uid;

struct Api {
    lab: Lab,
    gateway: Arc<Gateway>,
}

impl Api {
    fn of(lab: Lab) -> Self {
        let commands = Commands::new(
            Arc::<Watched>::clone(&lab.record),
            Arc::<ManualClock>::clone(&lab.clock),
            Arc::new(UuidV7Source),
        );
        let gateway = Arc::new(Gateway::new(Arc::clone(&lab.reads), commands));
        Self { lab, gateway }
    }

    async fn ask(&self, query: &str) -> Value {
        let request = GraphqlRequest {
            query: query.to_owned(),
            operation_name: None,
            variables: json!({}),
            account: uid(ACCOUNT),
            request_id: "request-1".to_owned(),
            mutations: true,
            freshness: Freshness::default(),
        };
        serde_json::from_slice(&self.gateway.execute(request).await.body).unwrap()
    }

    /// `extensions.turngraph` of an answer without errors.
    async fn about(&self, query: &str) -> Value {
        let answer = self.ask(query).await;
        assert_eq!(answer.get("errors"), None, "{query}: {answer}");
        answer["extensions"]["turngraph"].clone()
    }
}

const TITLE: &str = "{session(uid:\"s\"){title}}";
const TEXT: &str =
    "{session(uid:\"s\"){activePath{nodes{...on HumanTurn{prompt} ...on AgentTurn{text}}}}}";

#[tokio::test]
async fn an_answer_names_for_each_root_field_the_stores_that_it_came_from() {
    let api = Api::of(Lab::new().await);
    api.lab.write(ACCOUNT, "t").await;
    api.lab.clock.advance(2_000_000);
    let about = api
        .about("{a:session(uid:\"s\"){turnCount} b:session(uid:\"t\"){turnCount} viewer{uid}}")
        .await;
    let as_of = |second: &str| format!("2026-01-01T00:00:0{second}.000Z");
    assert_eq!(
        about,
        json!({
            "consistency": "EVENTUAL",
            "reads": [
                {"path": ["a"], "source": "CQL", "lagMs": 2_000, "asOf": as_of("0"), "stale": false},
                {"path": ["b"], "source": "SQLITE", "lagMs": 0, "asOf": as_of("2"), "stale": false},
            ],
            "cache": "MISS",
            "cost": {"estimated": 4, "actual": 4, "max": 200_000},
            "degraded": false, "reason": null, "requestId": "request-1",
        })
    );
    api.lab.cache.filled(&uid("s")).await;
    let hot = api.about("{session(uid:\"s\"){turnCount}}").await;
    assert_eq!(
        (&hot["cache"], &hot["reads"][0]["source"]),
        (&json!("HIT"), &json!("REDIS"))
    );
    let both = api.about(TEXT).await;
    let sources: Vec<_> = both["reads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["source"])
        .collect();
    assert_eq!(
        sources,
        ["REDIS", "CQL"],
        "the bodies were not in the cache"
    );
}

#[tokio::test]
async fn a_conversation_costs_two_reads_of_the_projections_and_then_one_of_the_cache() {
    let api = Api::of(Lab::new().await);
    api.lab.reads.lag_ms().await;
    api.lab.forget();
    api.about(TEXT).await;
    assert_eq!(
        api.lab.projection.calls(),
        ["graphs s", "bodies s [0, 1] Whole"]
    );
    assert_eq!(api.lab.record.calls(), Vec::<&str>::new());
    api.lab.cache.filled(&uid("s")).await;
    api.lab.forget();
    let about = api.about(TEXT).await;
    assert_eq!(about["reads"][0]["source"], "REDIS");
    assert_eq!(api.lab.cache.calls(), ["get s"]);
    assert_eq!(api.lab.projection.calls(), Vec::<String>::new());
    assert_eq!(api.lab.record.calls(), Vec::<&str>::new());
}

#[tokio::test]
async fn the_strictest_consistency_that_a_field_asks_for_is_that_of_the_operation() {
    let api = Api::of(Lab::new().await);
    for (query, consistency, source) in [
        (
            "{session(uid:\"s\",consistency:STRONG){title}}",
            "STRONG",
            "SQLITE",
        ),
        (
            "{a:session(uid:\"s\"){title} b:turn(uid:\"s-q\",consistency:STRONG){uid}}",
            "STRONG",
            "SQLITE",
        ),
        (
            "{a:session(uid:\"s\",consistency:ANALYTICS){title} b:session(uid:\"s\",consistency:EVENTUAL){uid}}",
            "EVENTUAL",
            "CQL",
        ),
        (
            "{session(uid:\"s\",consistency:ANALYTICS){title}}",
            "ANALYTICS",
            "SQLITE",
        ),
        (
            "{viewer{sessions(orderBy:CREATED_DESC,consistency:STRONG){nodes{uid}}}}",
            "STRONG",
            "SQLITE",
        ),
        (
            "{sessions(orderBy:CREATED_DESC){nodes{uid}}}",
            "EVENTUAL",
            "CQL",
        ),
    ] {
        let about = api.about(query).await;
        assert_eq!(about["consistency"], consistency, "{query}");
        assert_eq!(about["reads"][0]["source"], source, "{query}");
    }
}

#[tokio::test]
async fn a_read_shows_at_least_the_write_that_it_names() {
    let api = Api::of(Lab::new().await);
    let written = api
        .ask("mutation{renameSession(id:\"Session:s\",input:{title:\"New\"}){session{title} revision}}")
        .await;
    let about = &written["extensions"]["turngraph"];
    assert_eq!(about["consistency"], "STRONG");
    assert_eq!(about["reads"][0]["path"], json!(["renameSession"]));
    assert_eq!(about["reads"][0]["source"], "SQLITE");
    let stale = api.ask(TITLE).await;
    assert_eq!(
        stale["data"]["session"]["title"],
        Value::Null,
        "the copy is old: {stale}"
    );
    let token = written["data"]["renameSession"]["revision"]
        .as_str()
        .unwrap();
    let own = api
        .ask(&format!(
            "{{session(uid:\"s\",atLeast:\"{token}\"){{title}}}}"
        ))
        .await;
    assert_eq!(own["data"]["session"]["title"], "New");
    api.lab.project("s").await;
    let own = api
        .ask(&format!(
            "{{session(uid:\"s\",atLeast:\"{token}\"){{title readInfo{{source}}}}}}"
        ))
        .await;
    assert_eq!(
        own["data"]["session"],
        json!({"title": "New", "readInfo": {"source": "CQL"}})
    );
}

#[tokio::test]
async fn bad_revisions_and_too_many_are_refused() {
    let api = Api::of(Lab::new().await);
    let bad = api
        .ask("{session(uid:\"s\",atLeast:\"yesterday\"){title}}")
        .await;
    assert_eq!(bad["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(bad["extensions"]["turngraph"]["reads"], json!([]));
    let many: String = (0..20)
        .map(|n| {
            format!(
                "s{n}:session(uid:\"s\",atLeast:\"{}\"){{title}}",
                revision(n, &[])
            )
        })
        .collect();
    let refused = api.ask(&format!("{{{many}}}")).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(refused.get("data"), None);
}

#[tokio::test]
async fn an_outage_is_said_in_the_answer_and_in_the_document() {
    let api = Api::of(Lab::new().await);
    api.lab.projection.be(Mood::Down);
    let answer = api
        .ask("{session(uid:\"s\"){title readInfo{source consistency lagMs cacheHit degraded degradedReason revision}}}")
        .await;
    let about = &answer["extensions"]["turngraph"];
    assert_eq!(
        (&about["degraded"], &about["reason"]),
        (&json!(true), &json!("CQL cannot be read"))
    );
    let info = &answer["data"]["session"]["readInfo"];
    assert_eq!(info["degradedReason"], "CQL cannot be read");
    assert_eq!(
        (&info["source"], &info["lagMs"], &info["cacheHit"]),
        (&json!("SQLITE"), &json!(0), &json!(false))
    );
    assert!(info["revision"].as_str().unwrap().starts_with("r1."));
    assert!(!answer.to_string().contains("secret"));
}

#[tokio::test]
async fn every_list_and_the_status_tell_where_they_came_from() {
    let api = Api::of(Lab::new().await);
    let answer = api
        .ask(
            "{sessions(orderBy:CREATED_DESC){readInfo{source revision}}
              session(uid:\"s\"){turns{readInfo{source}} activePath{readInfo{source}}}
              searchTurns(text:\"question\"){readInfo{source} nodes{uid}}
              status{version schemaHash lagMs stores{role store reachable breaker lagMs message}}}",
        )
        .await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    let data = &answer["data"];
    let cql = json!({"readInfo": {"source": "CQL"}});
    assert_eq!(
        data["sessions"],
        json!({"readInfo": {"source": "CQL", "revision": null}})
    );
    assert_eq!(data["session"], json!({"turns": cql, "activePath": cql}));
    assert_eq!(data["searchTurns"]["readInfo"]["source"], "SQLITE");
    let status = &data["status"];
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["schemaHash"].as_str().unwrap().len(), 64);
    let stores: Vec<_> = status["stores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (&s["role"], &s["store"], &s["breaker"]))
        .collect();
    let closed = json!("CLOSED");
    assert_eq!(
        stores,
        [
            (&json!("record"), &json!("SQLITE"), &closed),
            (&json!("projection"), &json!("CQL"), &closed),
            (&json!("cache"), &json!("REDIS"), &closed),
        ]
    );
    let status = api.ask("{status{stores{p99Ms}}}").await;
    let stores = status["data"]["status"]["stores"].as_array().unwrap();
    let read = |store: &&Value| store["p99Ms"].as_f64().is_some_and(|ms| ms > 0.0);
    assert_eq!(stores.iter().filter(read).count(), 3, "{status}");
}

#[tokio::test]
async fn an_entry_past_its_age_is_told_by_all_that_tell_of_freshness() {
    let lab = Lab::with(|reads, _, cache| {
        let reads = reads.with_settings(super::lab::settings());
        reads.with_cache(cache, turngraph::reads::Source::Redis)
    })
    .await;
    lab.write(ACCOUNT, "s").await;
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&uid("s")).await;
    lab.clock.advance(3_600_000_001);
    let api = Api::of(lab);
    let answer = api
        .ask("{session(uid:\"s\"){turnCount readInfo{source stale cacheHit degraded lagMs}}}")
        .await;
    assert_eq!(
        answer["data"]["session"]["readInfo"],
        json!({"source": "REDIS", "stale": true, "cacheHit": true, "degraded": false, "lagMs": 3_600_000})
    );
    let about = &answer["extensions"]["turngraph"];
    assert_eq!(about["cache"], "STALE");
    assert_eq!(about["reads"][0]["stale"], true);
}

struct NoStores;

#[async_trait]
impl Readiness for NoStores {
    async fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one conversation by HTTP, step by step"
)]
async fn headers_ask_and_tell_and_are_refused_with_what_is_allowed() {
    let api = Api::of(Lab::new().await);
    let state = HttpState {
        gateway: Arc::clone(&api.gateway),
        readiness: Arc::new(NoStores),
        account: AccountRule::Fixed(uid(ACCOUNT)),
        request_ids: Arc::new(UuidV7Source),
        examples: "[]".into(),
        clock: Arc::new(SystemClock),
        options: Arc::default(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum_serve(listener, state).await });
    let client = reqwest::Client::new();
    let ask = |query: &str, headers: &[(&str, &str)]| {
        let mut request = client.post(&url).json(&json!({"query": query}));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        async move {
            let response = request.send().await.unwrap();
            let told = |name: &str| {
                let name = format!("x-turngraph-{name}");
                let value = response.headers().get(name);
                value.map_or("-".to_owned(), |value| value.to_str().unwrap().to_owned())
            };
            let told = [
                "consistency",
                "source",
                "lag-ms",
                "cache",
                "degraded",
                "reason",
                "revision",
            ]
            .map(told)
            .join(" ");
            let status = response.status().as_u16();
            (status, told, response.json::<Value>().await.unwrap())
        }
    };
    let (_, told, _) = ask(TITLE, &[]).await;
    assert_eq!(told, "EVENTUAL CQL 0 MISS false - -");
    let (_, told, _) = ask(TITLE, &[("X-Turngraph-Consistency", "strong")]).await;
    assert_eq!(told, "STRONG SQLITE 0 NONE false - -");
    let token = revision(5, &[("elsewhere", 1)]).to_string();
    let (_, told, _) = ask(TITLE, &[("X-Turngraph-At-Least", &token)]).await;
    assert!(told.starts_with("EVENTUAL SQLITE 0 "), "{told}");
    let (_, told, answer) = ask("mutation{createSession(input:{}){revision}}", &[]).await;
    let written = answer["data"]["createSession"]["revision"]
        .as_str()
        .unwrap();
    assert_eq!(told, format!("STRONG SQLITE 0 NONE false - {written}"));
    for (name, value, allowed) in [
        (
            "X-Turngraph-Consistency",
            "LINEAR",
            "STRONG, EVENTUAL or ANALYTICS",
        ),
        ("X-Turngraph-At-Least", "yesterday", "`revision`"),
    ] {
        let (status, told, answer) = ask(TITLE, &[(name, value)]).await;
        assert_eq!(status, 400);
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains(name) && message.contains(allowed),
            "{message}"
        );
        assert_eq!(told, "EVENTUAL - - NONE false - -");
        assert!(answer["extensions"]["turngraph"]["requestId"].is_string());
    }
    server.abort();
}

async fn axum_serve(listener: tokio::net::TcpListener, state: HttpState) {
    axum::serve(listener, router(state)).await.unwrap();
}
