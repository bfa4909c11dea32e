//! The whole way of an existing user: a filled database, `migrate up`, `serve`, GraphQL, while an
//! old program goes on writing with its own SQL.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{Server, run, stderr, stdout};
use crate::support::postgres::Database;

const GIVEN: &str = "
create table sessions (uid character varying, account_uid character varying,
    title character varying, created_at timestamptz, deleted_at timestamptz);
create table agent_turns (uid character varying, session_uid character varying,
    parent_uid character varying, active_child character varying, liked boolean,
    created_at timestamptz);
create table human_turns (uid character varying, session_uid character varying,
    parent_uid character varying, active_child character varying, prompt character varying,
    created_at timestamptz);
create table steps (agent_turn_uid character varying, idx integer, tpe integer,
    content character varying, created_at timestamptz)";

/// One exchange of the old program: two branches of answers on every third prompt.
fn exchange(nth: u64) -> String {
    let session = format!("s{}", nth % 7);
    let mut sql = format!(
        "insert into human_turns values ('h{nth}', '{session}', null, null, 'prompt {nth} ✓', now());"
    );
    for answer in 0..1 + u64::from(nth.is_multiple_of(3)) {
        sql += &format!(
            "insert into agent_turns values ('a{nth}.{answer}', '{session}', 'h{nth}', null, null, now());
             insert into steps values ('a{nth}.{answer}', 0, 1, '{{\"text\": \"answer {nth}.{answer}\"}}', now());
             insert into steps values ('a{nth}.{answer}', 1, 3, 'not JSON at all', now());"
        );
    }
    sql
}

async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap();
}

/// What GraphQL shows of all sessions: turn to prompt, step to content.
async fn shown(server: &Server) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for nth in 0..7 {
        let answer = server
            .ask(&format!(
                "{{ session(uid: \"s{nth}\") {{ turnCount turns(first: 1000) {{ nodes {{ uid \
                 ... on HumanTurn {{ prompt }} \
                 ... on AgentTurn {{ steps {{ nodes {{ idx content }} }} }} }} }} }} }}"
            ))
            .await;
        let turns = answer["data"]["session"]["turns"]["nodes"]
            .as_array()
            .unwrap();
        for turn in turns {
            let uid = turn["uid"].as_str().unwrap();
            if let Some(prompt) = turn["prompt"].as_str() {
                found.insert(uid.to_owned(), prompt.to_owned());
            }
            for step in turn["steps"]["nodes"].as_array().into_iter().flatten() {
                let content = match &step["content"] {
                    serde_json::Value::String(text) => text.clone(),
                    json => json["text"].as_str().unwrap().to_owned(),
                };
                found.insert(format!("{uid}/{}", step["idx"]), content);
            }
        }
    }
    found
}

/// The same by the old program's own SQL.
async fn stored(connection: &mut PgConnection) -> BTreeMap<String, String> {
    let rows = sqlx::query(
        "select uid as key, prompt as text from human_turns
         union all
         select agent_turn_uid || '/' || idx, case when tpe = 1
             then content::json ->> 'text' else content end from steps",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    rows.iter()
        .map(|row| (row.get("key"), row.get("text")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_existing_database_is_adopted_and_served_while_an_old_program_writes() {
    let database = Database::empty();
    let mut connection = database.connect().await;
    execute(&mut connection, GIVEN.to_owned()).await;
    for nth in 0..7 {
        let sql =
            format!("insert into sessions values ('s{nth}', 'demo', 'old {nth}', now(), null)");
        execute(&mut connection, sql).await;
    }
    for nth in 0..60 {
        execute(&mut connection, exchange(nth)).await;
    }
    let (stop, written) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(60)),
    );
    let old_program = tokio::spawn({
        let (stop, written, url) = (Arc::clone(&stop), Arc::clone(&written), database.url());
        async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            while !stop.load(Ordering::Relaxed) {
                let nth = written.load(Ordering::Relaxed);
                execute(&mut connection, exchange(nth)).await;
                let liked = format!("update agent_turns set liked = true where uid = 'a{nth}.0'");
                execute(&mut connection, liked).await;
                written.fetch_add(1, Ordering::Relaxed);
                // A pace that keeps each session on one page however long the adoption takes.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let url = database.url();
    let plan = run(&["migrate", "plan", "--record", &url]);
    assert!(plan.status.success(), "{}", stderr(&plan));
    assert!(
        stdout(&plan).contains("COPY"),
        "the plan warns old programs: {}",
        stdout(&plan)
    );
    let up = tokio::task::spawn_blocking({
        let url = url.clone();
        move || run(&["migrate", "up", "--record", &url])
    });
    let up = up.await.unwrap();
    assert!(up.status.success(), "{}", stderr(&up));
    let server = Server::start(
        &["serve", "--listen", "127.0.0.1:0", "--record", &url],
        "listening",
    );
    let adopted_at = written.load(Ordering::Relaxed);
    while written.load(Ordering::Relaxed) < adopted_at + 30 {
        shown(&server).await;
    }
    stop.store(true, Ordering::Relaxed);
    old_program.await.expect("the old program met no error");
    let expected = stored(&mut connection).await;
    assert!(expected.len() > 200);
    assert_eq!(
        shown(&server).await,
        expected,
        "nothing is lost and nothing is made up"
    );
}
