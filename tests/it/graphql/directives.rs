//! `@skip` and `@include`, with literals, variables and defaults; operations of one document.

use serde_json::json;

use super::api::{ACCOUNT, Api, text};

#[tokio::test]
async fn literals_decide() {
    let api = Api::with_conversation().await;
    let text = api
        .text(
            "{session(uid:\"s\"){a:uid@skip(if:true) b:uid@skip(if:false) c:uid@include(if:true)
             d:uid@include(if:false) e:uid@skip(if:true)@include(if:true)
             ...@skip(if:true){f:uid} ...F@include(if:false) ...@include(if:true){g:title}}}
             fragment F on Session{h:uid}",
        )
        .await;
    assert_eq!(text, r#"{"data":{"session":{"b":"s","c":"s","g":"Talk"}}}"#);
    let empty = api.text("{session(uid:\"s\"){uid@skip(if:true)}}").await;
    assert_eq!(empty, r#"{"data":{"session":{}}}"#);
    let nothing = api.text("{session(uid:\"s\")@skip(if:true){uid}}").await;
    assert_eq!(nothing, r#"{"data":{}}"#);
}

#[tokio::test]
async fn variables_and_their_defaults_decide_in_each_request_anew() {
    let api = Api::with_conversation().await;
    let query = "query($x:Boolean=true,$y:Boolean!){session(uid:\"s\"){uid title@skip(if:$x) ...@include(if:$y){turnCount}}}";
    for (variables, wanted) in [
        (json!({"y": true}), json!({"uid": "s", "turnCount": 6})),
        (
            json!({"x": false, "y": false}),
            json!({"uid": "s", "title": "Talk"}),
        ),
        (json!({"x": true, "y": false}), json!({"uid": "s"})),
        (
            json!({"x": false, "y": true}),
            json!({"uid": "s", "title": "Talk", "turnCount": 6}),
        ),
        (json!({"y": true}), json!({"uid": "s", "turnCount": 6})),
    ] {
        let data = api.data_with(query, variables.clone()).await;
        assert_eq!(data["session"], wanted, "{variables}");
    }
    for bad in [
        json!({}),
        json!({"y": null}),
        json!({"y": 1}),
        json!({"y": "true"}),
        json!({"y": true, "x": null}),
        json!({"y": true, "x": "no"}),
    ] {
        let refusal = api.refusal_with(query, bad.clone()).await;
        assert!(
            refusal.starts_with("BAD_USER_INPUT: Variable `$"),
            "{bad}: {refusal}"
        );
    }
}

#[tokio::test]
async fn a_mutation_that_is_skipped_does_not_run() {
    let api = Api::new().await;
    let query = "mutation($do:Boolean!){createSession(input:{})@include(if:$do){session{uid}}}";
    assert_eq!(api.data_with(query, json!({"do": false})).await, json!({}));
    let done = api.data_with(query, json!({"do": true})).await;
    assert_eq!(done["createSession"]["session"]["uid"], "n0");
}

#[tokio::test]
async fn an_operation_is_not_bothered_by_the_variables_of_another() {
    let api = Api::with_conversation().await;
    let query = "query A($x:Boolean!){session(uid:\"s\"){...F}} query B{session(uid:\"s\"){title}}
                 fragment F on Session{uid@skip(if:$x)}";
    let ask = |name| api.execute(ACCOUNT, (query, name), json!({}));
    assert_eq!(
        text(ask(Some("B")).await),
        r#"{"data":{"session":{"title":"Talk"}}}"#
    );
    assert!(text(ask(Some("A")).await).contains("Variable `$x` of type `Boolean!` needs a value"));
    for name in [None, Some("C"), Some("")] {
        let response = ask(name).await;
        assert!(!response.executed);
        assert!(
            text(response).contains("OPERATION_RESOLUTION_FAILURE"),
            "{name:?}"
        );
    }
    let one = api
        .execute(ACCOUNT, ("{__typename}", Some("A")), json!({}))
        .await;
    assert!(text(one).contains("OPERATION_RESOLUTION_FAILURE"));
    let named = api
        .execute(ACCOUNT, ("query A{__typename}", Some("A")), json!({}))
        .await;
    assert_eq!(text(named), r#"{"data":{"__typename":"Query"}}"#);
    for bad in [
        "subscription{a}",
        "{",
        "",
        "{nothing}",
        "fragment F on Query{__typename}",
    ] {
        let refusal = api.refusal(bad).await;
        assert!(refusal.starts_with("GRAPHQL_"), "{bad}: {refusal}");
    }
}
