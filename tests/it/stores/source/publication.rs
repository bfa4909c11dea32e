//! The publication that logical replication reads: made last, or named for the owner.

use turngraph::stores::migration::{SchemaMigrator, UpOptions};
use turngraph::stores::postgres::PgMigrator;

use crate::support::postgres::{Database, server};

async fn published(database: &Database) -> Vec<String> {
    let mut connection = database.connect().await;
    sqlx::query_scalar(
        "select tablename::text from pg_publication_tables where pubname = 'turngraph' order by 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap()
}

const SIX: [&str; 6] = [
    "agent_turns",
    "human_turns",
    "projection_jobs",
    "purge_log",
    "sessions",
    "steps",
];

#[tokio::test]
async fn a_migrated_database_publishes_the_record_and_its_purges() {
    assert_eq!(published(&Database::migrated()).await, SIX);
}

#[tokio::test]
async fn a_role_that_may_not_publish_is_told_what_the_owner_runs() {
    let database = Database::empty();
    let role = format!("owner_of_{}", database.name());
    server().psql(&format!("create role {role} login"));
    let mut admin = database.connect().await;
    for sql in [
        format!("grant create, usage on schema public to {role}"),
        format!("revoke create on database {} from {role}", database.name()),
    ] {
        let sql = sqlx::AssertSqlSafe(sql);
        sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    }
    let migrator = PgMigrator::new(&database.url_of(&role)).unwrap();
    let rule = "no_publication";
    let plan = migrator.plan().await.unwrap();
    assert_eq!(plan.notes.iter().filter(|n| n.rule == rule).count(), 1);
    let report = migrator.up(UpOptions::default()).await.unwrap();
    let note = report.notes.iter().find(|n| n.rule == rule).unwrap();
    assert_eq!(published(&database).await, Vec::<String>::new());

    // Said again for as long as it is so, also when the schema is current.
    let plan = migrator.plan().await.unwrap();
    let repair = plan.notes[0].repair_sql.clone().unwrap();
    assert_eq!(Some(&repair), note.repair_sql.as_ref());
    let run = sqlx::AssertSqlSafe(repair);
    sqlx::raw_sql(run).execute(&mut admin).await.unwrap();
    assert_eq!(published(&database).await, SIX);
    assert_eq!(migrator.plan().await.unwrap().notes, []);

    let lost = "alter publication turngraph drop table purge_log";
    sqlx::raw_sql(lost).execute(&mut admin).await.unwrap();
    let notes = migrator.plan().await.unwrap().notes;
    let add = "alter publication turngraph add table purge_log";
    assert_eq!(notes[0].repair_sql.as_deref(), Some(add));
    server().psql(&format!("drop database {} with (force)", database.name()));
    server().psql(&format!("create database {}", database.name()));
    server().psql(&format!("drop role {role}"));
}
