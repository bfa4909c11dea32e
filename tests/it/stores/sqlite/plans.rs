//! Query plans: no statement reads a whole table, and no page or graph is sorted.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, sqlite::SqliteConnectOptions};
use turngraph::stores::sql::Statement;
use turngraph::stores::{sql, sqlite::statements as st};

use crate::support::sqlite::SqliteFixture;

/// The only statement that may sort: hits of a search come from all sessions of an account.
const SORTS: [&str; 1] = ["TURNS_SEARCH"];

/// What may be read whole: tables of a few rows, the rows that the caller gives, and the lists
/// that a statement makes itself.
const READ_WHOLE: [&str; 7] = [
    "SCAN turngraph_store",
    "SCAN sqlite_sequence",
    "SCAN turngraph_migrations",
    "SCAN json_each",
    "SCAN (subquery-",
    "SCAN heads",
    "SCAN CONSTANT ROW",
];

async fn plan(connection: &mut sqlx::SqliteConnection, statement: &Statement) -> Vec<String> {
    let sql = AssertSqlSafe(format!("explain query plan {}", statement.sql));
    let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_or_sorts() {
    let fixture = SqliteFixture::new().await;
    let options = SqliteConnectOptions::new().filename(fixture.path());
    let mut connection = options.connect().await.unwrap();
    let mut wrong = Vec::new();
    for statement in [sql::statements::SHARED, st::READS, st::WRITES].concat() {
        for step in plan(&mut connection, &statement).await {
            let scans = step.starts_with("SCAN") && !READ_WHOLE.iter().any(|p| step.starts_with(p));
            let sorts = step.contains("TEMP B-TREE") && !SORTS.contains(&statement.name);
            if scans || sorts {
                wrong.push(format!("{}: {step}", statement.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    connection.close().await.unwrap();
}

#[tokio::test]
async fn pages_and_graphs_are_read_by_their_index() {
    let fixture = SqliteFixture::new().await;
    let options = SqliteConnectOptions::new().filename(fixture.path());
    let mut connection = options.connect().await.unwrap();
    for (statement, expected) in [
        (
            st::SESSIONS_BY_ACTIVITY_DESC,
            "SEARCH sessions USING INDEX sessions_by_activity (account_uid=? AND",
        ),
        (
            st::SESSIONS_BY_ACTIVITY_ASC,
            "SEARCH sessions USING INDEX sessions_by_activity (account_uid=? AND",
        ),
        (
            st::SESSIONS_BY_CREATION_DESC,
            "SEARCH sessions USING INDEX sessions_by_creation (account_uid=? AND",
        ),
        (
            st::SESSIONS_BY_CREATION_ASC,
            "SEARCH sessions USING INDEX sessions_by_creation (account_uid=? AND",
        ),
        (
            st::SESSIONS_BY_ACTIVITY_DESC,
            "SEARCH t USING INDEX agent_turns_voted (session_uid=?)",
        ),
        (
            st::TURNS_BY_SESSION,
            "SEARCH human_turns USING INDEX sqlite_autoindex_human_turns_2 (session_uid=?)",
        ),
        (
            st::TURNS_BY_SESSION,
            "SEARCH agent_turns USING INDEX sqlite_autoindex_agent_turns_2 (session_uid=?)",
        ),
        (
            st::STEPS,
            "SEARCH steps USING INDEX sqlite_autoindex_steps_1 (agent_turn_uid=?)",
        ),
        (
            st::PROMPTS,
            "SEARCH human_turns USING INDEX sqlite_autoindex_human_turns_1 (uid=?)",
        ),
    ] {
        let steps = plan(&mut connection, &statement).await;
        assert!(
            steps.iter().any(|step| step.starts_with(expected)),
            "{}: {expected} is not in\n{}",
            statement.name,
            steps.join("\n")
        );
    }
    connection.close().await.unwrap();
}
