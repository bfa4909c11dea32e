//! What operations cost: the estimate is never below what was written, for lists with pages.

use serde_json::json;

use super::api::{ACCOUNT, Api};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_estimate_is_what_full_pages_would_cost() {
    let api = Api::with_conversation().await;
    api.chain("long", 40).await;
    for (query, estimated, actual) in [
        ("{viewer{uid}}", 2, 2),
        ("{a:viewer{uid} viewer{uid}}", 3, 3),
        // A page is full here: nothing is estimated too high.
        (
            "{session(uid:\"long\"){turns(first:40){nodes{uid}}}}",
            43,
            43,
        ),
        // A full page would be dearer.
        ("{session(uid:\"s\"){turns(first:40){nodes{uid}}}}", 43, 9),
        (
            "{session(uid:\"s\"){turns(first:2){edges{node{uid}} nodes{uid} pageInfo{hasNextPage}}}}",
            10,
            10,
        ),
        // The dearest type of an interface, with its own pages inside.
        (
            "{session(uid:\"s\"){turns(last:2){nodes{uid ...on AgentTurn{steps(first:3){nodes{idx}}}}}}}",
            3 + 2 * (1 + 1 + 3),
            3 + 2 + 2,
        ),
        (
            "{nodes(ids:[\"HumanTurn:s-q1\",\"HumanTurn:s-q2\",\"HumanTurn:none\"]){id}}",
            4,
            3,
        ),
        (
            "{searchTurns(text:\"answer\",first:5){nodes{uid}}}",
            1 + 100 + 1 + 5,
            1 + 100 + 1 + 5,
        ),
        ("{session(uid:\"none\"){turns{nodes{uid}}}}", 1 + 2 + 50, 1),
        (
            "mutation{renameSession(id:\"Session:s\",input:{title:\"x\"}){session{uid} userErrors{code}}}",
            1 + 10 + 1 + 1 + 10,
            1 + 10 + 1,
        ),
    ] {
        let response = api.execute(ACCOUNT, (query, None), json!({})).await;
        let cost = response.about.cost.unwrap();
        assert_eq!(
            (cost.estimated, cost.actual),
            (estimated, actual),
            "{query}"
        );
    }
}

#[tokio::test]
async fn shared_fragments_are_estimated_in_time() {
    let api = Api::with_conversation().await;
    let mut query = "{turn(uid:\"s-a3\"){...F0}}".to_owned();
    for i in 0..20 {
        let n = i + 1;
        query += &format!(
            " fragment F{i} on Turn{{children{{nodes{{...F{n}}} edges{{node{{...F{n}}}}}}}}}"
        );
        if query.matches("children").count() >= 7 {
            query += &format!(" fragment F{n} on Turn{{uid}}");
            break;
        }
    }
    let response = api.execute(ACCOUNT, (&query, None), json!({})).await;
    let cost = response.about.cost.unwrap();
    assert!(cost.estimated > 1_000_000_000, "{cost:?}");
}
