//! `/graphql` as clients and strangers meet it: media types, methods, sizes, other sites' pages.

mod documents;
mod limits;
mod random;

use std::path::Path;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Server, run};

/// `dev` without demo data, with these lines in its configuration file.
fn dev(folder: &Path, settings: &str) -> Server {
    let file = folder.join("turngraph.toml");
    std::fs::write(&file, settings).unwrap();
    Server::dev(folder, &["--no-demo", "--config", file.to_str().unwrap()])
}

/// An answer that must be JSON.
struct Answer {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

impl Answer {
    /// The code of the first error.
    fn code(&self) -> &str {
        self.json["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or("")
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    let json = serde_json::from_slice(&body)
        .unwrap_or_else(|e| panic!("{status}: {e}: {:?}", String::from_utf8_lossy(&body)));
    Answer {
        status,
        headers,
        json,
    }
}

fn post(server: &Server, body: &Value) -> RequestBuilder {
    let request = Client::new().post(format!("{}/graphql", server.url));
    request.json(body)
}

fn get(server: &Server, query: &[(&str, &str)]) -> RequestBuilder {
    let request = Client::new().get(format!("{}/graphql", server.url));
    request.query(query)
}

#[tokio::test]
async fn the_answer_has_the_type_that_the_client_prefers_and_the_status_that_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = dev(folder.path(), "");
    let graphql = "application/graphql-response+json";
    for (accept, query, status, media) in [
        (graphql, "{viewer{uid}}", 200, graphql),
        (graphql, "{nope}", 400, graphql),
        (graphql, "{", 400, graphql),
        ("application/json", "{nope}", 200, "application/json"),
        ("*/*", "{viewer{uid}}", 200, "application/json"),
        ("text/html", "{viewer{uid}}", 406, "application/json"),
    ] {
        let body = json!({ "query": query });
        let answer = answer(post(&server, &body).header("accept", accept)).await;
        assert_eq!(answer.status, status, "{accept} {query}");
        let media = format!("{media}; charset=utf-8");
        assert_eq!(answer.header("content-type"), media, "{accept} {query}");
        assert!(!answer.header("x-request-id").is_empty());
        assert_eq!(
            answer.json.get("data").is_some(),
            answer.json.get("errors").is_none()
        );
    }
}

#[tokio::test]
async fn a_get_asks_and_never_writes_and_other_methods_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = dev(folder.path(), "");
    let query = "query($u:Uid!){session(uid:$u){uid}}";
    let asked = answer(get(
        &server,
        &[("query", query), ("variables", "{\"u\":\"x\"}")],
    ))
    .await;
    assert_eq!(
        (asked.status, &asked.json["data"]),
        (200, &json!({"session": null}))
    );
    let timing = asked.header("server-timing");
    let stages: Vec<_> = timing
        .split(", ")
        .map(|s| s.split(";dur=").next().unwrap())
        .collect();
    assert_eq!(stages, ["prepare", "run", "total"]);
    let write = "mutation{createSession(input:{}){revision}}";
    let refused = answer(get(&server, &[("query", write)])).await;
    assert_eq!((refused.status, refused.header("allow")), (405, "POST"));
    let count = answer(get(&server, &[("query", "{sessions{totalCount{count}}}")])).await;
    assert_eq!(count.json["data"]["sessions"]["totalCount"]["count"], 0);
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let request = Client::new().request(method, format!("{}/graphql", server.url));
        let refused = answer(request).await;
        assert_eq!(
            (refused.status, refused.header("allow")),
            (405, "GET, HEAD, POST")
        );
    }
    for bad in [
        &[("query", "{viewer{uid}}"), ("variables", "[1]")][..],
        &[("query", "{viewer{uid}}"), ("variables", "{")],
        &[("query", "{viewer{uid}}"), ("extensions", "1")],
        &[],
    ] {
        let refused = answer(get(&server, bad)).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "BAD_REQUEST"),
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn only_json_is_taken_and_nothing_that_a_form_can_send() {
    let folder = tempfile::tempdir().unwrap();
    let server = dev(folder.path(), "");
    let body = r#"{"query":"mutation{createSession(input:{}){revision}}"}"#;
    for media in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/graphql"),
        Some("application/json; charset=utf-16"),
    ] {
        let mut request = Client::new()
            .post(format!("{}/graphql", server.url))
            .body(body);
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        let refused = answer(request).await;
        assert_eq!(refused.status, 415, "{media:?}");
    }
    let count = answer(get(&server, &[("query", "{sessions{totalCount{count}}}")])).await;
    assert_eq!(count.json["data"]["sessions"]["totalCount"]["count"], 0);
}

