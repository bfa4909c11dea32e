//! Documents made to hurt: refused with a code, or answered within bounds; never run for long.

use serde_json::json;

use super::api::{ACCOUNT, Api, brief};
use crate::support::rows;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one case a line")]
async fn documents_made_to_hurt_are_refused_before_anything_is_read() {
    let api = Api::with_conversation().await;
    let mut bomb = "{...F0}".to_owned();
    for i in 0..24 {
        bomb += &format!(" fragment F{i} on Query{{...F{n} ...F{n}}}", n = i + 1);
    }
    bomb += " fragment F24 on Query{viewer{uid}}";
    let nested_in_value = |open: &str, close: &str| {
        format!(
            "mutation{{updateStep(id:\"Step:s-a1:0\",content:{}1{}){{revision}}}}",
            open.repeat(9_000),
            close.repeat(9_000)
        )
    };
    let parents = format!(
        "{{turn(uid:\"s-a3\"){{{}uid{}}}}}",
        "parent{".repeat(40),
        "}".repeat(40)
    );
    let chain: String = (0..2_000)
        .map(|i| format!("fragment F{i} on Query{{...F{}}} ", i + 1))
        .collect();
    for (what, document, code) in [
        ("fragments that double", bomb, "DOCUMENT_TOO_LARGE"),
        (
            "braces",
            format!("{}a{}", "{a".repeat(10_000), "}".repeat(10_000)),
            "DOCUMENT_TOO_LARGE",
        ),
        ("open braces", "{a".repeat(10_000), "DOCUMENT_TOO_LARGE"),
        (
            "open lists",
            format!("{{a(b:{}", "[".repeat(40_000)),
            "DOCUMENT_TOO_LARGE",
        ),
        ("lists", nested_in_value("[", "]"), "DOCUMENT_TOO_LARGE"),
        ("objects", nested_in_value("{a:", "}"), "DOCUMENT_TOO_LARGE"),
        (
            "variables",
            format!(
                "query($a:[Int]={}{}){{__typename}}",
                "[".repeat(9_000),
                "]".repeat(9_000)
            ),
            "DOCUMENT_TOO_LARGE",
        ),
        (
            "list types",
            format!(
                "query($a:{}Int{}){{__typename}}",
                "[".repeat(9_000),
                "]".repeat(9_000)
            ),
            "DOCUMENT_TOO_LARGE",
        ),
        (
            "bytes",
            format!("{{__typename #{}\n}}", "x".repeat(200_000)),
            "DOCUMENT_TOO_LARGE",
        ),
        ("parents", parents, "MAX_DEPTH_EXCEEDED"),
        (
            "selections",
            format!("{{{}}}", "viewer{uid}".repeat(5_001)),
            "DOCUMENT_TOO_LARGE",
        ),
        (
            "aliases",
            format!(
                "{{{}}}",
                (0..6_000)
                    .map(|i| format!("a{i}:__typename "))
                    .collect::<String>()
            ),
            "DOCUMENT_TOO_LARGE",
        ),
        (
            "a chain of fragments",
            format!("{{...F0}} {chain}fragment F2000 on Query{{__typename}}"),
            "DOCUMENT_TOO_LARGE",
        ),
        (
            "a circle",
            "{...A} fragment A on Query{...B} fragment B on Query{...A}".into(),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "a circle through fields",
            "{turn(uid:\"s-q1\"){...A}} fragment A on Turn{parent{...A}}".into(),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "the schema squared",
            "{__schema{types{fields{type{fields{type{fields{type{name}}}}}}}}}".into(),
            "DOCUMENT_TOO_LARGE",
        ),
    ] {
        let refusal = api.refusal(&document).await;
        assert!(refusal.starts_with(code), "{what}: {refusal}");
        assert!(
            refusal.len() < 1_000,
            "{what}: the message does not repeat the document"
        );
    }
}

