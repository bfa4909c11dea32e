//! What was erased is nowhere: in no table, no file, no cache and no dead letter; and the receipt
//! says of each store when it was gone.

use serde_json::Value;

use super::{Stores, ask_until, sources};
use crate::program::{Server, run, stdout};
use crate::support::cassandra::{flush_and_compact, found_in_files, left_in_files};
use crate::support::postgres::server as pg_programs;

/// Bytes that nothing else has.
const CANARIES: [&str; 3] = ["vT9titleQk3x", "bN4promptYw7m", "jH6stepsRc2z"];

/// Writes a conversation with the canaries; keys of the session and of its answer.
async fn converse(server: &Server) -> (String, String) {
    let [title, prompt, step] = CANARIES;
    let made = server
        .ask(&format!(
            "mutation {{
                createSession(input: {{uid: \"sess\", title: \"{title}\"}}) {{ userErrors {{ code }} }}
                human: appendHumanTurn(sessionId: \"Session:sess\", input: {{
                    uid: \"ask\", prompt: \"{prompt}\"}}) {{ userErrors {{ code }} }}
                agent: appendAgentTurn(sessionId: \"Session:sess\", input: {{
                    uid: \"reply\", parentId: \"HumanTurn:ask\",
                    steps: [{{type: TEXT, content: {{text: \"{step}\"}}}}]}}) {{ userErrors {{ code }} }}
            }}"
        ))
        .await;
    for part in ["createSession", "human", "agent"] {
        let errors = made["data"][part]["userErrors"].as_array();
        assert!(errors.is_some_and(Vec::is_empty), "{made}");
    }
    ("sess".to_owned(), "reply".to_owned())
}

const READ: &str = "{ session(id: \"Session:sess\") { title turns(first: 10) { nodes {
    ... on HumanTurn { prompt } ... on AgentTurn { steps { __typename } } } } } }";

/// Everything that Redis holds: names of keys, and values of texts and sorted sets.
async fn in_redis(url: &str) -> Vec<u8> {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut connection)
        .await
        .unwrap();
    let mut held = Vec::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE")
            .arg(&key)
            .query_async(&mut connection)
            .await
            .unwrap();
        let values: Vec<Vec<u8>> = match kind.as_str() {
            "string" => {
                let value = redis::cmd("GET")
                    .arg(&key)
                    .query_async(&mut connection)
                    .await;
                vec![value.unwrap()]
            }
            "zset" => {
                let mut range = redis::cmd("ZRANGE");
                range.arg(&key).arg(0).arg(-1);
                range.query_async(&mut connection).await.unwrap()
            }
            "none" => Vec::new(),
            other => panic!("a key of kind {other}"),
        };
        held.extend(key);
        held.extend(values.into_iter().flatten());
    }
    held
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// What cannot be projected: two turns of the session have one number.
async fn poison(stores: &Stores) {
    let mut connection = stores.postgres.connect("turngraph").await;
    let sql = "begin;
        insert into human_turns (uid, session_uid, prompt, seq, created_at)
            values ('one', 'sess', 'p', 2, now());
        insert into agent_turns (uid, session_uid, parent_uid, seq, created_at)
            values ('two', 'sess', 'ask', 2, now());
        commit";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}

async fn letters(stores: &Stores) -> i64 {
    let mut connection = stores.postgres.connect("turngraph").await;
    sqlx::query_scalar("select count(*) from dead_letters")
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

async fn wait_letters(stores: &Stores, wanted: impl Fn(i64) -> bool) {
    let until = std::time::Instant::now() + super::PATIENCE;
    while !wanted(letters(stores).await) {
        assert!(
            std::time::Instant::now() < until,
            "{} dead letters",
            letters(stores).await
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn stores_of(receipt: &Value) -> Vec<(&str, bool)> {
    let stores = receipt["stores"].as_array().unwrap().iter();
    stores
        .map(|store| {
            let done = store["state"] == "DONE";
            assert_eq!(done, store["at"].is_string(), "{store}");
            (store["store"].as_str().unwrap(), done)
        })
        .collect()
}

/// A new keyspace is filled and read without a hand, and what is read is cached.
async fn read_from_each_copy(stores: &Stores, server: &Server) {
    stores.projections_are_read(server).await;
    let until = std::time::Instant::now() + super::PATIENCE;
    loop {
        stores.flush_redis().await;
        let answer = server.ask(READ).await;
        if sources(&answer).contains(&"CQL") {
            break;
        }
        assert!(std::time::Instant::now() < until, "{answer}");
    }
    ask_until(server, READ, |answer| sources(answer).contains(&"REDIS")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_erased_is_nowhere_and_the_receipt_says_so_of_each_store() {
    let stores = Stores::new().await;
    let server = stores.serve();
    converse(&server).await;
    read_from_each_copy(&stores, &server).await;
    poison(&stores).await;
    wait_letters(&stores, |letters| letters > 0).await;
    let keyspace = stores.keyspace.name().to_owned();
    flush_and_compact(&keyspace);
    assert_eq!(
        found_in_files(&keyspace, &CANARIES),
        CANARIES,
        "they can be found"
    );
    ask_until(&server, READ, |answer| !sources(answer).is_empty()).await;

    let receipt = "id state sessions stores { store state at }";
    let purged = server
        .ask(&format!(
            "mutation {{ purgeSession(id: \"Session:sess\") {{
                erasure {{ {receipt} }} userErrors {{ code }} }} }}"
        ))
        .await;
    let erasure = &purged["data"]["purgeSession"]["erasure"];
    let named: Vec<&str> = stores_of(erasure)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(named, ["RECORD", "CQL", "REDIS"], "{purged}");
    let id = erasure["id"].as_str().unwrap();
    let query = format!("{{ erasure(id: \"{id}\") {{ {receipt} }} }}");
    let done = ask_until(&server, &query, |answer| {
        answer["data"]["erasure"]["state"] == "DONE"
    })
    .await;
    assert!(
        stores_of(&done["data"]["erasure"])
            .iter()
            .all(|(_, done)| *done)
    );
    wait_letters(&stores, |letters| letters == 0).await;

    flush_and_compact(&keyspace);
    assert_eq!(
        left_in_files(&keyspace, &CANARIES).await,
        Vec::<&str>::new()
    );
    let dump = pg_programs().program("pg_dump", &["--data-only", &stores.record()], "");
    let cached = in_redis(&stores.redis.url()).await;
    for text in CANARIES {
        assert!(!dump.contains(text), "{text} is in the record store");
        assert!(!holds(&cached, text), "{text} is in the cache");
    }
    assert!(
        !holds(&cached, "{sess}"),
        "the session's key is in the cache"
    );
    assert_eq!(server.ask(READ).await["data"]["session"], Value::Null);
    let page = server.page("/metrics").await;
    assert!(
        page.contains("turngraph_projector_erasures_total 2"),
        "{page}"
    );
    the_account_goes_too(&stores, &server).await;
}

/// Its key is listed nowhere, and nothing of it is imported any more.
async fn the_account_goes_too(stores: &Stores, server: &Server) {
    converse(server).await;
    let session = stores.keyspace.session().await;
    let accounts = async || {
        let mut found = 0;
        for table in [
            "months_by_user_1",
            "sessions_by_user_1",
            "turns_by_session_1",
        ] {
            let cql = format!(
                "select account_uid from {table} where account_uid = 'demo' allow filtering"
            );
            let rows = session.query_unpaged(cql, ()).await.unwrap();
            found += rows.into_rows_result().unwrap().rows_num();
        }
        found
    };
    ask_until(server, READ, |answer| {
        answer["data"]["session"]["title"].is_string()
    })
    .await;
    let until = std::time::Instant::now() + super::PATIENCE;
    while accounts().await < 3 {
        assert!(
            std::time::Instant::now() < until,
            "the account is not listed"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let erased = server
        .ask("mutation { eraseAccount(uid: \"demo\", block: true) { erasure { id } userErrors { code } } }")
        .await;
    let id = erased["data"]["eraseAccount"]["erasure"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{erased}"));
    let query = format!("{{ erasure(id: \"{id}\") {{ state sessions }} }}");
    let done = ask_until(server, &query, |answer| {
        answer["data"]["erasure"]["state"] == "DONE"
    })
    .await;
    assert_eq!(done["data"]["erasure"]["sessions"], 1);
    assert_eq!(accounts().await, 0, "the account's key is still listed");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/odd/openwebui.json");
    let record = stores.record();
    let import = run(&[
        "import",
        file,
        "--account",
        "demo",
        "--record",
        &record,
        "--json",
    ]);
    assert!(stdout(&import).contains("erased"), "{}", stdout(&import));
    let mut connection = stores.postgres.connect("turngraph").await;
    let sessions: i64 = sqlx::query_scalar("select count(*) from sessions")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(sessions, 0);
}
