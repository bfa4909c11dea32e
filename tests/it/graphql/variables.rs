//! Variables: checked in every request, also where the document is known as valid.

use serde_json::{Value, json};

use super::api::Api;

const LIST: &str = "query($first:Int,$order:SessionOrder!=CREATED_ASC,$filter:SessionFilter){
    sessions(first:$first,orderBy:$order,filter:$filter){nodes{uid}}}";

async fn three_sessions() -> Api {
    let api = Api::new().await;
    for title in ["Alpha", "beta", "Gamma"] {
        api.later(61);
        let create = "mutation($i:CreateSessionInput!){createSession(input:$i){session{uid}}}";
        api.data_with(create, json!({"i": {"title": title}})).await;
    }
    api
}

fn uids(data: &Value) -> Vec<&str> {
    let nodes = data["sessions"]["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|node| node["uid"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn values_defaults_nulls_and_absence_mean_what_they_should() {
    let api = three_sessions().await;
    for (variables, wanted) in [
        (json!({}), vec!["n0", "n1", "n2"]),
        (json!({"first": 2}), vec!["n0", "n1"]),
        (
            json!({"first": null, "filter": null}),
            vec!["n0", "n1", "n2"],
        ),
        (json!({"order": "CREATED_DESC", "first": 1}), vec!["n2"]),
        (json!({"filter": {}}), vec!["n0", "n1", "n2"]),
        (
            json!({"filter": {"titleContains": "A"}}),
            vec!["n0", "n1", "n2"],
        ),
        (
            json!({"filter": {"titleContains": "BET", "includeDeleted": false}}),
            vec!["n1"],
        ),
    ] {
        let data = api.data_with(LIST, variables.clone()).await;
        assert_eq!(uids(&data), wanted, "{variables}");
    }
}

#[tokio::test]
async fn an_absent_variable_inside_an_input_object_leaves_the_rest_of_it() {
    let api = three_sessions().await;
    let query = "query($title:String,$from:DateTime){sessions(orderBy:CREATED_ASC,
        filter:{titleContains:$title,createdFrom:$from,includeDeleted:true}){nodes{uid}}}";
    let data = api.data_with(query, json!({"title": "gamma"})).await;
    assert_eq!(uids(&data), ["n2"]);
    let data = api
        .data_with(query, json!({"from": "2026-01-01T00:03:03Z"}))
        .await;
    assert_eq!(uids(&data), ["n2"]);
    let data = api.data_with(query, json!({})).await;
    assert_eq!(uids(&data).len(), 3);
}

#[tokio::test]
async fn variables_inside_lists_are_put_in_and_one_value_stands_for_a_list() {
    let api = Api::with_conversation().await;
    let query = "query($a:ID!,$b:ID!){nodes(ids:[$a,\"Session:s\",$b]){id}}";
    let data = api
        .data_with(query, json!({"a": "HumanTurn:s-q1", "b": "AgentTurn:s-a1"}))
        .await;
    assert_eq!(
        data["nodes"],
        json!([{"id": "HumanTurn:s-q1"}, {"id": "Session:s"}, {"id": "AgentTurn:s-a1"}])
    );
    let query = "query($ids:[ID!]!){nodes(ids:$ids){id}}";
    for ids in [json!("Session:s"), json!(["Session:s"])] {
        let data = api.data_with(query, json!({"ids": ids})).await;
        assert_eq!(data["nodes"], json!([{"id": "Session:s"}]));
    }
    assert_eq!(
        api.data_with(query, json!({"ids": []})).await["nodes"],
        json!([])
    );
    let one = api.data("{nodes(ids:\"Session:s\"){id}}").await;
    assert_eq!(one["nodes"], json!([{"id": "Session:s"}]));
    let query = "query($types:[StepType!]){turn(uid:\"s-a1\"){...on AgentTurn{steps(types:$types){nodes{idx}}}}}";
    for (types, wanted) in [
        (json!("TEXT"), 1),
        (json!(["CODE", "TEXT"]), 1),
        (json!(["CODE"]), 0),
        (json!([]), 0),
        (Value::Null, 1),
    ] {
        let data = api.data_with(query, json!({"types": types})).await;
        let nodes = &data["turn"]["steps"]["nodes"];
        assert_eq!(nodes.as_array().unwrap().len(), wanted, "{types}");
    }
}

