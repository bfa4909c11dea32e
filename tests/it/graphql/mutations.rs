//! Mutations: one after another, each with a payload of the state right after it.

use serde_json::{Value, json};

use super::api::{ACCOUNT, Api};

#[tokio::test]
async fn each_mutation_sees_those_before_it_and_its_payload_none_after_it() {
    let api = Api::with_conversation().await;
    let text = api
        .text(
            "mutation{
            one:appendHumanTurn(sessionId:\"Session:s\",input:{parentId:\"AgentTurn:s-a3\",prompt:\"third\"}){
                humanTurn{uid prompt seq parent{uid} session{turnCount}} session{turnCount title} userErrors{code}}
            two:appendAgentTurn(sessionId:\"Session:s\",input:{parentId:\"HumanTurn:n0\",steps:[{type:TEXT,content:{text:\"done\"}}]}){
                agentTurn{uid text parent{uid}} session{turnCount activeLeaf{uid}}}
            three:renameSession(id:\"Session:s\",input:{title:\"New\"}){session{title turnCount activePath(last:1){nodes{...on AgentTurn{text}}}}}
            four:deleteTurn(id:\"HumanTurn:n0\"){deletedTurnIds session{turnCount activeLeaf{uid} title}}}",
        )
        .await;
    let wanted = json!({"data": {
        "one": {
            "humanTurn": {"uid": "n0", "prompt": "third", "seq": 6, "parent": {"uid": "s-a3"}, "session": {"turnCount": 7}},
            "session": {"turnCount": 7, "title": "Talk"}, "userErrors": []},
        "two": {
            "agentTurn": {"uid": "n1", "text": "done", "parent": {"uid": "n0"}},
            "session": {"turnCount": 8, "activeLeaf": {"uid": "n1"}}},
        "three": {"session": {"title": "New", "turnCount": 8, "activePath": {"nodes": [{"text": "done"}]}}},
        "four": {
            "deletedTurnIds": ["HumanTurn:n0", "AgentTurn:n1"],
            "session": {"turnCount": 6, "activeLeaf": {"uid": "s-a3"}, "title": "New"}},
    }});
    assert_eq!(text, wanted.to_string());
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one case a line")]
async fn every_mutation_answers_with_what_it_changed() {
    let api = Api::with_conversation().await;
    let data = api
        .data(
            "mutation{
            create:createSession(input:{uid:\"mine\",title:\"T\",firstPrompt:\"hello\"}){
                session{id turnCount} humanTurn{prompt} revision userErrors{code}}
            steps:appendSteps(turnId:\"AgentTurn:s-a1\",steps:[{type:CODE,content:{source:\"1\"}},{idx:7,type:THINK,content:\"hm\"}],progress:{status:CANCELLED}){
                steps{idx type id turn{uid}} agentTurn{status stepCount}}
            update:updateStep(id:\"Step:s-a1:0\",content:{text:\"changed\"}){step{...on TextStep{text}}}
            activate:activateTurn(id:\"AgentTurn:s-a1\"){turn{uid isOnActivePath} session{activePath{nodes{uid}}}}
            rate:rateAgentTurn(id:\"AgentTurn:s-a1\",liked:true){agentTurn{liked}}
            unrate:rateAgentTurn(id:\"AgentTurn:s-a1\"){agentTurn{liked}}
            fork:forkSession(sessionId:\"Session:s\",turnId:\"AgentTurn:s-a2\"){
                session{uid turnCount forkedFrom{session{uid} turn{uid}}} turn{...on AgentTurn{text}}}
            delete:deleteSession(id:\"Session:s\"){deletedSessionId session{deletedAt}}
            restore:restoreSession(id:\"Session:s\"){session{deletedAt}}
            gone:deleteTurn(id:\"AgentTurn:s-a1\"){deletedTurnIds}
            back:restoreTurn(id:\"AgentTurn:s-a1\"){turn{isDeleted} session{turnCount}}}",
        )
        .await;
    assert_eq!(
        data["create"]["session"],
        json!({"id": "Session:mine", "turnCount": 1})
    );
    assert_eq!(data["create"]["humanTurn"], json!({"prompt": "hello"}));
    assert!(
        data["create"]["revision"]
            .as_str()
            .unwrap()
            .starts_with("r1.")
    );
    assert_eq!(
        data["steps"],
        json!({"steps": [
            {"idx": 1, "type": "CODE", "id": "Step:s-a1:1", "turn": {"uid": "s-a1"}},
            {"idx": 7, "type": "THINK", "id": "Step:s-a1:7", "turn": {"uid": "s-a1"}}],
            "agentTurn": {"status": "CANCELLED", "stepCount": 3}})
    );
    assert_eq!(data["update"]["step"]["text"], "changed");
    assert_eq!(
        data["activate"]["turn"],
        json!({"uid": "s-a1", "isOnActivePath": true})
    );
    assert_eq!(
        data["activate"]["session"]["activePath"]["nodes"],
        json!([{"uid": "s-q1"}, {"uid": "s-a1"}])
    );
    assert_eq!(
        (
            &data["rate"]["agentTurn"]["liked"],
            &data["unrate"]["agentTurn"]["liked"]
        ),
        (&json!(true), &json!(null))
    );
    assert_eq!(data["fork"]["session"]["turnCount"], 2);
    assert_eq!(
        data["fork"]["session"]["forkedFrom"],
        json!({"session": {"uid": "s"}, "turn": {"uid": "s-a2"}})
    );
    assert_eq!(data["fork"]["turn"]["text"], "better answer");
    assert_eq!(data["delete"]["deletedSessionId"], "Session:s");
    assert_eq!(
        data["delete"]["session"]["deletedAt"],
        "2026-01-01T00:00:00.000Z"
    );
    assert_eq!(data["restore"]["session"]["deletedAt"], json!(null));
    assert_eq!(data["gone"]["deletedTurnIds"], json!(["AgentTurn:s-a1"]));
    assert_eq!(
        data["back"],
        json!({"turn": {"isDeleted": false}, "session": {"turnCount": 6}})
    );
}

#[tokio::test]
async fn refusals_are_user_errors_with_paths_and_leave_everything_null() {
    let api = Api::with_conversation().await;
    for (mutation, error) in [
        (
            "createSession(input:{uid:\"s\"})",
            json!({"code": "CONFLICT", "path": ["input", "uid"]}),
        ),
        (
            "renameSession(id:\"HumanTurn:s-q1\",input:{})",
            json!({"code": "INVALID", "path": ["id"]}),
        ),
        (
            "appendHumanTurn(sessionId:\"Session:s\",input:{parentId:\"HumanTurn:s-q1\",prompt:\"x\"})",
            json!({"code": "PARENT_ROLE_MISMATCH", "path": ["input", "parentId"]}),
        ),
        (
            "appendAgentTurn(sessionId:\"Session:s\",input:{parentId:\"HumanTurn:s-q1\",steps:[{type:TEXT,content:\"a\"},{type:UNKNOWN,content:1}]})",
            json!({"code": "INVALID", "path": ["input", "steps", "1", "type"]}),
        ),
        (
            "activateTurn(id:\"HumanTurn:nobody\")",
            json!({"code": "NOT_FOUND", "path": ["id"]}),
        ),
        (
            "updateStep(id:\"Step:s-a1:99\",content:1)",
            json!({"code": "NOT_FOUND", "path": ["id"]}),
        ),
        (
            "updateStep(id:\"AgentTurn:s-a1\",content:1)",
            json!({"code": "INVALID", "path": ["id"]}),
        ),
    ] {
        let query = format!("mutation{{m:{mutation}{{userErrors{{code path}} revision}}}}");
        let data = api.data(&query).await;
        assert_eq!(
            data["m"],
            json!({"userErrors": [error], "revision": null}),
            "{mutation}"
        );
    }
}

#[tokio::test]
async fn a_retry_with_the_same_key_answers_the_same_and_another_input_is_refused() {
    let api = Api::new().await;
    let create = |title: &str| {
        format!(
            "mutation{{createSession(input:{{title:\"{title}\"}},idempotencyKey:\"k\"){{session{{uid}} userErrors{{code}}}}}}"
        )
    };
    let first = api.text(&create("a")).await;
    assert_eq!(first, api.text(&create("a")).await);
    let other = api.data(&create("b")).await;
    assert_eq!(
        other["createSession"]["userErrors"],
        json!([{"code": "IDEMPOTENCY_MISMATCH"}])
    );
    assert_eq!(
        api.data("{sessions{nodes{uid}}}").await["sessions"]["nodes"],
        json!([{"uid": "n0"}])
    );
}

#[tokio::test]
async fn a_purged_session_is_gone_and_its_receipt_can_be_read_again() {
    let api = Api::with_conversation().await;
    let purge = "mutation{purgeSession(id:\"Session:s\"){
        erasure{id sessionId sessions state requestedAt stores{store state at}}
        revision userErrors{code path}}}";
    let first = api.data(purge).await;
    let payload = &first["purgeSession"];
    assert_eq!(payload["userErrors"], json!([]));
    assert!(payload["revision"].as_str().unwrap().starts_with("r1."));
    let receipt = &payload["erasure"];
    assert_eq!(receipt["sessionId"], "Session:s");
    assert_eq!(receipt["sessions"], 1);
    assert_eq!(receipt["state"], "DONE", "there are no copies");
    assert_eq!(receipt["stores"][0]["store"], "RECORD");
    assert_eq!(receipt["stores"][0]["at"], receipt["requestedAt"]);
    // Asked again, by whatever client: the same receipt.
    assert_eq!(api.data(purge).await, first);
    let read = format!(
        "{{erasure(id:{}){{id sessionId sessions state requestedAt stores{{store state at}}}}
        session(id:\"Session:s\"){{uid}} node(id:\"HumanTurn:s-q1\"){{id}}
        other:erasure(id:\"Session:s\"){{id}}}}",
        receipt["id"]
    );
    let data = api.data(&read).await;
    assert_eq!(data["erasure"], *receipt);
    for gone in ["session", "node", "other"] {
        assert_eq!(data[gone], Value::Null, "{gone}");
    }
}

#[tokio::test]
async fn an_erased_account_is_empty_and_may_be_blocked() {
    let api = Api::with_conversation().await;
    let erase = |block: bool| {
        format!(
            "mutation{{eraseAccount(uid:\"{ACCOUNT}\",block:{block}){{
            erasure{{id sessionId sessions}} userErrors{{code path}}}}}}"
        )
    };
    let create =
        "mutation{createSession(input:{title:\"again\"}){session{title} userErrors{code}}}";
    let data = api.data(&erase(false)).await;
    let receipt = &data["eraseAccount"]["erasure"];
    assert_eq!(
        (&receipt["sessionId"], &receipt["sessions"]),
        (&Value::Null, &json!(1))
    );
    assert_eq!(api.data(&erase(false)).await, data, "nothing came since");
    assert_eq!(
        api.data("{sessions{totalCount{count}}}").await["sessions"]["totalCount"]["count"],
        0
    );
    let made = api.data(create).await;
    assert_eq!(made["createSession"]["session"]["title"], "again");
    let blocked = api.data(&erase(true)).await;
    assert_ne!(blocked["eraseAccount"]["erasure"]["id"], receipt["id"]);
    let refused = api.data(create).await;
    assert_eq!(
        refused["createSession"],
        json!({"session": null, "userErrors": [{"code": "ACCOUNT_ERASED"}]})
    );
    let wrong = "mutation{eraseAccount(uid:\"other\"){erasure{id} userErrors{code path}}}";
    let data = api.data(wrong).await;
    assert_eq!(
        data["eraseAccount"],
        json!({"erasure": null, "userErrors": [{"code": "NOT_FOUND", "path": ["uid"]}]})
    );
}
