//! Response keys: merged, aliased, in the order of the document, refused where they conflict.

use serde_json::json;

use super::api::Api;

#[tokio::test]
async fn a_key_that_is_selected_twice_is_one_field_with_both_selections() {
    let api = Api::with_conversation().await;
    let text = api
        .text("{session(uid:\"s\"){uid uid title} s:session(uid:\"s\"){uid} session(uid:\"s\"){title turnCount}}")
        .await;
    assert_eq!(
        text,
        r#"{"data":{"session":{"uid":"s","title":"Talk","turnCount":6},"s":{"uid":"s"}}}"#
    );
}

#[tokio::test]
async fn keys_are_merged_through_fragments_on_interfaces_and_lists() {
    let api = Api::with_conversation().await;
    let text = api
        .text(
            "{turn(uid:\"s-q1\"){
                ...on Turn{session{uid}}
                ...on HumanTurn{session{title} prompt children(first:1){nodes{uid}}}
                ...on AgentTurn{model session{branchCount}}
                ...F
                children(first:1){nodes{...on AgentTurn{text} ...on Node{__typename}}}
            }} fragment F on Node{id ...on Turn{session{uid id}}}",
        )
        .await;
    assert_eq!(
        text,
        r#"{"data":{"turn":{"session":{"uid":"s","title":"Talk","id":"Session:s"},"prompt":"first question","children":{"nodes":[{"uid":"s-a1","text":"first answer","__typename":"AgentTurn"}]},"id":"HumanTurn:s-q1"}}}"#
    );
}

#[tokio::test]
async fn a_repeated_mutation_field_runs_once_and_merges_its_payload() {
    let api = Api::new().await;
    let text = api
        .text(
            "mutation{createSession(input:{title:\"T\"}){session{title} session{turnCount}}
             createSession(input:{title:\"T\"}){session{uid} userErrors{code}}
             other:createSession(input:{}){session{uid}}}",
        )
        .await;
    assert_eq!(
        text,
        r#"{"data":{"createSession":{"session":{"title":"T","turnCount":0,"uid":"n0"},"userErrors":[]},"other":{"session":{"uid":"n1"}}}}"#
    );
    let all = api.data("{sessions{totalCount{count isExact}}}").await;
    assert_eq!(
        all["sessions"]["totalCount"],
        json!({"count": 2, "isExact": true})
    );
}

#[tokio::test]
async fn fields_that_conflict_under_one_key_are_refused() {
    let api = Api::with_conversation().await;
    for query in [
        "{session(uid:\"s\"){title} session(uid:\"t\"){title}}",
        "{session(uid:\"s\"){x:title x:uid}}",
        "{session(uid:\"s\"){turns(first:1){nodes{uid}} turns(first:2){nodes{uid}}}}",
        "{session(uid:\"s\"){...A ...B}} fragment A on Session{x:title} fragment B on Session{x:uid}",
        "{turn(uid:\"s-q1\"){...on Turn{x:uid} ...on HumanTurn{x:prompt}}}",
        "{turn(uid:\"s-q1\"){...on Node{x:id} ...on Turn{x:uid}}}",
        "{turn(uid:\"s-q1\"){preview(maxChars:3) ...on HumanTurn{preview}}}",
        "mutation{createSession(input:{}){x:session{uid} ...on CreateSessionPayload{x:humanTurn{uid}}}}",
        "mutation{a:createSession(input:{}){session{uid}} a:createSession(input:{title:\"x\"}){session{uid}}}",
    ] {
        let refusal = api.refusal(query).await;
        assert!(
            refusal.starts_with("BAD_USER_INPUT")
                || refusal.starts_with("GRAPHQL_VALIDATION_FAILED"),
            "{query}: {refusal}"
        );
    }
    let other_types = "{nodes(ids:[\"HumanTurn:s-q1\",\"AgentTurn:s-a1\"]){...on HumanTurn{x:prompt} ...on AgentTurn{x:text}}}";
    let data = api.data(other_types).await;
    assert_eq!(
        data["nodes"],
        json!([{"x": "first question"}, {"x": "first answer"}])
    );
}

#[tokio::test]
async fn typename_names_the_type_of_the_value() {
    let api = Api::with_conversation().await;
    let data = api
        .data(
            "{__typename t:__typename nodes(ids:[\"Account:account\",\"Session:s\",\"HumanTurn:s-q1\",
            \"AgentTurn:s-a1\",\"Step:s-a1:0\",\"Branch:s-a3\",\"OutlineNode:s-q1\",\"Session:none\"]){
            __typename id}}",
        )
        .await;
    assert_eq!(data["t"], "Query");
    let nodes = data["nodes"].as_array().unwrap();
    let types: Vec<_> = nodes.iter().map(|n| n["__typename"].as_str()).collect();
    assert_eq!(
        types,
        [
            Some("Account"),
            Some("Session"),
            Some("HumanTurn"),
            Some("AgentTurn"),
            Some("TextStep"),
            Some("Branch"),
            Some("OutlineNode"),
            None
        ]
    );
    let payload = api
        .data("mutation{__typename createSession(input:{}){__typename}}")
        .await;
    assert_eq!(
        payload,
        json!({"__typename": "Mutation", "createSession": {"__typename": "CreateSessionPayload"}})
    );
}

#[tokio::test]
async fn the_schema_describes_itself_beside_other_fields() {
    let api = Api::with_conversation().await;
    let text = api
        .text("query($n:String!){a:session(uid:\"s\"){uid} t:__type(name:$n){name kind} __schema{queryType{name}} __typename}")
        .await;
    assert!(text.contains("BAD_USER_INPUT"), "{text}");
    let response = api
        .ask_with(
            "query($n:String!){a:session(uid:\"s\"){uid} t:__type(name:$n){name kind} __schema{queryType{name}} __typename}",
            json!({"n": "Turn"}),
        )
        .await;
    assert_eq!(
        response["data"].to_string(),
        r#"{"a":{"uid":"s"},"t":{"name":"Turn","kind":"INTERFACE"},"__schema":{"queryType":{"name":"Query"}},"__typename":"Query"}"#
    );
}
