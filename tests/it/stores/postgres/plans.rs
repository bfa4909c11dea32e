//! The reads of a conversation, a listing and the numberer go by their indexes, also with the
//! plans that are made once for all parameters.

use sqlx::PgConnection;
use turngraph::stores::postgres::CONNECTION_SETTINGS;
use turngraph::stores::postgres::statements::{numbering, reads, writes};
use turngraph::stores::sql::Statement;

use super::given::{TABLES, run, run_on, up};
use crate::support::postgres::Database;

/// 2,000 sessions of 10 accounts with ten turns each, and three steps an agent turn.
const ROWS: &str = r#"
    insert into sessions select 's' || n, 'account' || n % 10, 'title ' || n,
        timestamptz '2024-01-01' + n * interval '1 minute', null from generate_series(1, 2000) n;
    insert into human_turns select 'h' || n || '-' || t, 's' || n,
        case when t > 0 then 'a' || n || '-' || t - 1 end, 'a' || n || '-' || t,
        'prompt', timestamptz '2024-01-01' from generate_series(1, 2000) n, generate_series(0, 4) t;
    insert into agent_turns select 'a' || n || '-' || t, 's' || n, 'h' || n || '-' || t, null,
        null, timestamptz '2024-01-01' from generate_series(1, 2000) n, generate_series(0, 4) t;
    insert into steps select uid, i, 1, '{"text": "' || repeat('x', 200) || '"}', created_at
        from agent_turns, generate_series(0, 2) i;"#;

/// A first page of twenty without any filter.
const PAGE: &str = "'account7', null, null, null, false, null, null, null, '-infinity', '', \
        'infinity', 'zz', 20";

/// Statements with arguments and the indexes that their plans must name.
const READS: &[(Statement, &str, &[&str])] = &[
    (
        reads::SESSIONS_BY_UID,
        "'account7', '{s7}'",
        &["turngraph_sessions_key"],
    ),
    (
        reads::TURNS_BY_SESSION,
        "'account7', '{s7,s207}'",
        &[
            "turngraph_sessions_key",
            "turngraph_human_turns_address",
            "turngraph_agent_turns_address",
            "turngraph_human_turns_pending",
            "turngraph_agent_turns_pending",
        ],
    ),
    (
        writes::SESSION_TURNS,
        "'{s7,s207}'",
        &[
            "turngraph_human_turns_address",
            "turngraph_agent_turns_address",
        ],
    ),
    (
        writes::SESSIONS_LOCK_FREE,
        "'{account7,account7}', '{s7,s207}'",
        &["turngraph_sessions_key"],
    ),
    (
        writes::SESSIONS_OF_TURNS,
        "'{account7,account7}', '{h7-0,a7-1}'",
        &[
            "turngraph_human_turns_key",
            "turngraph_agent_turns_key",
            "turngraph_sessions_key",
        ],
    ),
    (
        writes::HUMAN_TURNS_UPDATE,
        "'{h7-0}', '{true}', '{a7-0}', '{false}', '{null}', 1",
        &["turngraph_human_turns_key"],
    ),
    (
        writes::AGENT_TURNS_UPDATE,
        "'{a7-0}', '{true}', '{h7-1}', '{false}', '{null}', '{false}', '{null}', '{null}', \
         '{null}', '{null}', 1",
        &["turngraph_agent_turns_key"],
    ),
    (
        writes::STEPS_UPDATE,
        "'{a7-0}', '{0}', '{x}', 1",
        &["turngraph_steps_key"],
    ),
    (
        reads::PROMPTS,
        "'{h7-0,h7-1}'",
        &["turngraph_human_turns_key"],
    ),
    (reads::STEPS, "'{a7-0,a7-1}'", &["turngraph_steps_key"]),
    (reads::STEP_HEADS, "'{a7-0,a7-1}'", &["turngraph_steps_key"]),
    (
        reads::SESSIONS_BY_TURN,
        "'account7', '{h7-0,a7-1}'",
        &[
            "turngraph_human_turns_key",
            "turngraph_agent_turns_key",
            "turngraph_sessions_key",
        ],
    ),
    (
        reads::SESSIONS_BY_ACTIVITY_DESC,
        PAGE,
        &[
            "turngraph_sessions_by_activity",
            "turngraph_sessions_pending",
            "turngraph_agent_turns_voted",
        ],
    ),
    (
        reads::SESSIONS_BY_ACTIVITY_ASC,
        PAGE,
        &["turngraph_sessions_by_activity"],
    ),
    (
        reads::SESSIONS_BY_CREATION_DESC,
        PAGE,
        &["turngraph_sessions_by_creation"],
    ),
    (
        reads::SESSIONS_BY_CREATION_ASC,
        PAGE,
        &["turngraph_sessions_by_creation"],
    ),
    (
        numbering::NUMBER_SESSIONS,
        "100",
        &[
            "turngraph_human_turns_pending",
            "turngraph_agent_turns_pending",
        ],
    ),
    (
        numbering::NUMBER_PENDING,
        "'{s7}'",
        &[
            "turngraph_human_turns_pending",
            "turngraph_agent_turns_pending",
        ],
    ),
];

/// The generic plan of a statement with these arguments.
async fn plan(connection: &mut PgConnection, statement: Statement, arguments: &str) -> String {
    let name = statement.name.to_lowercase();
    let prepare = format!("deallocate all; prepare {name} as {}", statement.sql);
    run_on(connection, prepare).await.unwrap();
    let explain = format!("explain (costs off) execute {name} ({arguments})");
    let lines: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(explain))
        .persistent(false)
        .fetch_all(connection)
        .await
        .unwrap();
    lines.join("\n")
}

#[tokio::test]
async fn every_read_of_the_main_path_goes_by_its_index() {
    let database = Database::empty();
    run(&database, TABLES).await;
    run(&database, ROWS).await;
    up(&database).await.unwrap();
    let mut connection = database.connect().await;
    run_on(&mut connection, "vacuum analyze").await.unwrap();
    run_on(&mut connection, CONNECTION_SETTINGS).await.unwrap();
    run_on(&mut connection, "set plan_cache_mode = force_generic_plan")
        .await
        .unwrap();
    for (statement, arguments, indexes) in READS {
        let plan = plan(&mut connection, *statement, arguments).await;
        for index in *indexes {
            assert!(
                plan.contains(index),
                "{} without {index}:\n{plan}",
                statement.name
            );
        }
        let scanned = ["human_turns", "agent_turns", "steps"]
            .iter()
            .any(|table| plan.contains(&format!("Seq Scan on {table}")));
        assert!(!scanned, "{}:\n{plan}", statement.name);
        // A page is read in the order of its index and not sorted.
        let is_page = statement.name.starts_with("SESSIONS_BY_") && *arguments == PAGE;
        assert!(
            !is_page || !plan.contains("Sort"),
            "{}:\n{plan}",
            statement.name
        );
    }
}