#[tokio::test]
async fn wrong_values_are_refused_by_name_also_when_the_document_is_known() {
    let api = three_sessions().await;
    for known in [false, true] {
        for (variables, says) in [
            (
                json!({"first": "2"}),
                "`$first` of type `Int` is not of type `Int`",
            ),
            (json!({"first": 2.5}), "`$first`"),
            (json!({"first": [2]}), "`$first`"),
            (json!({"first": 3_000_000_000_i64}), ""),
            (
                json!({"order": "SIDEWAYS"}),
                "`$order` of type `SessionOrder!` is not of type `SessionOrder`",
            ),
            (
                json!({"order": null}),
                "`$order` of type `SessionOrder!` must not be null",
            ),
            (json!({"order": 1}), "`$order`"),
            (json!({"filter": "x"}), "`$filter`"),
            (json!({"filter": {"titel": "x"}}), "at `titel`"),
            (
                json!({"filter": {"titleContains": 3}}),
                "at `titleContains`",
            ),
            (
                json!({"filter": {"hasFeedback": "yes"}}),
                "at `hasFeedback`",
            ),
            (json!({"filter": {"createdFrom": "yesterday"}}), "RFC 3339"),
            (
                json!({"filter": {"includeDeleted": null}}),
                "must not be null",
            ),
        ] {
            let refusal = api.refusal_with(LIST, variables.clone()).await;
            assert!(
                refusal.starts_with("BAD_USER_INPUT") && refusal.contains(says),
                "{variables} (known: {known}): {refusal}"
            );
        }
        api.data_with(LIST, json!({})).await;
    }
    let required = "query($id:ID!){node(id:$id){id}}";
    for (variables, says) in [
        (json!({}), "`$id` of type `ID!` needs a value"),
        (json!({"id": null}), "must not be null"),
        (json!({"id": {"a": 1}}), "is not of type `ID`"),
        (json!({"id": true}), "is not of type `ID`"),
    ] {
        let refusal = api.refusal_with(required, variables).await;
        assert!(refusal.contains(says), "{refusal}");
    }
    let skipped = "query($n:Int){sessions(first:1){nodes{uid}} x:sessions(first:$n)@skip(if:true){nodes{uid}}}";
    let refusal = api.refusal_with(skipped, json!({"n": "a"})).await;
    assert!(
        refusal.contains("`$n`"),
        "also where no field reads it: {refusal}"
    );
}

#[tokio::test]
async fn nested_inputs_name_the_place_of_a_wrong_value() {
    let api = Api::with_conversation().await;
    let query =
        "mutation($i:AppendAgentTurnInput!){appendAgentTurn(sessionId:\"Session:s\",input:$i){
        agentTurn{text status stepCount} userErrors{code path}}}";
    let input = |steps: Value| json!({"i": {"parentId": "HumanTurn:s-q1", "steps": steps}});
    for (steps, says) in [
        (
            json!([{"type": "TEXT", "content": {}}, {"type": "NONE", "content": {}}]),
            "at `steps.1.type`",
        ),
        (
            json!([{"content": {}}]),
            "at `steps.0.type` a value that is missing",
        ),
        (
            json!([{"type": "TEXT"}]),
            "at `steps.0.content` a value that is missing",
        ),
        (
            json!([{"type": "TEXT", "content": null}]),
            "at `steps.0.content` a value that must not be null",
        ),
        (
            json!([{"type": "TEXT", "content": {}, "idx": "1"}]),
            "at `steps.0.idx`",
        ),
        (json!([null]), "at `steps.0`"),
        (json!(3), "at `steps`"),
    ] {
        let refusal = api.refusal_with(query, input(steps.clone())).await;
        assert!(refusal.contains(says), "{steps}: {refusal}");
    }
    let one = api
        .data_with(
            query,
            input(json!({"type": "TEXT", "content": {"text": "one"}})),
        )
        .await;
    assert_eq!(
        one["appendAgentTurn"]["agentTurn"],
        json!({"text": "one", "status": "COMPLETE", "stepCount": 1})
    );
}

#[tokio::test]
async fn undeclared_and_unused_variables_are_refused_and_unknown_values_ignored() {
    let api = Api::with_conversation().await;
    for bad in [
        "{node(id:$id){id}}",
        "query($id:ID!,$no:Int){node(id:$id){id}}",
        "query($id:ID!,$id:ID!){node(id:$id){id}}",
        "query($id:Session!){node(id:$id){id}}",
        "query($id:ID=3.5){node(id:$id){id}}",
    ] {
        let refusal = api.refusal_with(bad, json!({"id": "Session:s"})).await;
        assert!(
            refusal.starts_with("GRAPHQL_VALIDATION_FAILED"),
            "{bad}: {refusal}"
        );
    }
    let query = "query($id:ID!){node(id:$id){id}}";
    let data = api
        .data_with(query, json!({"id": "Session:s", "more": 1}))
        .await;
    assert_eq!(data, json!({"node": {"id": "Session:s"}}));
}
