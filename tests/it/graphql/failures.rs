//! Reads that fail: the nearest nullable field is null, the error has its path and a masked
//! message, and nothing that failed looks as if it were empty.

use serde_json::{Value, json};

use super::api::{Api, brief};

const FAILED: &str = "STORE_UNAVAILABLE";

async fn broken(api: &Api, reads: &[&'static str], query: &str) -> (Value, String) {
    api.store.break_only(reads);
    let response = api.ask(query).await;
    api.store.break_only(&[]);
    assert!(!response.to_string().contains("secret"), "{response}");
    (response["data"].clone(), brief(&response))
}

#[tokio::test]
async fn null_goes_up_to_the_nearest_nullable_field_and_paths_name_lists_by_index() {
    let api = Api::with_conversation().await;
    let (data, errors) = broken(
        &api,
        &["steps"],
        "{s:session(uid:\"s\"){title activePath{nodes{uid ...on AgentTurn{text}}} turnCount}}",
    )
    .await;
    assert_eq!(
        data,
        json!({"s": {"title": "Talk", "activePath": null, "turnCount": 6}})
    );
    assert!(
        errors.starts_with(&format!("{FAILED} at s.activePath.nodes.1.text: ")),
        "{errors}"
    );

    let (data, errors) = broken(
        &api,
        &["steps"],
        "{session(uid:\"s\"){activePath{edges{node{uid ...on AgentTurn{steps{nodes{idx}}}}}}}}",
    )
    .await;
    let edges = data["session"]["activePath"]["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 4, "a nullable connection fails alone: {data}");
    assert_eq!(edges[1], json!({"node": {"uid": "s-a2", "steps": null}}));
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(
        errors.contains("at session.activePath.edges.3.node.steps: "),
        "{errors}"
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one case a line")]
async fn what_could_not_be_loaded_is_never_shown_as_empty() {
    let api = Api::with_conversation().await;
    let agent = "AgentTurn:s-a1";
    for (reads, query, data) in [
        (
            vec!["step_heads"],
            "{session(uid:\"s\"){outline{nodes{stepTypes}}}}",
            json!({"session": {"outline": null}}),
        ),
        (
            vec!["turns_by_session"],
            "{sessions{nodes{uid turnCount}}}",
            json!({"sessions": null}),
        ),
        (
            vec!["turns_by_session"],
            "{sessions{nodes{uid branches{nodes{id}} activeLeaf{id}}}}",
            json!({"sessions": {"nodes": [{"uid": "s", "branches": null, "activeLeaf": null}]}}),
        ),
        (
            vec!["turns_by_session"],
            "{sessions{nodes{uid revision}}}",
            json!({"sessions": null}),
        ),
        (
            vec!["turns_by_session"],
            "{sessions{nodes{uid damage{problem}}}}",
            json!({"sessions": null}),
        ),
        (
            vec!["turns_by_session"],
            "{searchTurns(text:\"answer\"){nodes{uid}}}",
            json!({"searchTurns": null}),
        ),
        (
            vec!["turns_search"],
            "{searchTurns(text:\"answer\"){nodes{uid}}}",
            json!({"searchTurns": null}),
        ),
        (
            vec!["sessions_page"],
            "{sessions{nodes{uid}} viewer{uid}}",
            json!({"sessions": null, "viewer": {"uid": "account"}}),
        ),
        (
            vec!["sessions_count"],
            "{sessions{nodes{uid} totalCount{count}}}",
            json!({"sessions": {"nodes": [{"uid": "s"}], "totalCount": null}}),
        ),
        (
            vec!["sessions_by_turn"],
            "{turn(uid:\"s-a1\"){uid}}",
            json!({"turn": null}),
        ),
        (
            vec!["sessions_by_uid"],
            "{session(uid:\"s\"){uid} t:turn(uid:\"s-a1\"){uid}}",
            json!({"session": null, "t": null}),
        ),
        (
            vec!["prompts"],
            "{turn(uid:\"s-q1\"){preview}}",
            json!({"turn": null}),
        ),
        (
            vec!["steps"],
            "{branchDiff(a:\"AgentTurn:s-a1\",b:\"AgentTurn:s-a2\"){textDiff{text}}}",
            json!({"branchDiff": null}),
        ),
        (
            vec!["step_heads"],
            "{session(uid:\"s\"){turns(filter:{stepTypes:[TEXT]}){nodes{uid}}}}",
            json!({"session": {"turns": null}}),
        ),
        (
            vec!["steps"],
            "{node(id:\"Step:s-a1:0\"){id}}",
            json!({"node": null}),
        ),
    ] {
        let (got, errors) = broken(&api, &reads, query).await;
        assert_eq!(got, data, "{query}");
        assert!(
            errors.lines().all(|line| line.starts_with(FAILED)),
            "{query}: {errors}"
        );
        let again = api.data(query).await;
        assert_ne!(
            again, data,
            "the fixture has what the query asks for: {query}"
        );
    }
    let query = format!(
        "mutation{{appendSteps(turnId:\"{agent}\",steps:[{{type:TEXT,content:{{text:\"x\"}}}}]){{steps{{idx}} revision}}}}"
    );
    let (data, errors) = broken(&api, &["steps"], &query).await;
    assert_eq!(data, Value::Null);
    assert!(
        errors.starts_with("STORE_UNAVAILABLE at appendSteps.steps"),
        "{errors}"
    );
    let query = "mutation{updateStep(id:\"Step:s-a1:0\",content:{text:\"new\"}){step{idx} userErrors{code}}}";
    let (data, errors) = broken(&api, &["steps"], query).await;
    assert_eq!(
        data,
        json!({"updateStep": {"step": null, "userErrors": []}})
    );
    assert!(
        errors.starts_with("STORE_UNAVAILABLE at updateStep.step: "),
        "{errors}"
    );
}

#[tokio::test]
async fn a_failed_mutation_ends_the_operation_and_says_whether_a_retry_helps() {
    let api = Api::new().await;
    api.store.break_only(&["begin"]);
    let response = api
        .ask("mutation{createSession(input:{}){session{uid}} second:createSession(input:{}){session{uid}}}")
        .await;
    assert_eq!(response["data"], Value::Null);
    assert_eq!(response["errors"].as_array().unwrap().len(), 1);
    assert!(brief(&response).starts_with("STORE_UNAVAILABLE at createSession: "));
    assert_eq!(response["errors"][0]["extensions"]["retryable"], true);
    let begun = api.store.calls().iter().filter(|c| **c == "begin").count();
    assert_eq!(begun, 1, "the second mutation does not run");
}
