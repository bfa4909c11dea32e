//! Every SQL constant is prepared on a migrated database of its engine: a statement that a
//! migration breaks fails here by its name and not in a user's request.

use sqlx::{Column, Connection, Executor, SqlSafeStr, Statement as _};
use turngraph::stores::sql::Statement;
use turngraph::stores::{postgres, sql, sqlite};

use crate::support::postgres::Database;
use crate::support::sqlite::SqliteFixture;

/// Prepares each statement of the registries and compares the columns of its answer.
macro_rules! prepare_all {
    ($connection:expr, $registries:expr) => {{
        let mut wrong = Vec::new();
        let mut count = 0;
        for Statement { name, sql, columns } in $registries.into_iter().flatten() {
            count += 1;
            match $connection.prepare(sql.into_sql_str()).await {
                Err(error) => wrong.push(format!("{name}: {error}")),
                Ok(statement) => {
                    let found: Vec<&str> = statement.columns().iter().map(|c| c.name()).collect();
                    if found != *columns {
                        wrong.push(format!("{name}: columns {found:?} instead of {columns:?}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count >= 25, "only {count} statements are registered");
    }};
}

#[tokio::test]
async fn every_statement_is_accepted_by_sqlite() {
    let fixture = SqliteFixture::new().await;
    let url = format!("sqlite://{}", fixture.path().display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    prepare_all!(
        connection,
        [
            sql::erasure::ERASURE,
            sql::source::SOURCE,
            sql::statements::SHARED,
            sqlite::statements::ERASURE,
            sqlite::statements::LOG,
            sqlite::statements::READS,
            sqlite::statements::SOURCE,
            sqlite::statements::WRITES,
        ]
    );
}

#[tokio::test]
async fn every_statement_is_accepted_by_postgres() {
    let database = Database::migrated();
    let mut connection = database.connect().await;
    prepare_all!(
        connection,
        [
            sql::erasure::ERASURE,
            sql::source::SOURCE,
            sql::statements::SHARED,
            postgres::statements::erasure::ERASURE,
            postgres::statements::log::LOG,
            postgres::statements::numbering::NUMBERING,
            postgres::statements::reads::READS,
            postgres::statements::source::SOURCE,
            postgres::statements::writes::WRITES,
        ]
    );
}
