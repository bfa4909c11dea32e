//! Databases as users have them: the four given tables, filled by plain SQL.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use turngraph::stores::StoreError;
use turngraph::stores::migration::{MigrationPlan, MigrationReport, SchemaMigrator, UpOptions};
use turngraph::stores::postgres::PgMigrator;

use crate::support::postgres::Database;

/// The four tables without any key.
pub(super) const TABLES: &str = "
    create table sessions (uid character varying, account_uid character varying,
        title character varying, created_at timestamp with time zone,
        deleted_at timestamp with time zone);
    create table agent_turns (uid character varying, session_uid character varying,
        parent_uid character varying, active_child character varying, liked boolean,
        created_at timestamp with time zone);
    create table human_turns (uid character varying, session_uid character varying,
        parent_uid character varying, active_child character varying,
        prompt character varying, created_at timestamp with time zone);
    create table steps (agent_turn_uid character varying, idx integer, tpe integer,
        content character varying, created_at timestamp with time zone);";

/// Sessions `s-1` to `s-40` of `alice`, each a chain `h-N-0 - a-N-1 - … - a-N-5`, three steps an
/// agent turn. All turns of a session have one creation time, so keys decide after parents.
pub(super) const ROWS: &str = r#"
    insert into sessions select 's-' || n, 'alice', 'title ' || n,
        timestamptz '2024-01-01' + n * interval '1 hour', null from generate_series(1, 40) n;
    insert into human_turns select 'h-' || n || '-' || t, 's-' || n,
        case when t > 0 then 'a-' || n || '-' || t - 1 end, 'a-' || n || '-' || t + 1,
        'prompt ' || n || ' ' || t, timestamptz '2024-01-01' + n * interval '1 hour'
        from generate_series(1, 40) n, generate_series(0, 4, 2) t;
    insert into agent_turns select 'a-' || n || '-' || t, 's-' || n,
        'h-' || n || '-' || t - 1, 'h-' || n || '-' || t + 1, case when t = 3 then true end,
        timestamptz '2024-01-01' + n * interval '1 hour'
        from generate_series(1, 40) n, generate_series(1, 5, 2) t;
    insert into steps select uid, i, 1, '{"text": "' || uid || ' ' || i || '"}', created_at
        from agent_turns, generate_series(0, 2) i;"#;

/// A database with the four tables and [`ROWS`].
pub(super) async fn filled() -> Database {
    let database = Database::empty();
    let mut connection = database.connect().await;
    sqlx::raw_sql(TABLES)
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    database
}

/// Runs statements as the superuser.
pub(super) async fn run(database: &Database, sql: impl Into<String>) {
    let mut connection = database.connect().await;
    run_on(&mut connection, sql).await.unwrap();
    connection.close().await.unwrap();
}

/// Runs statements on a connection.
pub(super) async fn run_on(
    connection: &mut PgConnection,
    sql: impl Into<String>,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.into()))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// The only number that a query gives.
pub(super) async fn number(database: &Database, sql: &'static str) -> i64 {
    let mut connection = database.connect().await;
    sqlx::query_scalar(sql)
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

/// Migrates as the superuser.
pub(super) async fn up(database: &Database) -> Result<MigrationReport, StoreError> {
    up_with(database, false).await
}

/// Migrates as the superuser, with or without repair.
pub(super) async fn up_with(
    database: &Database,
    repair: bool,
) -> Result<MigrationReport, StoreError> {
    PgMigrator::new(&database.url())?
        .up(UpOptions { repair })
        .await
}

/// Plans as the superuser.
pub(super) async fn plan(database: &Database) -> MigrationPlan {
    PgMigrator::new(&database.url())
        .unwrap()
        .plan()
        .await
        .unwrap()
}
