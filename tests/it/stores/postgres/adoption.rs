//! A database that other programs have filled becomes turngraph's in place.

use turngraph::domain::Uid;
use turngraph::stores::migration::{MigrationState, SchemaMigrator, UpOptions};
use turngraph::stores::postgres::{MIGRATIONS, PgMigrator, PgOptions, PgRecordStore};
use turngraph::stores::{RecordStore, StoreErrorKind};

use super::given::{TABLES, filled, number, plan, run, up};
use crate::support::postgres::{Database, server};
use crate::support::rows::{uid, uids};

#[tokio::test]
async fn a_fresh_database_and_an_adopted_one_end_in_the_same_schema() {
    let fresh = Database::empty();
    let report = up(&fresh).await.unwrap();
    assert_eq!(
        (report.from_version, report.to_version),
        (0, MIGRATIONS.len() as i64)
    );
    let adopted = filled().await;
    up(&adopted).await.unwrap();
    assert_eq!(fresh.schema(), adopted.schema());
    let again = up(&adopted).await.unwrap();
    assert!(again.applied.is_empty(), "{again}");
}

#[tokio::test]
async fn adoption_rewrites_no_table_and_loses_no_row() {
    let database = filled().await;
    const FILES: &str = "select sum(relfilenode::bigint)::bigint from pg_class
        where relname in ('sessions', 'human_turns', 'agent_turns', 'steps')";
    const ROWS: &str = "select hashtext(string_agg(t, '' order by t))::bigint from (
        select format('%s', (uid, account_uid, title, created_at, deleted_at)) from sessions
        union all select format('%s', (uid, session_uid, parent_uid, active_child, prompt,
            created_at)) from human_turns
        union all select format('%s', (uid, session_uid, parent_uid, active_child, liked,
            created_at)) from agent_turns
        union all select format('%s', (agent_turn_uid, idx, tpe, content, created_at)) from steps
        ) rows(t)";
    const UNTOUCHED: &str = "select count(*) from steps where xmin <> (
        select xmin from steps limit 1)";
    let before = (
        number(&database, FILES).await,
        number(&database, ROWS).await,
    );
    let report = up(&database).await.unwrap();
    assert_eq!(
        (
            number(&database, FILES).await,
            number(&database, ROWS).await
        ),
        before
    );
    assert_eq!(number(&database, UNTOUCHED).await, 0, "no step is written");
    let numbered = report.applied.last().unwrap();
    assert_eq!(numbered, "numbers for 240 turns of 40 sessions");
    assert!(report.notes.is_empty(), "{report}");
}

