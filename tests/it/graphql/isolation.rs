//! What belongs to another account looks exactly as what does not exist; ids of odd keys.

use serde_json::json;
use turngraph::domain::Clock;
use turngraph::stores::RecordStore;

use super::api::{ACCOUNT, Api};
use crate::support::rows;

/// Every door into the graph, with `@` where a key stands.
const READS: &[&str] = &[
    "{node(id:\"Session:@\"){id}}",
    "{node(id:\"HumanTurn:@-q1\"){id ...on HumanTurn{prompt}}}",
    "{node(id:\"AgentTurn:@-a1\"){id ...on AgentTurn{text}}}",
    "{node(id:\"Step:@-a1:0\"){id ...on TextStep{text content}}}",
    "{node(id:\"Branch:@-a3\"){id}}",
    "{node(id:\"OutlineNode:@-q1\"){id ...on OutlineNode{label}}}",
    "{node(id:\"Account:@\"){id}}",
    "{nodes(ids:[\"Session:@\",\"HumanTurn:@-q1\",\"Step:@-a1:0\",\"Session:mine\"]){id}}",
    "{account(uid:\"@\"){id sessions{nodes{uid}}}}",
    "{session(uid:\"@\"){title revision turns{nodes{id}}}}",
    "{session(id:\"Session:@\"){title}}",
    "{turn(uid:\"@-q1\"){preview session{title}}}",
    "{turn(id:\"AgentTurn:@-a1\"){preview}}",
    "{searchTurns(text:\"question\",sessionId:\"Session:@\"){nodes{uid} pageInfo{hasNextPage}}}",
    "{searchTurns(text:\"question\",after:\"#search:1767225600000000~@-q9\"){nodes{uid}}}",
    "{erasure(id:\"Erasure:@\"){id}}",
    "{branchDiff(a:\"AgentTurn:@-a1\",b:\"AgentTurn:@-a2\"){onlyA{uid}}}",
    "{branchDiff(a:\"AgentTurn:mine-a1\",b:\"AgentTurn:@-a2\"){onlyA{uid}}}",
    "{session(uid:\"mine\"){path(through:\"HumanTurn:@-q1\"){nodes{uid}}}}",
    "{sessions(after:\"#active:1767225600000000~1767225600000000~~@\"){nodes{uid}}}",
    "{sessions(orderBy:CREATED_ASC,after:\"#created:1767225600000000~~~@\"){nodes{uid} totalCount{count}}}",
];

/// How cursors of a list begin: a name for it above, and a page of the list.
const LISTS: &[(&str, &str, &str)] = &[
    ("#search", "searchTurns", "text:\"question\""),
    ("#active", "sessions", "orderBy:LAST_ACTIVITY_DESC"),
    ("#created", "sessions", "orderBy:CREATED_ASC"),
];

const WRITES: &[&str] = &[
    "renameSession(id:\"Session:@\",input:{title:\"x\"})",
    "deleteSession(id:\"Session:@\")",
    "restoreSession(id:\"Session:@\")",
    "purgeSession(id:\"Session:@\")",
    "eraseAccount(uid:\"@\",block:true)",
    "forkSession(sessionId:\"Session:@\",turnId:\"HumanTurn:@-q1\")",
    "forkSession(sessionId:\"Session:mine\",turnId:\"HumanTurn:@-q1\")",
    "appendHumanTurn(sessionId:\"Session:@\",input:{prompt:\"x\"})",
    "appendHumanTurn(sessionId:\"Session:mine\",input:{prompt:\"x\",parentId:\"AgentTurn:@-a1\"})",
    "appendAgentTurn(sessionId:\"Session:@\",input:{parentId:\"HumanTurn:@-q1\"})",
    "appendAgentTurn(sessionId:\"Session:mine\",input:{parentId:\"HumanTurn:@-q1\"})",
    "appendSteps(turnId:\"AgentTurn:@-a1\",steps:[{type:TEXT,content:\"x\"}])",
    "updateStep(id:\"Step:@-a1:0\",content:\"x\")",
    "activateTurn(id:\"AgentTurn:@-a1\")",
    "rateAgentTurn(id:\"AgentTurn:@-a1\",liked:true)",
    "deleteTurn(id:\"HumanTurn:@-q1\")",
    "restoreTurn(id:\"HumanTurn:@-q1\")",
];

/// The reads, with cursors that begin as those of their lists do.
async fn reads(api: &Api) -> Vec<String> {
    let mut reads: Vec<String> = READS.iter().map(|read| (*read).to_owned()).collect();
    for (name, field, arguments) in LISTS {
        let page = format!("{{{field}({arguments}){{pageInfo{{endCursor}}}}}}");
        let data = api.data(&page).await;
        let cursor = data[field]["pageInfo"]["endCursor"].as_str().unwrap();
        let list = cursor.split(':').next().unwrap();
        for read in &mut reads {
            *read = read.replace(name, list);
        }
    }
    assert!(!reads.iter().any(|read| read.contains('#')));
    reads
}

