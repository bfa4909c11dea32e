//! Round trips: the reads of the store that each documented operation needs are the same for one
//! turn and for ten thousand, for one session and for two hundred. A read of the SQLite store is
//! one statement.

use serde_json::json;

use super::api::{ACCOUNT, Api};
use crate::support::rows;

pub(super) const SESSION: &[(&str, &str, usize)] = &[
    (
        "a conversation",
        "{session(uid:\"s\"){title turnCount activePath{nodes{id role ...on HumanTurn{prompt} ...on AgentTurn{text stepCount steps{nodes{type content}}}}}}}",
        5,
    ),
    (
        "children of a turn",
        "{turn(uid:\"s-0\"){childCount children{nodes{id preview}}}}",
        4,
    ),
    (
        "the tail of the active path",
        "{session(uid:\"s\"){activePath(last:20){nodes{id ...on HumanTurn{prompt} ...on AgentTurn{text}}}}}",
        4,
    ),
    (
        "an outline",
        "{session(uid:\"s\"){outline(first:10000){nodes{turnId parentId depth}}}}",
        2,
    ),
    (
        "an outline with labels and types",
        "{session(uid:\"s\"){outline(first:10000){nodes{turnId label stepTypes}}}}",
        4,
    ),
    (
        "nodes of all kinds",
        "{nodes(ids:[\"HumanTurn:s-0\",\"Session:s\",\"Session:s1\",\"Branch:s-0\",\"OutlineNode:s-0\",\"Account:account\",\"Step:s-1:0\"]){id ...on Turn{preview}}}",
        6,
    ),
    (
        "two sessions under aliases",
        "{a:session(uid:\"s\"){title turnCount activePath{nodes{preview}}} b:session(uid:\"s1\"){title turnCount activePath{nodes{preview}}}}",
        4,
    ),
    (
        "the difference of two branches",
        "{branchDiff(a:\"HumanTurn:s-0\",b:\"HumanTurn:s-0\"){commonAncestor{uid} textDiff{op}}}",
        3,
    ),
];

pub(super) const ACCOUNTS: &[(&str, &str, usize)] = &[
    (
        "a history with previews",
        "{viewer{sessions(first:200){nodes{title turnCount activeLeaf{preview}} totalCount{count}}}}",
        5,
    ),
    (
        "a history",
        "{sessions(first:200){nodes{uid title lastActivityAt} pageInfo{endCursor}}}",
        1,
    ),
    (
        "a search",
        "{searchTurns(text:\"question\",first:100){nodes{preview session{title}}}}",
        4,
    ),
];

async fn reads(api: &Api, query: &str) -> usize {
    api.store.calls();
    api.data(query).await;
    api.store.calls().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_need_as_many_reads_for_ten_thousand_turns_as_for_two() {
    for turns in [2, 300, 10_000] {
        let api = Api::new().await;
        api.chain("s", turns).await;
        api.chain("s1", 2).await;
        for (what, query, wanted) in SESSION {
            assert_eq!(reads(&api, query).await, *wanted, "{what} of {turns} turns");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_need_as_many_reads_for_two_hundred_sessions_as_for_one() {
    for sessions in [1, 20, 200] {
        let api = Api::new().await;
        for i in 0..sessions {
            api.chain(&format!("s{i}"), 2).await;
        }
        for (what, query, wanted) in ACCOUNTS {
            assert_eq!(
                reads(&api, query).await,
                *wanted,
                "{what} of {sessions} sessions"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_beside_each_other_are_loaded_together() {
    for siblings in [1, 900] {
        let api = Api::new().await;
        let mut session = rows::session(ACCOUNT, "s");
        session.next_seq = siblings + 1;
        let mut turns = vec![rows::human("q", None, 0, "question")];
        turns.extend((1..=siblings).map(|n| rows::agent(&format!("a{n}"), Some("q"), n)));
        let steps: Vec<_> = (1..=siblings)
            .map(|n| (rows::step(&format!("a{n}"), 0, r#"{"text":"answer"}"#), n))
            .collect();
        api.insert(&session, &turns, &steps).await;
        api.store.calls();
        let query = "{turn(uid:\"q\"){children(first:1000){nodes{preview ...on AgentTurn{stepCount steps{nodes{idx}}}}}}}";
        let data = api.data(query).await;
        let nodes = data["turn"]["children"]["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), usize::try_from(siblings).unwrap());
        assert_eq!(
            nodes[0],
            json!({"preview": "answer", "stepCount": 1, "steps": {"nodes": [{"idx": 0}]}})
        );
        let mut calls = api.store.calls();
        calls.sort_unstable();
        assert_eq!(
            calls,
            [
                "sessions_by_turn",
                "sessions_by_uid",
                "step_heads",
                "steps",
                "turns_by_session"
            ]
        );
    }
}