#[tokio::test]
async fn an_adopted_conversation_reads_like_one_of_our_own() {
    let database = filled().await;
    up(&database).await.unwrap();
    let store = database.store().await;
    let found = store
        .turns_by_session(&uid("alice"), &uids(&["s-7"]))
        .await
        .unwrap();
    let keys: Vec<(&str, i32)> = found
        .iter()
        .map(|row| (row.turn.uid.as_str(), row.turn.seq))
        .collect();
    let expected = ["h-7-0", "a-7-1", "h-7-2", "a-7-3", "h-7-4", "a-7-5"];
    assert_eq!(keys, expected.into_iter().zip(0..).collect::<Vec<_>>());
    let row = &store
        .sessions_by_uid(&uid("alice"), &uids(&["s-7"]))
        .await
        .unwrap()[0];
    assert_eq!((row.next_seq, row.title.as_deref()), (6, Some("title 7")));
    assert_eq!(row.last_activity_at, row.created_at);
    let steps = store.steps(&uids(&["a-7-3"])).await.unwrap();
    assert_eq!(steps.len(), 3);
    assert_eq!(&*steps[2].content, r#"{"text": "a-7-3 2"}"#);
    let prompts = store.prompts(&uids(&["h-7-4"])).await.unwrap();
    assert_eq!(prompts, [(uid("h-7-4"), "prompt 7 4".to_owned())]);
}

#[tokio::test]
async fn a_plan_tells_steps_locks_and_advice_and_changes_nothing() {
    let database = filled().await;
    let before = database.schema();
    let planned = plan(&database).await;
    assert_eq!(database.schema(), before);
    assert!(
        planned.refusals.is_empty() && planned.repairs.is_empty(),
        "{planned}"
    );
    let text = planned.to_string();
    for part in [
        "locks steps: access exclusive, for an instant",
        "create unique index concurrently if not exists turngraph_steps_key",
        "-- unless: select exists",
        "name the columns in COPY",
        "insert into a_copy select *",
        "TRUNCATE",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("password"));
    up(&database).await.unwrap();
    let planned = plan(&database).await;
    assert!(planned.steps.is_empty(), "{planned}");
}

#[tokio::test]
async fn keys_that_users_have_are_kept_and_their_cascades_are_logged() {
    let database = filled().await;
    run(
        &database,
        "alter table sessions add primary key (uid);
         alter table human_turns add primary key (uid),
            add foreign key (session_uid) references sessions on delete cascade;
         alter table agent_turns add primary key (uid),
            add foreign key (session_uid) references sessions on delete cascade;
         alter table steps add primary key (agent_turn_uid, idx),
            add foreign key (agent_turn_uid) references agent_turns on delete cascade",
    )
    .await;
    up(&database).await.unwrap();
    let extra = "select count(*) from pg_indexes
        where indexname = 'turngraph_' || tablename || '_key'";
    assert_eq!(
        number(&database, extra).await,
        0,
        "no second key beside the users' own"
    );
    run(&database, "delete from sessions where uid = 's-3'").await;
    for (sql, expected) in [
        (
            "select count(*) from purge_log where kind = 'session' and uid = 's-3'",
            1,
        ),
        (
            "select count(*) from purge_log where kind = 'turn' and session_uid = 's-3'",
            6,
        ),
        (
            "select count(*) from purge_log where kind = 'turn_steps'",
            3,
        ),
        ("select count(*) from steps", 39 * 9),
    ] {
        assert_eq!(number(&database, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_program_and_a_changed_one_are_refused() {
    let database = Database::migrated();
    run(
        &database,
        "insert into turngraph_migrations values (99, 'future', 'x', 1, '9.0.0', now(), now())",
    )
    .await;
    let migrator = PgMigrator::new(&database.url()).unwrap();
    let refused = migrator.up(UpOptions::default()).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Schema);
    assert!(refused.message.contains("0099 future"), "{refused}");
    let status = migrator.status().await.unwrap();
    assert_eq!(status.last().unwrap().state, MigrationState::Unknown);
    assert_eq!(migrator.plan().await.unwrap().refusals[0].rule, "schema");
    run(
        &database,
        "delete from turngraph_migrations where version = 99;
         update turngraph_migrations set checksum = 'other' where version = 3",
    )
    .await;
    let refused = migrator.up(UpOptions::default()).await.unwrap_err();
    assert!(
        refused.message.contains("0003 added_columns was applied"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_database_without_the_schema_is_not_opened_and_says_what_to_do() {
    let database = filled().await;
    let refused = PgRecordStore::open(&PgOptions::url(database.url()))
        .await
        .unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Schema);
    assert!(
        refused.message.contains("turngraph migrate up"),
        "{refused}"
    );
    let nowhere = PgOptions::url("postgres://nobody@127.0.0.1:1/none");
    let refused = PgRecordStore::open(&nowhere).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Unavailable, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_migrate_at_once_do_the_work_once() {
    let database = filled().await;
    let both: Vec<_> = (0..2)
        .map(|_| {
            let migrator = PgMigrator::new(&database.url()).unwrap();
            tokio::spawn(async move { migrator.up(UpOptions::default()).await.unwrap() })
        })
        .collect();
    let mut applied = 0;
    for one in both {
        applied += usize::from(!one.await.unwrap().applied.is_empty());
    }
    assert_eq!(applied, 1);
    assert_eq!(database.schema(), Database::migrated().schema());
}

#[tokio::test]
async fn the_owner_runs_a_script_when_the_connected_role_owns_no_table() {
    let database = filled().await;
    let role = format!("gateway_of_{}", database.name());
    run(
        &database,
        format!(
            "create role {role} login; grant select on sessions, human_turns, \
        agent_turns, steps to {role}; grant create on schema public to {role}"
        ),
    )
    .await;
    let migrator = PgMigrator::new(&database.url_of(&role)).unwrap();
    let refused = migrator.up(UpOptions::default()).await.unwrap_err();
    assert!(refused.message.contains("not_owner"), "{refused}");
    let planned = migrator.plan().await.unwrap();
    assert_eq!(planned.steps.len(), 1, "{planned}");
    let script = &planned.steps[0].sql;
    server().program(
        "psql",
        &["-X", "-q", "-o", "/dev/null", &database.url()],
        script,
    );
    let report = migrator.up(UpOptions::default()).await.unwrap();
    assert_eq!(report.applied, ["numbers for 240 turns of 40 sessions"]);
    let options = PgOptions::url(database.url_of(&role));
    let store = PgRecordStore::open(&options).await.unwrap();
    let found = store
        .turns_by_session(&uid("alice"), &uids(&["s-1"]))
        .await
        .unwrap();
    assert_eq!(found.len(), 6);
    store.close().await;
    run(&database, format!("drop owned by {role}; drop role {role}")).await;
    assert_eq!(database.schema(), Database::migrated().schema());
}

#[tokio::test]
async fn tables_of_a_schema_of_their_own_are_adopted_there() {
    let database = Database::empty();
    run(
        &database,
        format!(
            "create schema chat; set search_path = chat; {TABLES}
        insert into sessions values ('s', 'alice', 't', now(), null);
        insert into human_turns values ('h', 's', null, null, 'p', now())"
        ),
    )
    .await;
    let url = format!("{}?options=-csearch_path%3Dchat", database.url());
    let migrator = PgMigrator::new(&url).unwrap();
    migrator.up(UpOptions::default()).await.unwrap();
    let store = PgRecordStore::open(&PgOptions::url(url)).await.unwrap();
    let found = store
        .turns_by_session(&uid("alice"), &uids(&["s"]))
        .await
        .unwrap();
    assert_eq!(
        found.iter().map(|row| &row.turn.uid).collect::<Vec<&Uid>>(),
        [&uid("h")]
    );
    // The triggers find their tables whatever the writer's path is.
    run(
        &database,
        "set search_path = pg_catalog; delete from chat.human_turns",
    )
    .await;
    assert_eq!(
        number(&database, "select count(*) from chat.purge_log").await,
        1
    );
}