#[tokio::test]
async fn a_document_that_is_not_graphql_is_not_repeated_in_the_error() {
    let api = Api::new().await;
    let prompt = "secret ".repeat(9_000);
    for broken in [
        format!("mutation{{createSession(input:{{firstPrompt:\"{prompt}\"}}){{}}}}"),
        format!("{{a(b:\"{prompt}= \")"),
        format!("{{a}} {prompt} ="),
    ] {
        let refusal = api.refusal(&broken).await;
        assert!(refusal.starts_with("GRAPHQL_PARSE_FAILED: The document is not GraphQL"));
        assert!(
            refusal.len() < 300 && !refusal.contains("secret"),
            "{refusal}"
        );
        let response = api.ask(&broken).await;
        assert!(response["errors"][0]["locations"][0]["column"].is_u64());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn depth_is_counted_through_fragments_that_were_planned_nearer_to_the_root() {
    let api = Api::with_conversation().await;
    let deep = |levels: usize| {
        format!(
            "{{turn(uid:\"s-a3\"){{{}uid{}}}}}",
            "parent{".repeat(levels),
            "}".repeat(levels)
        )
    };
    assert_eq!(
        api.data(&deep(20)).await["turn"]["parent"]["parent"]["parent"]["parent"],
        json!(null)
    );
    api.data(&deep(30)).await;
    assert!(
        api.refusal(&deep(31))
            .await
            .starts_with("MAX_DEPTH_EXCEEDED: ")
    );
    // The lower half is planned first, at the root; then it is hung below the upper half.
    let half = format!(
        "fragment Low on Turn{{parent{{{}uid{}}}}}",
        "parent{".repeat(18),
        "}".repeat(18)
    );
    let upper = format!("{}...Low{}", "parent{".repeat(18), "}".repeat(18));
    let query =
        format!("{{low:turn(uid:\"s-q1\"){{...Low}} high:turn(uid:\"s-q1\"){{{upper}}}}} {half}");
    assert!(
        api.refusal(&query)
            .await
            .starts_with("MAX_DEPTH_EXCEEDED: ")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_long_text_under_a_thousand_names_is_cut_off() {
    let api = Api::new().await;
    let mut session = rows::session(ACCOUNT, "s");
    session.next_seq = 2;
    let prompt = "x".repeat(1 << 20);
    let turns = [
        rows::human("q", None, 0, &prompt),
        rows::agent("a", Some("q"), 1),
    ];
    let steps = [(rows::step("a", 0, &json!({"text": prompt}).to_string()), 1)];
    api.insert(&session, &turns, &steps).await;
    for field in [
        "...on HumanTurn{xI:prompt}",
        "...on AgentTurn{xI:text}",
        "...on AgentTurn{steps{nodes{xI:content}}}",
    ] {
        let many: String = (0..400)
            .map(|i| field.replace("xI", &format!("x{i}")))
            .collect();
        let uid = if field.contains("Human") { "q" } else { "a" };
        let response = api
            .execute(
                ACCOUNT,
                (&format!("{{turn(uid:\"{uid}\"){{{many}}}}}"), None),
                json!({}),
            )
            .await;
        assert!(response.body.len() < 1_000, "{} bytes", response.body.len());
        let response = serde_json::from_slice(&response.body).unwrap();
        assert!(
            brief(&response).starts_with("RESPONSE_TOO_LARGE at turn"),
            "{field}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_under_many_names_are_refused_instead_of_loaded_one_by_one() {
    let api = Api::with_conversation().await;
    let many: String = (1..=100)
        .map(|i| format!("a{i}:sessions(first:{i}){{nodes{{uid}} totalCount(upTo:{i}){{count}}}} "))
        .collect();
    let response = api.ask(&format!("{{{many}}}")).await;
    assert!(
        brief(&response)
            .contains("BAD_USER_INPUT at a33: The operation asks for more than 32 lists")
    );
    assert!(api.store.calls().len() <= 64);
    let same: String = (1..=100)
        .map(|i| format!("a{i}:sessions{{nodes{{uid}}}} "))
        .collect();
    api.data(&format!("{{{same}}}")).await;
    assert_eq!(
        api.store.calls(),
        ["sessions_page"],
        "the same list is loaded once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_forks_as_deep_as_an_operation_may_be_is_followed() {
    let api = Api::with_conversation().await;
    let mut at = ("Session:s".to_owned(), "HumanTurn:s-q1".to_owned());
    for _ in 0..17 {
        let fork =
            "mutation($s:ID!,$t:ID!){forkSession(sessionId:$s,turnId:$t){session{id} turn{id}}}";
        let data = api.data_with(fork, json!({"s": at.0, "t": at.1})).await;
        let id = |of: &str| data["forkSession"][of]["id"].as_str().unwrap().to_owned();
        at = (id("session"), id("turn"));
    }
    let levels = 15;
    let query = format!(
        "{{node(id:\"{}\"){{...on Session{{{}uid{}}}}}}}",
        at.0,
        "forkedFrom{session{".repeat(levels),
        "}}".repeat(levels)
    );
    let mut data = api.data(&query).await["node"].take();
    for _ in 0..levels {
        data = data["forkedFrom"]["session"].take();
    }
    assert!(data["uid"].is_string(), "{data}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_usual_introspection_query_is_answered() {
    let api = Api::new().await;
    let data = api.data(include_str!("introspection.graphql")).await;
    let types = data["__schema"]["types"].as_array().unwrap();
    assert!(types.iter().any(|t| t["name"] == "AgentTurn"));
}
