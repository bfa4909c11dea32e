//! What the census refuses, what it repairs and what it only tells.

use turngraph::stores::StoreErrorKind;

use super::given::{filled, number, plan, run, up, up_with};

/// Dirt in the rows: SQL, the rule that refuses it, what the message names.
const DIRT: &[(&str, &str, &str)] = &[
    (
        "insert into human_turns values ('h-1-0', 's-1', null, null, 'other', now())",
        "duplicate_key",
        "h-1-0",
    ),
    (
        "insert into agent_turns values ('a-1-1', 's-1', null, null, null, now())",
        "duplicate_key",
        "a-1-1",
    ),
    (
        "insert into sessions select uid, account_uid, 'other' from sessions where uid = 's-9'",
        "duplicate_key",
        "s-9",
    ),
    (
        "insert into sessions select uid, 'bob', title from sessions where uid = 's-9'",
        "two_accounts",
        "s-9",
    ),
    (
        "insert into steps values ('a-1-1', 2, 1, '{}', now())",
        "duplicate_key",
        "a-1-1 step 2",
    ),
    (
        "insert into agent_turns values ('h-1-0', 's-1', null, null, null, now())",
        "key_in_both",
        "h-1-0",
    ),
    (
        "insert into sessions values (null, 'alice')",
        "bad_key",
        "(null)",
    ),
    (
        "insert into sessions values ('', 'alice')",
        "bad_key",
        "1 sessions",
    ),
    (
        "insert into human_turns values (repeat('x', 129), 's-1')",
        "bad_key",
        "xxxxxxxx",
    ),
    (
        "insert into agent_turns values (E'a\\nb', 's-1')",
        "bad_key",
        "a\\nb",
    ),
    ("insert into human_turns values ('x', null)", "bad_key", "x"),
    (
        "insert into steps values (null, 1, 1, '{}')",
        "bad_key",
        "(null) step 1",
    ),
    (
        "insert into steps values ('a-1-1', null, 1, '{}')",
        "bad_key",
        "a-1-1 step (null)",
    ),
    (
        "update sessions set account_uid = null where uid = 's-2'",
        "null_account",
        "s-2",
    ),
];

/// Tables that cannot be adopted: SQL, the rule, what the message names.
const SHAPES: &[(&str, &str, &str)] = &[
    (
        "alter table steps alter column idx type bigint",
        "column_type",
        "steps.idx is of type bigint",
    ),
    (
        "alter table sessions alter column created_at type timestamp without time zone",
        "column_type",
        "alter column created_at type timestamp with time zone",
    ),
    (
        "alter table sessions drop column deleted_at",
        "column_missing",
        "deleted_at",
    ),
    (
        "alter table human_turns add column seq text",
        "column_taken",
        "rename column seq",
    ),
    (
        "alter table sessions add column rev bigint",
        "column_taken",
        "bigint not null",
    ),
    (
        "alter table agent_turns add primary key (uid, session_uid)",
        "no_key",
        "(session_uid, uid)",
    ),
    (
        "alter table steps rename to steps_of_all; create view steps as select * from steps_of_all",
        "table_kind",
        "steps is no ordinary",
    ),
    (
        "create table scores (id int)",
        "table_taken",
        "rename to other_scores",
    ),
];

#[tokio::test]
async fn rows_that_stand_in_the_way_are_refused_by_name_and_nothing_is_changed() {
    for (sql, rule, named) in DIRT {
        let database = filled().await;
        run(&database, *sql).await;
        let before = database.schema();
        let refused = up(&database).await.expect_err(sql);
        assert_eq!(refused.kind, StoreErrorKind::Schema, "{refused}");
        let message = &refused.message;
        assert!(message.contains(&format!("{rule}: 1 ")), "{sql}\n{message}");
        assert!(message.contains(named), "{sql}\n{message}");
        assert!(message.contains("repair: "), "{sql}\n{message}");
        assert_eq!(database.schema(), before, "{sql}");
        let planned = plan(&database).await;
        assert!(
            planned.refusals.iter().any(|found| found.rule == *rule),
            "{planned}"
        );
    }
}

#[tokio::test]
async fn tables_of_another_shape_are_refused_with_the_repair() {
    for (sql, rule, named) in SHAPES {
        let database = filled().await;
        run(&database, *sql).await;
        let refused = up(&database).await.expect_err(sql);
        let message = &refused.message;
        assert!(
            message.contains(rule) && message.contains(named),
            "{sql}\n{message}"
        );
    }
}

