//! `turngraph doctor` on real servers, right and wrong.

use serde_json::Value;

use super::Stores;
use crate::program::{run, stdout};

/// What is found, by name, and the exit code.
fn doctor(stores: &Stores, more: &[&str]) -> (Vec<Value>, Option<i32>) {
    let arguments = [&["doctor", "--json"], more].concat();
    let output = run(&stores.with(&arguments));
    let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
    (found.as_array().unwrap().clone(), output.status.code())
}

/// The findings of a name: severity, what was found, hint.
fn of<'f>(found: &'f [Value], name: &str) -> Vec<(&'f str, &'f str, &'f str)> {
    let named = found.iter().filter(|check| check["name"] == name);
    named
        .map(|check| {
            let text = |key: &str| check[key].as_str().unwrap_or("");
            assert_eq!(
                check["ok"] == true,
                text("severity") != "problem",
                "{check}"
            );
            assert!(
                text("severity") == "ok" || !text("found").is_empty(),
                "{check}"
            );
            (text("severity"), text("found"), text("hint"))
        })
        .collect()
}

/// There is one of this severity that says these words, in what was found or in the hint.
fn says(found: &[Value], name: &str, severity: &str, words: &[&str]) {
    let fits = |(is, what, hint): &(&str, &str, &str)| {
        *is == severity
            && words
                .iter()
                .all(|word| what.contains(word) || hint.contains(word))
    };
    assert!(
        of(found, name).iter().any(fits),
        "{name} {words:?}: {found:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_looks_at_every_store_and_at_the_way_between_them() {
    let stores = Stores::new().await;
    let (found, code) = doctor(&stores, &[]);
    assert_eq!(code, Some(0), "{found:#?}");
    for name in [
        "record store",
        "schema",
        "pending turns",
        "record clock",
        "record permissions",
        "change feed",
        "numbers of turns",
        "changes put aside",
        "projections",
        "cql schema",
        "cql clock",
        "cql permissions",
        "cache clock",
        "cache permissions",
    ] {
        assert!(
            of(&found, name)
                .iter()
                .any(|(severity, ..)| *severity == "ok"),
            "{name}: {found:#?}"
        );
    }
    says(&found, "slot", "warning", &["no slot", "turngraph project"]);
    says(
        &found,
        "projector",
        "warning",
        &["none is at work", "turngraph project"],
    );
    says(
        &found,
        "generation",
        "warning",
        &["none is read", "projector"],
    );
    says(
        &found,
        "change feed",
        "warning",
        &["max_slot_wal_keep_size"],
    );
    says(&found, "cache", "warning", &["without a limit"]);

    let server = stores.serve();
    let create =
        "mutation { createSession(input: {uid: \"d\", title: \"t\"}) { userErrors { code } } }";
    server.ask(create).await;
    stores.projections_are_read(&server).await;
    let listen = server.url.strip_prefix("http://").unwrap();
    let (found, code) = doctor(&stores, &["--listen", listen]);
    assert_eq!(code, Some(0), "{found:#?}");
    says(&found, "listen", "ok", &["turngraph answers"]);
    says(&found, "slot", "ok", &["active", "reserved", "bytes kept"]);
    says(&found, "projector", "ok", &["at work"]);
    says(&found, "generation", "ok", &["1 is read"]);
    assert_eq!(of(&found, "projection lag").len(), 1);
    // People read the same.
    let text = stdout(&run(&stores.with(&["doctor"])));
    assert!(text.contains("✔ projector          at work"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_says_what_is_wrong_and_what_to_do() {
    let mut stores = Stores::unmigrated().await;
    let (found, code) = doctor(&stores, &[]);
    assert_eq!(code, Some(1));
    says(&found, "record store", "problem", &["turngraph migrate up"]);
    says(&found, "cql schema", "problem", &["turngraph migrate up"]);
    let up = run(&stores.with(&["migrate", "up"]));
    assert!(up.status.success());

    let mut admin = stores.postgres.connect("turngraph").await;
    let sql = "create role reader login; grant select on all tables in schema public to reader;
        insert into sessions (uid, account_uid, title, created_at) values ('s', 'a', 't', now());
        insert into human_turns (uid, session_uid, prompt, created_at) values ('h', 's', 'p', now());
        insert into agent_turns (uid, session_uid, parent_uid, created_at)
            values ('r', 's', 'h', now())";
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    let reader = stores.record().replace("postgres@", "reader@");
    let (found, code) = doctor(&stores, &["--record", &reader]);
    assert_eq!(code, Some(1));
    says(
        &found,
        "record permissions",
        "problem",
        &["sessions: delete, insert, update", "grant"],
    );
    says(
        &found,
        "change feed",
        "problem",
        &["alter role", "replication"],
    );

    // Numbers that no index forbids, as a program writes that knows nothing of them.
    let sql = "update human_turns set seq = 0 where uid = 'h';
        update agent_turns set seq = 0 where uid = 'r';
        insert into dead_letters (session_uid, row_key, problem, feed_position, created_at)
            values (null, 'steps x 0', 'cannot be read', 1, now())";
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    let (found, code) = doctor(&stores, &[]);
    assert_eq!(code, Some(1));
    says(
        &found,
        "numbers of turns",
        "problem",
        &["0 of session s is given twice", "insert it again"],
    );
    says(
        &found,
        "changes put aside",
        "warning",
        &["1; the first: steps x 0", "need a hand"],
    );

    others_in_their_places(&mut stores);
    a_log_that_does_not_tell(&mut stores);
}

/// What is away, is another service, or is not there.
fn others_in_their_places(stores: &mut Stores) {
    let not_redis = format!("redis://{}", stores.postgres.address());
    let (found, _) = doctor(stores, &["--redis", &not_redis]);
    says(&found, "cache", "problem", &["is PostgreSQL, not Redis"]);
    stores.redis.kill();
    let (found, _) = doctor(stores, &[]);
    says(
        &found,
        "cache",
        "problem",
        &["nothing answers at", "start Redis"],
    );
    let elsewhere = format!(
        "cql://{}/not_there?timeout_ms=20000",
        stores.keyspace.contact()
    );
    let (found, _) = doctor(stores, &["--cql", &elsewhere]);
    says(&found, "cql schema", "problem", &["turngraph migrate up"]);
    stores.redis.restart();
}

/// A server whose log does not tell what rows became.
fn a_log_that_does_not_tell(stores: &mut Stores) {
    stores.postgres.stop();
    stores.postgres.set("wal_level=replica");
    stores.postgres.start_again();
    let (found, code) = doctor(stores, &["--feed", "pgoutput"]);
    assert_eq!(code, Some(1));
    says(
        &found,
        "change feed",
        "problem",
        &["`wal_level` is `replica`", "alter system"],
    );
    let (found, _) = doctor(stores, &["--feed", "auto"]);
    says(&found, "change feed", "ok", &["change_log"]);
}