#[tokio::test]
async fn a_foreign_thing_and_a_missing_one_cannot_be_told_apart() {
    let api = Api::new().await;
    api.conversation(ACCOUNT, "mine").await;
    api.conversation("other", "theirs").await;
    api.conversation("other", "gone").await;
    api.conversation("other", "kept").await;
    let (other, gone, receipt) = (rows::uid("other"), rows::uid("gone"), rows::uid("theirs"));
    let erasures = api.store.erasures().unwrap();
    let erased = erasures.erase_session(&other, &gone, &receipt, api.clock.now());
    erased.await.unwrap().unwrap();
    let writes = WRITES
        .iter()
        .map(|field| format!("mutation{{m:{field}{{userErrors{{code path message}} revision}}}}"));
    let all: Vec<String> = reads(&api).await.into_iter().chain(writes).collect();
    let schema = turngraph::graphql::sdl();
    for root in ["type Query {", "type Mutation {"] {
        let body = schema
            .split(root)
            .nth(1)
            .unwrap()
            .split("\n}")
            .next()
            .unwrap();
        for line in body.lines() {
            let name: String = line
                .trim()
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            let is_field = line.starts_with('\t') && !line.starts_with("\t\t") && !name.is_empty();
            let is_field = is_field && line.trim()[name.len()..].starts_with(['(', ':']);
            let walks = |text: &String| {
                text.contains(&format!("{name}(")) || text.contains(&format!("{{{name}"))
            };
            let has_no_key = ["viewer", "status", "createSession"].contains(&name.as_str());
            assert!(
                !is_field || has_no_key || all.iter().any(walks),
                "{name} is not walked here"
            );
        }
    }
    for query in all {
        let foreign = api.text(&query.replace('@', "theirs")).await;
        let missing = api.text(&query.replace('@', "thairs")).await;
        assert_eq!(foreign.replace("theirs", "thairs"), missing, "{query}");
        assert!(
            !foreign.contains("Talk") && !foreign.contains("first"),
            "{query}: {foreign}"
        );
        if !query.starts_with('{') {
            // The owner's own writes would change what is looked at.
            continue;
        }
        // The owner finds it: the query is about something.
        let own = api
            .execute("other", (&query.replace('@', "theirs"), None), json!({}))
            .await;
        if !query.contains("mine") && !query.contains("Account:") && !query.contains("account(") {
            assert!(
                !String::from_utf8(own.body).unwrap().contains(":null}}"),
                "{query}"
            );
        }
    }
    let taken = "mutation{createSession(input:{uid:\"kept\"}){session{uid} userErrors{code}}}";
    let data = api.data(taken).await;
    assert_eq!(
        data["createSession"]["session"],
        json!(null),
        "keys are unique over accounts"
    );
}

#[tokio::test]
async fn ids_of_odd_keys_lead_back_to_what_they_name() {
    let api = Api::new().await;
    for key in [
        "a:b:3",
        "quote\"back\\slash",
        "ключ 🔑",
        "Session:x",
        "~1~2~",
        "%_'",
        " ",
    ] {
        api.conversation(ACCOUNT, key).await;
        let query = "query($u:Uid!){session(uid:$u){id uid turns{nodes{id uid ...on AgentTurn{steps{nodes{id}}}}}
            branches{nodes{id}} outline{nodes{id turnId}}}}";
        let data = api.data_with(query, json!({"u": key})).await;
        let session = &data["session"];
        assert_eq!(session["uid"], key);
        let mut ids = vec![session["id"].clone()];
        for list in ["turns", "branches", "outline"] {
            for node in session[list]["nodes"].as_array().unwrap() {
                ids.push(node["id"].clone());
                let steps = node["steps"]["nodes"].as_array();
                ids.extend(steps.into_iter().flatten().map(|step| step["id"].clone()));
            }
        }
        assert_eq!(ids.len(), 1 + 6 + 3 + 3 + 6, "{session:#}");
        let found = api
            .data_with(
                "query($ids:[ID!]!){nodes(ids:$ids){id}}",
                json!({"ids": ids}),
            )
            .await;
        let found: Vec<_> = found["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n["id"].clone())
            .collect();
        assert_eq!(found, ids);
        let page = "query($c:String){sessions(orderBy:CREATED_ASC,first:1,after:$c){nodes{uid} pageInfo{endCursor hasNextPage}}}";
        let mut cursor = json!(null);
        let mut seen = 0;
        loop {
            let data = api.data_with(page, json!({"c": cursor})).await;
            seen += 1;
            cursor = data["sessions"]["pageInfo"]["endCursor"].clone();
            if data["sessions"]["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        let all = api.data("{sessions{nodes{uid}}}").await;
        assert_eq!(all["sessions"]["nodes"].as_array().unwrap().len(), seen);
    }
    for nonsense in [
        "",
        ":",
        "Session",
        "Session:",
        "Step:s:x",
        "Nothing:s",
        "session:s",
        "Step:9",
    ] {
        let data = api
            .data_with("query($i:ID!){node(id:$i){id}}", json!({"i": nonsense}))
            .await;
        assert_eq!(data, json!({"node": null}), "{nonsense:?}");
    }
    assert_eq!(rows::uid("a:b:3").as_str(), "a:b:3");
}