#[tokio::test]
async fn exact_duplicates_are_refused_and_repaired_on_request() {
    let database = filled().await;
    run(
        &database,
        "insert into sessions select uid, account_uid, title, created_at, deleted_at
            from sessions where uid in ('s-4', 's-5');
         insert into human_turns select uid, session_uid, parent_uid, active_child, prompt,
            created_at from human_turns where session_uid = 's-4';
         insert into agent_turns select uid, session_uid, parent_uid, active_child, liked,
            created_at from agent_turns, generate_series(1, 2) where session_uid = 's-4';
         insert into steps select agent_turn_uid, idx, tpe, content, created_at from steps
            where agent_turn_uid = 'a-4-1'",
    )
    .await;
    let refused = up(&database).await.unwrap_err();
    assert!(
        refused
            .message
            .contains("duplicate_row: 2 rows of sessions"),
        "{refused}"
    );
    assert!(refused.message.contains("--repair"), "{refused}");
    let report = up_with(&database, true).await.unwrap();
    assert_eq!(report.repaired.len(), 4, "{report}");
    for (sql, expected) in [
        ("select count(*) from sessions", 40),
        ("select count(*) from human_turns", 120),
        ("select count(*) from agent_turns", 120),
        ("select count(*) from steps", 360),
    ] {
        assert_eq!(number(&database, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_repair_does_not_touch_duplicates_that_differ() {
    let database = filled().await;
    run(
        &database,
        "insert into steps select agent_turn_uid, idx, tpe, content, created_at from steps
            where agent_turn_uid = 'a-4-1';
         insert into steps select agent_turn_uid, idx, tpe, '{}', created_at from steps
            where agent_turn_uid = 'a-5-1' and idx = 0",
    )
    .await;
    let refused = up_with(&database, true).await.unwrap_err();
    assert!(refused.message.contains("a-5-1 step 0"), "{refused}");
    assert_eq!(number(&database, "select count(*) from steps").await, 364);
}

#[tokio::test]
async fn odd_rows_are_adopted_and_told() {
    let database = filled().await;
    run(
        &database,
        "insert into human_turns values ('lost', 'nowhere', null, null, 'x', now());
         insert into steps values ('nobody', 0, 1, '{}', now()), ('a-2-1', 9, 1, 'no json', now()),
            ('a-2-1', 10, 99, null, null);
         update human_turns set parent_uid = 'a-6-5' where uid = 'h-6-0';
         update human_turns set parent_uid = 'a-8-1' where uid = 'h-7-0';
         update agent_turns set parent_uid = 'a-9-1' where uid = 'a-9-3';
         update sessions set created_at = null where uid = 's-3';
         update human_turns set created_at = null where session_uid = 's-3'",
    )
    .await;
    let report = up(&database).await.unwrap();
    let notes: Vec<(&str, &str)> = report
        .notes
        .iter()
        .map(|note| (note.rule.as_str(), note.message.split(' ').next().unwrap()))
        .collect();
    let expected = [
        ("turn_without_session", "1"),
        ("step_without_turn", "1"),
        ("wrong_parent", "2"),
        ("null_created_at", "5"),
        ("not_json", "2"),
        ("cycle", "1"),
        ("cycle_cut", "1"),
    ];
    assert_eq!(notes, expected, "{report}");
    let text = report.to_string();
    for named in [
        "lost",
        "nobody step 0",
        "a-2-1 step 9",
        "h-7-0",
        "a-6-1",
        "session s-3",
    ] {
        assert!(text.contains(named), "{named}\n{text}");
    }
    const WAITING: &str = "select count(*) from human_turns where seq is null";
    assert_eq!(
        number(&database, WAITING).await,
        1,
        "the turn without a session"
    );
}

#[tokio::test]
async fn a_long_list_of_keys_is_cut_and_says_so() {
    let database = filled().await;
    run(&database, "update sessions set account_uid = ''").await;
    let refused = up(&database).await.unwrap_err();
    assert!(
        refused.message.contains("null_account: 40 sessions"),
        "{refused}"
    );
    assert!(refused.message.contains("the first 20"), "{refused}");
    let line = refused
        .message
        .lines()
        .find(|line| line.contains("s-1,"))
        .unwrap();
    assert_eq!(line.split(", ").count(), 20);
}
