//! All that a keyspace holds, as text: two projections of one record are the same, or they differ
//! in a row that is named.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::cassandra::Keyspace;

/// Tables whose rows depend on nothing but the record's rows. The list of an account's months is
/// left out: a month stays there when the last session of it has left the account, and which
/// accounts a session passed through is not told by every feed.
const TABLES: [&str; 3] = ["turns_by_session", "bodies_by_session", "sessions_by_user"];

/// `kind` of a number whose turn is gone.
const GRAVE: i64 = 9;

/// `idx` of a prompt among the bodies.
const PROMPT: i64 = i32::MIN as i64;

/// Every row of a keyspace.
pub(super) async fn image(keyspace: &Keyspace) -> BTreeSet<String> {
    let session = keyspace.session().await;
    let mut rows = BTreeSet::new();
    for table in TABLES {
        let all = format!("select json * from {table}_1");
        let found = session.query_unpaged(all, ()).await.unwrap();
        for row in found
            .into_rows_result()
            .unwrap()
            .rows::<(String,)>()
            .unwrap()
        {
            let mut row: Value = serde_json::from_str(&row.unwrap().0).unwrap();
            if row["kind"] == GRAVE {
                // Above the turn's last version; how far depends on who finds the number empty.
                row["rev"] = Value::Null;
            }
            if row["idx"] == PROMPT {
                // That of the turn when the prompt was last told; feeds do not tell a large value
                // again. Nobody reads it: a prompt has the version of its turn.
                row["rev"] = Value::Null;
            }
            if table == "sessions_by_user" {
                // That of the session when its place was last told, which is not with every change.
                row["rev"] = Value::Null;
            }
            rows.insert(format!("{table} {row}"));
        }
    }
    rows
}

/// Each row carries its version as the time of its cells: never the clock of who wrote it.
pub(super) async fn assert_written_at_its_versions(keyspace: &Keyspace) {
    let session = keyspace.session().await;
    for (table, rev) in [
        ("turns_by_session", "rev"),
        ("turns_by_session", "session_rev"),
        ("bodies_by_session", "rev"),
        ("sessions_by_user", "rev"),
    ] {
        let all = format!("select {rev}, writetime({rev}) as written from {table}_1");
        let found = session.query_unpaged(all, ()).await.unwrap();
        let found = found.into_rows_result().unwrap();
        let mut compared = 0;
        for row in found.rows::<(Option<i64>, Option<i64>)>().unwrap() {
            let (rev, written) = row.unwrap();
            assert_eq!(rev, written, "{table}");
            compared += 1;
        }
        assert!(compared > 0, "{table} is not empty");
    }
}