#[tokio::test]
async fn a_page_of_another_site_may_ask_only_where_the_configuration_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = dev(folder.path(), "cors_origins = \"https://app.example\"\n");
    let ask = |headers: &[(&'static str, &'static str)]| {
        let mut request = get(&server, &[("query", "{viewer{uid}}")]);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request)
    };
    let forged = ask(&[
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "no-cors"),
    ])
    .await;
    assert_eq!(
        (forged.status, forged.code()),
        (403, "CSRF_PREVENTION_FAILED")
    );
    let foreign = ask(&[("origin", "https://evil.example")]).await;
    assert_eq!(
        (
            foreign.status,
            foreign.header("access-control-allow-origin")
        ),
        (403, "")
    );
    let leave = [
        ("sec-fetch-site", "cross-site"),
        ("apollo-require-preflight", "1"),
    ];
    assert_eq!(ask(&leave).await.status, 200);
    let own = ask(&[
        ("origin", "https://app.example"),
        ("sec-fetch-site", "cross-site"),
    ])
    .await;
    assert_eq!(own.status, 200);
    assert_eq!(
        own.header("access-control-allow-origin"),
        "https://app.example"
    );
    assert!(
        own.header("access-control-expose-headers")
            .contains("x-turngraph-revision")
    );
    let preflight = |origin: &'static str| {
        let request = Client::new().request(Method::OPTIONS, format!("{}/graphql", server.url));
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,x-turngraph-consistency",
            );
        async move { request.send().await.unwrap() }
    };
    let leave = preflight("https://app.example").await;
    assert_eq!(leave.status(), 200);
    let allowed = leave.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap();
    assert_eq!(allowed, "content-type,x-turngraph-consistency");
    let none = preflight("https://evil.example").await;
    assert!(!none.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn long_answers_are_packed_as_the_client_asks_and_short_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = dev(folder.path(), "");
    let ask = |query: &'static str, coding: &'static str| {
        let request = get(&server, &[("query", query)]).header("accept-encoding", coding);
        async move {
            let response = request.send().await.unwrap();
            let told = response.headers().get("content-encoding").cloned();
            let told = told.map(|v| v.to_str().unwrap().to_owned());
            (told, response.bytes().await.unwrap())
        }
    };
    let long = "{__schema{types{name description fields{name description}}}}";
    let (told, whole) = ask(long, "identity").await;
    assert!(told.is_none() && whole.len() > 10_000);
    for (coding, magic) in [
        ("gzip", &[0x1f, 0x8b][..]),
        ("zstd", &[0x28, 0xb5, 0x2f, 0xfd]),
        ("br", &[]),
    ] {
        let (told, packed) = ask(long, coding).await;
        assert_eq!(told.as_deref(), Some(coding));
        assert!(
            packed.starts_with(magic) && packed.len() * 2 < whole.len(),
            "{coding}"
        );
        let (told, body) = ask("{viewer{uid}}", coding).await;
        assert!(told.is_none() && body.starts_with(b"{\"data\""), "{coding}");
    }
}

#[tokio::test]
async fn a_server_for_strangers_describes_nothing_and_suggests_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("t.db").display());
    assert!(
        run(&["migrate", "up", "--record", &database])
            .status
            .success()
    );
    let serve = ["serve", "--listen", "127.0.0.1:0", "--record", &database];
    let server = Server::start(&serve, "listening");
    for query in [
        "{__schema{queryType{name}}}",
        "{a:__type(name:\"Query\"){name}}",
    ] {
        let refused = answer(post(&server, &json!({ "query": query }))).await;
        assert_eq!(refused.code(), "INTROSPECTION_DISABLED", "{query}");
    }
    for query in [
        "{sesions{nodes{uid}}}",
        "{session(uidd:\"x\"){uid}}",
        "{node(id:\"x\"){...on Sesion{uid}}}",
        "{viewer @includ(if:true){uid}}",
        "{viewer @include(iff:true){uid}}",
        "{sessions(orderBy:TITEL){nodes{uid}}}",
    ] {
        let refused = answer(post(&server, &json!({ "query": query }))).await;
        assert!(refused.json["errors"][0]["message"].is_string());
        let said = refused.json.to_string().to_lowercase();
        assert!(!said.contains("did you mean"), "{query}: {said}");
    }
    let typed = answer(post(&server, &json!({"query": "{__typename}"}))).await;
    assert_eq!(typed.json["data"]["__typename"], "Query");
    drop(server);
    let file = folder.path().join("t.toml");
    std::fs::write(&file, "introspection = \"on\"\n").unwrap();
    let told = [&serve[..], &["--config", file.to_str().unwrap()]].concat();
    let server = Server::start(&told, "listening");
    let described = answer(post(
        &server,
        &json!({"query": "{__schema{queryType{name}}}"}),
    ))
    .await;
    assert_eq!(
        described.json["data"]["__schema"]["queryType"]["name"],
        "Query"
    );
}
