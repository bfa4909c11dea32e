//! Pages: arguments refused before any load, long sessions, lists of sessions that lose nobody.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::api::{ACCOUNT, Api};
use crate::support::rows;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one case a line")]
async fn page_arguments_are_refused_before_anything_is_loaded_and_name_themselves() {
    let api = Api::with_conversation().await;
    let in_session =
        |field: &str| format!("{{a:session(uid:\"s\"){{x:{field}{{pageInfo{{hasNextPage}}}}}}}}");
    for (query, says) in [
        (
            "{x:sessions(first:201){nodes{uid}}}".to_owned(),
            "x: `first: 201` is above the maximum of 200; ask for at most 200 and page on with `after: pageInfo.endCursor`",
        ),
        (
            "{x:sessions(last:-1){nodes{uid}}}".to_owned(),
            "x: `last` must not be negative, it is -1",
        ),
        (
            "{x:sessions(after:\"nonsense\"){nodes{uid}}}".to_owned(),
            "x: `after: \"nonsense\"` is not a cursor that this field returned",
        ),
        (
            "{x:sessions{totalCount(upTo:100001){count}}}".to_owned(),
            "x.totalCount: `upTo: 100001` must be between",
        ),
        (
            "{x:searchTurns(text:\" \"){nodes{uid}}}".to_owned(),
            "x: `text` must have between 1 and 10 words",
        ),
        (
            "{x:searchTurns(text:\"a\",first:101){nodes{uid}}}".to_owned(),
            "x: `first: 101` is above",
        ),
        (
            "{x:searchTurns(text:\"a\",after:\"z\"){nodes{uid}}}".to_owned(),
            "x: `after: \"z\"` is not a cursor",
        ),
        (
            "{x:searchTurns(text:\"a\",sessionId:\"HumanTurn:a\"){nodes{uid}}}".to_owned(),
            "x: `sessionId` is not the id of a session",
        ),
        (
            "{x:sessions(filter:{createdFrom:\"x\"}){nodes{uid}}}".to_owned(),
            "x: Failed to parse \"DateTime\": not an RFC 3339 instant, e.g. 2026-01-31T09:15:00Z (occurred while parsing \"SessionFilter\")",
        ),
        (
            "{x:session{uid}}".to_owned(),
            "x: give either `id` or `uid`",
        ),
        (
            "{x:turn(id:\"a\",uid:\"b\"){uid}}".to_owned(),
            "x: give either `id` or `uid`",
        ),
        (
            "{x:branchDiff(a:\"Session:s\",b:\"HumanTurn:s-q1\"){onlyA{uid}}}".to_owned(),
            "x: `a: \"Session:s\"` is not the id of a turn",
        ),
        (
            in_session("activePath(first:1001)"),
            "a.x: `first: 1001` is above the maximum of 1000",
        ),
        (
            in_session("turns(first:1,last:1)"),
            "a.x: `first` and `last` cannot be used together",
        ),
        (
            in_session("roots(before:\"abc\")"),
            "a.x: `before: \"abc\"` is not a cursor that this field returned",
        ),
        (
            in_session("branches(last:1001)"),
            "with `before: pageInfo.startCursor`",
        ),
        (
            in_session("outline(first:10001)"),
            "above the maximum of 10000",
        ),
        (
            in_session("path(through:\"Session:s\")"),
            "a.x: `through: \"Session:s\"` is not the id of a turn",
        ),
        (
            "{turn(uid:\"s-a1\"){...on AgentTurn{steps(first:1001){nodes{idx}}}}}".to_owned(),
            "turn.steps: `first: 1001` is above",
        ),
        (
            "{turn(uid:\"s-a1\"){preview(maxChars:0)}}".to_owned(),
            "turn.preview: `maxChars: 0` must be between",
        ),
        (
            "{node(id:\"Step:s-a1:0\"){...on TableStep{rows(limit:10001)}}}".to_owned(),
            "node.rows: `limit: 10001` must be between",
        ),
        (
            "{node(id:\"Step:s-a1:0\"){...on Step{plainText(maxChars:-1)}}}".to_owned(),
            "node.plainText: `maxChars: -1` must not be negative",
        ),
        (
            format!("{{nodes(ids:[{}]){{id}}}}", "\"a\" ".repeat(201)),
            "nodes: `ids` names 201 nodes; ask for at most 200",
        ),
    ] {
        let refusal = api.refusal(&query).await;
        assert!(
            refusal.starts_with("BAD_USER_INPUT at "),
            "{query}: {refusal}"
        );
        assert!(refusal.contains(says), "{query}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_ten_thousand_turns_is_read_by_pages() {
    let api = Api::new().await;
    api.chain("long", 10_000).await;
    for field in [
        "activePath",
        "turns",
        "path(through:\"HumanTurn:long-0\",first:10000)",
    ] {
        let asked = if field.contains('(') {
            field.to_owned()
        } else {
            format!("{field}(first:10000)")
        };
        let refusal = api
            .refusal(&format!(
                "{{session(uid:\"long\"){{{asked}{{nodes{{uid}}}}}}}}"
            ))
            .await;
        assert!(
            refusal.contains("ask for at most 1000 and page on with `after: pageInfo.endCursor`"),
            "{refusal}"
        );
    }
    let page = |arguments: &str| {
        format!(
            "{{session(uid:\"long\"){{turnCount activePath({arguments}){{nodes{{seq depth}} pageInfo{{hasNextPage hasPreviousPage startCursor endCursor}}}}}}}}"
        )
    };
    let first = api.data(&page("first:1000")).await["session"].take();
    assert_eq!(first["turnCount"], 10_000);
    assert_eq!(
        first["activePath"]["nodes"].as_array().unwrap().len(),
        1_000
    );
    assert_eq!(
        first["activePath"]["pageInfo"],
        json!({"hasNextPage": true, "hasPreviousPage": false, "startCursor": "activePath:0", "endCursor": "activePath:999"})
    );
    let last = api.data(&page("last:2")).await["session"]["activePath"].take();
    assert_eq!(
        last["nodes"],
        json!([{"seq": 9998, "depth": 9998}, {"seq": 9999, "depth": 9999}])
    );
    assert_eq!(last["pageInfo"]["hasNextPage"], false);
    let before = format!("last:2,before:{}", last["pageInfo"]["startCursor"]);
    let before = api.data(&page(&before)).await["session"]["activePath"].take();
    assert_eq!(before["nodes"][1]["seq"], 9997);
    let outline = api
        .data("{session(uid:\"long\"){outline(first:10000){nodes{turnId label depth}}}}")
        .await;
    assert_eq!(
        outline["session"]["outline"]["nodes"]
            .as_array()
            .unwrap()
            .len(),
        10_000
    );
}

#[tokio::test]
async fn paths_are_paged_by_place_where_another_program_numbered_a_child_before_its_parent() {
    let api = Api::new().await;
    let mut session = rows::session(ACCOUNT, "s");
    session.next_seq = 4;
    let turns = [
        rows::agent("d", Some("c"), 0),
        rows::human("a", None, 1, "a"),
        rows::human("c", Some("b"), 2, "c"),
        rows::agent("b", Some("a"), 3),
    ];
    api.insert(&session, &turns, &[]).await;
    let mut seen = Vec::new();
    let mut cursors = json!({});
    for _ in 0..4 {
        let query = "query($a:String $b:String $c:String){session(uid:\"s\"){
                activePath(first:1,after:$a){nodes{uid} pageInfo{endCursor hasNextPage}}
                path(through:\"AgentTurn:b\",first:1,after:$b){nodes{uid} pageInfo{endCursor}}}
            turn(uid:\"d\"){ancestors(first:1,after:$c){nodes{uid} pageInfo{endCursor}}}}";
        let data = api.data_with(query, cursors).await;
        let path = &data["session"]["activePath"];
        assert_eq!(path["nodes"], data["session"]["path"]["nodes"]);
        let uid = path["nodes"][0]["uid"].as_str().unwrap().to_owned();
        let ancestors = data["turn"]["ancestors"]["nodes"].as_array().unwrap();
        assert!(uid == "d" || ancestors[0]["uid"] == *uid);
        seen.push(uid);
        let end = |list: &Value| list["pageInfo"]["endCursor"].clone();
        cursors = json!({
            "a": end(path),
            "b": end(&data["session"]["path"]),
            "c": end(&data["turn"]["ancestors"]),
        });
        assert_eq!(path["pageInfo"]["hasNextPage"], seen.len() < 4);
    }
    assert_eq!(seen, ["a", "b", "c", "d"]);
}

/// Pages of sessions until there is no next one, with something done between pages.
async fn run_through(
    api: &Api,
    order: &str,
    size: usize,
    forward: bool,
    mut between: impl AsyncFnMut(usize),
) -> Vec<String> {
    let (size_name, cursor_name, more, end) = if forward {
        ("first", "after", "hasNextPage", "endCursor")
    } else {
        ("last", "before", "hasPreviousPage", "startCursor")
    };
    let query = format!(
        "query($c:String){{sessions(orderBy:{order},{size_name}:{size},{cursor_name}:$c){{edges{{cursor node{{uid}}}} pageInfo{{{more} {end}}}}}}}"
    );
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    for page in 0..100 {
        let data = api.data_with(&query, json!({"c": cursor})).await;
        let edges = data["sessions"]["edges"].as_array().unwrap();
        let mut uids: Vec<String> = edges
            .iter()
            .map(|e| e["node"]["uid"].as_str().unwrap().to_owned())
            .collect();
        if !forward {
            uids.reverse();
        }
        seen.extend(uids);
        if data["sessions"]["pageInfo"][more] == false {
            return seen;
        }
        cursor = data["sessions"]["pageInfo"][end].clone();
        between(page).await;
    }
    panic!("the pages of {order} do not end");
}

async fn sessions(api: &Api, count: usize) {
    for i in 0..count {
        let at = i64::try_from(i).unwrap() * 60_000_000;
        let start = crate::support::sqlite::START.0 + at;
        let session = rows::session_at(ACCOUNT, &format!("s{i}"), start, start);
        api.insert(&session, &[], &[]).await;
    }
    api.later(3_600);
}

#[tokio::test]
async fn sessions_are_listed_in_every_order_both_ways() {
    let api = Api::new().await;
    sessions(&api, 7).await;
    let ascending: Vec<String> = (0..7).map(|i| format!("s{i}")).collect();
    let descending: Vec<String> = ascending.iter().rev().cloned().collect();
    for (order, wanted, reversed) in [
        ("CREATED_ASC", &ascending, &descending),
        ("CREATED_DESC", &descending, &ascending),
        ("LAST_ACTIVITY_ASC", &ascending, &descending),
        ("LAST_ACTIVITY_DESC", &descending, &ascending),
    ] {
        for size in [1, 2, 3, 7, 8] {
            let none = async |_| {};
            assert_eq!(
                run_through(&api, order, size, true, none).await,
                *wanted,
                "{order} by {size}"
            );
            assert_eq!(
                run_through(&api, order, size, false, none).await,
                *reversed,
                "{order} by {size} from the end"
            );
        }
    }
    let between = api
        .data("{a:sessions(orderBy:CREATED_ASC,first:2){pageInfo{endCursor}} b:sessions(orderBy:CREATED_ASC,last:2){pageInfo{startCursor}}}")
        .await;
    let query = "query($a:String,$b:String){sessions(orderBy:CREATED_ASC,first:9,after:$a,before:$b){nodes{uid}}}";
    let variables = json!({"a": between["a"]["pageInfo"]["endCursor"], "b": between["b"]["pageInfo"]["startCursor"]});
    let data = api.data_with(query, variables).await;
    assert_eq!(
        data["sessions"]["nodes"],
        json!([{"uid": "s2"}, {"uid": "s3"}, {"uid": "s4"}])
    );
}

#[tokio::test]
async fn nobody_is_skipped_who_becomes_active_while_a_client_pages() {
    // Seconds between pages: within the minute of the first page, over its end, long after.
    for step in [0, 7, 31, 61, 600] {
        for size in [1, 2, 3] {
            let api = Api::new().await;
            sessions(&api, 8).await;
            // What is still far down the list jumps to its front, one a page, some of them twice.
            let touched = ["s1", "s0", "s1", "s7", "s2", "s0"];
            let seen = run_through(&api, "LAST_ACTIVITY_DESC", size, true, async |page| {
                api.later(step);
                api.clock.advance(1);
                if let Some(uid) = touched.get(page) {
                    let append = "mutation($s:ID!){appendHumanTurn(sessionId:$s,input:{prompt:\"p\"}){userErrors{code}}}";
                    api.data_with(append, json!({"s": format!("Session:{uid}")})).await;
                }
            })
            .await;
            let all: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
            assert_eq!(all.len(), 8, "by {size}, {step} s: {seen:?}");
            assert!(
                seen.len() <= 8 + touched.len(),
                "only what was touched is repeated: {seen:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_session_dated_in_the_future_hides_nobody_and_nothing_is_repeated_without_cause() {
    let api = Api::new().await;
    sessions(&api, 3).await;
    let far = crate::support::sqlite::START.0 + 1_000_000_000_000_000;
    api.insert(&rows::session_at(ACCOUNT, "future", far, far), &[], &[])
        .await;
    let seen = run_through(&api, "LAST_ACTIVITY_DESC", 1, true, async |page| {
        api.later(61);
        if page == 1 {
            let append = "mutation{appendHumanTurn(sessionId:\"Session:s0\",input:{prompt:\"p\"}){userErrors{code}}}";
            api.data(append).await;
        }
    })
    .await;
    assert_eq!(seen, ["future", "s2", "s1", "s0"]);
    // All that was made in this very minute is listed once.
    for title in ["a", "b", "c"] {
        api.clock.advance(10);
        api.data(&format!(
            "mutation{{createSession(input:{{uid:\"{title}\"}}){{userErrors{{code}}}}}}"
        ))
        .await;
    }
    api.clock.advance(1);
    let seen = run_through(&api, "LAST_ACTIVITY_DESC", 2, true, async |_| {}).await;
    assert_eq!(seen.len(), 7, "{seen:?}");
}

#[tokio::test]
async fn filters_counts_and_searches_hold() {
    let api = Api::with_conversation().await;
    sessions(&api, 5).await;
    let data = api
        .data(
            "{all:sessions{totalCount{count isExact} pageInfo{hasNextPage hasPreviousPage}}
            some:sessions{totalCount(upTo:3){count isExact}}
            titled:sessions(filter:{titleContains:\"TALK\"}){nodes{uid} totalCount{count}}
            none:sessions(first:0){nodes{uid} pageInfo{hasNextPage startCursor endCursor}}
            found:searchTurns(text:\"ANSWER better\"){nodes{uid session{title}} edges{cursor}}
            two:searchTurns(text:\"question\",first:1){nodes{uid} pageInfo{hasNextPage endCursor}}}",
        )
        .await;
    assert_eq!(
        data["all"],
        json!({"totalCount": {"count": 6, "isExact": true}, "pageInfo": {"hasNextPage": false, "hasPreviousPage": false}})
    );
    assert_eq!(
        data["some"]["totalCount"],
        json!({"count": 3, "isExact": false})
    );
    assert_eq!(
        data["titled"],
        json!({"nodes": [{"uid": "s"}], "totalCount": {"count": 1}})
    );
    assert_eq!(
        data["none"],
        json!({"nodes": [], "pageInfo": {"hasNextPage": true, "startCursor": null, "endCursor": null}})
    );
    assert_eq!(
        data["found"]["nodes"],
        json!([{"uid": "s-a2", "session": {"title": "Talk"}}])
    );
    assert_eq!(data["two"]["pageInfo"]["hasNextPage"], true);
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let query = "query($c:String){searchTurns(text:\"question\",first:1,after:$c){nodes{uid} pageInfo{hasNextPage endCursor}}}";
        let page = api.data_with(query, json!({"c": cursor})).await["searchTurns"].take();
        seen.extend(
            page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n["uid"].clone()),
        );
        cursor = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(seen, ["s-q2", "s-q1"]);
}

#[tokio::test]
async fn branches_and_their_difference_are_those_of_the_tree() {
    let api = Api::with_conversation().await;
    let data = api
        .data(
            "{session(uid:\"s\"){branchCount roots{nodes{uid}} branches{totalCount nodes{id length isActive title leaf{uid} forkPoint{uid}}}
                path(through:\"AgentTurn:s-a1\"){nodes{uid}} turns(filter:{role:HUMAN}){nodes{uid}}}
            turn(uid:\"s-a2\"){siblingIndex siblingCount siblings{nodes{uid}} children{nodes{uid}} ancestors{nodes{uid}} depth childCount}
            branchDiff(a:\"AgentTurn:s-a1\",b:\"AgentTurn:s-a3\"){commonAncestor{uid} onlyA{uid} onlyB{uid} textDiff{op text}}}",
        )
        .await;
    let session = &data["session"];
    assert_eq!(session["branchCount"], 3);
    assert_eq!(
        session["roots"]["nodes"],
        json!([{"uid": "s-q1"}, {"uid": "s-q3"}])
    );
    let branches = session["branches"]["nodes"].as_array().unwrap();
    let brief: Vec<_> = branches
        .iter()
        .map(|b| {
            (
                b["id"].as_str().unwrap(),
                b["length"].as_i64().unwrap(),
                b["isActive"].as_bool().unwrap(),
                b["forkPoint"]["uid"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        brief,
        [
            ("Branch:s-a1", 2, false, Some("s-q1")),
            ("Branch:s-a3", 4, true, Some("s-q1")),
            ("Branch:s-q3", 1, false, None)
        ]
    );
    assert_eq!(
        session["path"]["nodes"],
        json!([{"uid": "s-q1"}, {"uid": "s-a1"}])
    );
    assert_eq!(
        session["turns"]["nodes"],
        json!([{"uid": "s-q1"}, {"uid": "s-q2"}, {"uid": "s-q3"}])
    );
    assert_eq!(
        data["turn"],
        json!({"siblingIndex": 1, "siblingCount": 2, "siblings": {"nodes": [{"uid": "s-a1"}, {"uid": "s-a2"}]},
            "children": {"nodes": [{"uid": "s-q2"}]}, "ancestors": {"nodes": [{"uid": "s-q1"}]}, "depth": 1, "childCount": 1})
    );
    let diff = &data["branchDiff"];
    assert_eq!(diff["commonAncestor"]["uid"], "s-q1");
    assert_eq!(diff["onlyA"], json!([{"uid": "s-a1"}]));
    assert_eq!(
        diff["onlyB"],
        json!([{"uid": "s-a2"}, {"uid": "s-q2"}, {"uid": "s-a3"}])
    );
    let hunks = diff["textDiff"].as_array().unwrap();
    let side = |skip: &str| {
        hunks
            .iter()
            .filter(|h| h["op"] != *skip)
            .map(|h| h["text"].as_str().unwrap())
            .collect::<String>()
    };
    assert_eq!(side("INSERT"), "first answer");
    assert_eq!(
        side("DELETE"),
        "better answer\n\nsecond question\n\nlast answer"
    );
}
