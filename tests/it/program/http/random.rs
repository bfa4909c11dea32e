//! Random requests: whatever is sent, the answer is JSON and never a failure of the server.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use reqwest::Client;
use reqwest::header::{HeaderName, HeaderValue};

use super::dev;

/// A request: method, query string, headers, body.
type Sent = (&'static str, String, Vec<(&'static str, Vec<u8>)>, Vec<u8>);

/// Words that documents, variables and headers are made of; some make sense together.
const WORDS: [&str; 40] = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "!",
    "$",
    "@",
    "...",
    "=",
    "|",
    "&",
    "\"",
    "\"\"\"",
    "\\",
    "#",
    "\n",
    ",",
    "query ",
    "mutation ",
    "subscription ",
    "fragment F on Query",
    "viewer",
    "uid",
    "sessions",
    "first",
    "session(uid:\"x\")",
    "__schema",
    "__typename",
    "@skip(if:true)",
    "@include(if:$a)",
    "$a:Int!",
    "createSession(input:{})",
    "nodes",
    "1e999",
    "-0",
    "null",
    "\u{1f980}",
];

fn words() -> impl Strategy<Value = String> {
    vec(prop::sample::select(WORDS.to_vec()), 0..40).prop_map(|words| words.concat())
}

fn document() -> impl Strategy<Value = String> {
    prop_oneof![
        words(),
        Just("{viewer{uid sessions(first:2){nodes{title}}}}".to_owned()),
        words().prop_map(|inner| format!("{{viewer{{{inner}}}}}")),
        any::<String>(),
    ]
}

fn json(depth: u32) -> BoxedStrategy<serde_json::Value> {
    use serde_json::{Map, Value};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        document().prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "query",
        "variables",
        "operationName",
        "extensions",
        "documentId",
        "doc_id",
        "persistedQuery",
        "sha256Hash",
        "version",
        "a",
        "",
    ]);
    leaf.prop_recursive(depth, 24, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key.clone(), inner), 0..6).prop_map(|all| {
                let fields = all.into_iter().map(|(k, v)| (k.to_owned(), v));
                Value::Object(fields.collect::<Map<_, _>>())
            }),
        ]
    })
    .boxed()
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let request = (document(), json(2), json(2)).prop_map(|(query, variables, extensions)| {
        serde_json::json!({"query": query, "variables": variables, "extensions": extensions})
    });
    let text = prop_oneof![request, json(4)].prop_map(|value| value.to_string());
    prop_oneof![
        4 => text.clone().prop_map(String::into_bytes),
        1 => (text, any::<prop::sample::Index>()).prop_map(|(text, cut)| {
            let bytes = text.into_bytes();
            bytes[..cut.index(bytes.len() + 1)].to_vec()
        }),
        1 => vec(any::<u8>(), 0..200),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = prop::sample::select(vec![
        "accept",
        "content-type",
        "accept-encoding",
        "x-request-id",
        "x-turngraph-account",
        "x-turngraph-consistency",
        "x-turngraph-at-least",
        "origin",
        "referer",
        "sec-fetch-site",
        "if-none-match",
        "apollo-require-preflight",
        "access-control-request-method",
    ]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "application/json",
            "application/graphql-response+json;q=0.5",
            "*/*",
            "text/plain",
            "STRONG",
            "EVENTUAL",
            "demo",
            "r1..",
            "null",
            "gzip, br;q=1.0",
            "\"x\"",
            "*",
            "cross-site",
            "application/json; charset=utf-8",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(prop_oneof![Just(b'\t'), 0x20..0x7fu8, 0x80..=0xffu8], 0..60),
    ];
    vec((name, value), 0..6)
}

fn request() -> impl Strategy<Value = Sent> {
    let json = ("content-type", b"application/json".to_vec());
    let parameters = prop_oneof![
        (document(), document()).prop_map(|(query, variables)| {
            let encode = |text: String| {
                text.bytes()
                    .map(|b| format!("%{b:02x}"))
                    .collect::<String>()
            };
            format!("query={}&variables={}", encode(query), encode(variables))
        }),
        "[a-zA-Z0-9%&=+.~-]{0,60}",
    ];
    let method = prop::sample::select(vec![
        "POST", "POST", "POST", "GET", "HEAD", "PUT", "OPTIONS",
    ]);
    (method, parameters, headers(), body(), any::<bool>()).prop_map(
        move |(method, parameters, mut headers, body, is_json)| {
            if is_json {
                headers.push(json.clone());
            }
            (method, parameters, headers, body)
        },
    )
}

#[test]
fn whatever_is_sent_is_answered_in_json_and_never_with_a_failure_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = dev(
        folder.path(),
        "batch_max = 3\ncors_origins = \"https://app.example\"\n",
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = Client::new();
    let config = Config {
        cases: 1_500,
        failure_persistence: None,
        ..Config::default()
    };
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let done = runner.run(&request(), |(method, parameters, headers, body)| {
        let url = format!("{}/graphql?{parameters}", server.url);
        let mut request = client.request(method.parse().unwrap(), url);
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(&value).unwrap();
            request = request.header(HeaderName::from_static(name), value);
        }
        if method != "GET" && method != "HEAD" {
            request = request.body(body);
        }
        let (status, media, body) = runtime.block_on(async {
            let response = request.send().await.unwrap();
            let media = response.headers().get("content-type").cloned();
            let packed = response.headers().contains_key("content-encoding");
            let status = response.status().as_u16();
            let body = response.bytes().await.unwrap();
            (status, media, if packed { None } else { Some(body) })
        });
        prop_assert!(status < 500, "{status} {body:?}");
        // The answer to a preflight, and to HEAD, has no body.
        if method == "HEAD" || (method == "OPTIONS" && media.is_none()) {
            return Ok(());
        }
        let media = media
            .map(|v| v.to_str().unwrap().to_owned())
            .unwrap_or_default();
        prop_assert!(media.contains("json; charset=utf-8"), "{status} {media}");
        if let Some(body) = body {
            let json: Result<serde_json::Value, _> = serde_json::from_slice(&body);
            let json = json.map_err(|e| TestCaseError::fail(format!("{status} {e} {body:?}")))?;
            prop_assert!(json.is_object() || json.is_array());
        }
        Ok(())
    });
    if let Err(why) = done {
        panic!("{why}");
    }
}
