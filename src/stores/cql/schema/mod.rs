//! The CQL schema: which generations of tables there are, and how they come to be.

mod catalog;
mod examine;
mod migrate;

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::serialize::row::SerializeRow;
use scylla::statement::Statement;

use super::encode::ENCODING;
use super::error::{corrupt, failure, store_error};
use super::options::CqlOptions;
use crate::stores::record::StoreResult;
use crate::stores::{StoreError, StoreErrorKind};
pub use catalog::{CqlCatalog, Generation, GenerationState};
pub use migrate::{CqlMigrator, MIGRATIONS};

/// Texts of a generation.
const GENERATION: &str = include_str!("../../../../cql/generation.cql");
const SCYLLA_GENERATION: &str = include_str!("../../../../cql/scylla/generation.cql");

/// Tables of a generation, without its number.
const TABLES: [&str; 4] = [
    "turns_by_session",
    "bodies_by_session",
    "sessions_by_user",
    "months_by_user",
];

/// A schema change is carried to every node before it counts.
const CHANGE_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// Fills in names and takes a file apart into statements.
fn statements(file: &str, keyspace: &str, generation: i32) -> Vec<String> {
    let lines = file.lines().filter(|line| !line.starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = text
        .replace("{keyspace}", keyspace)
        .replace("{generation}", &generation.to_string());
    let parts = text.split(';').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(|part| format!("{part};"))
        .collect()
}

/// Runs one statement that changes the schema. What is there already is no error.
async fn change(session: &Session, options: &CqlOptions, cql: &str) -> StoreResult<()> {
    let mut statement = Statement::new(cql);
    statement.set_request_timeout(Some(CHANGE_MAX));
    statement.set_is_idempotent(true);
    match session.query_unpaged(statement, ()).await {
        Ok(_) => Ok(()),
        Err(error) => match answer(&error) {
            Some(DbError::AlreadyExists { .. }) => Ok(()),
            Some(DbError::Unauthorized) => Err(not_allowed(options, cql)),
            _ => Err(store_error("migrate", error)),
        },
    }
}

/// What the server itself said.
fn answer(error: &ExecutionError) -> Option<&DbError> {
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, _)) => Some(answer),
        _ => None,
    }
}

fn not_allowed(options: &CqlOptions, cql: &str) -> StoreError {
    let user = options.login.as_ref().map_or("anonymous", |(user, _)| user);
    let keyspace = &options.keyspace;
    failure(
        StoreErrorKind::Schema,
        "migrate",
        format!(
            "user `{user}` may not do this; have an administrator run it, and `grant all permissions on keyspace {keyspace} to {user};`, then run `turngraph migrate up` again:\n{cql}"
        ),
    )
}

/// Rows of a small answer.
async fn rows<R>(
    session: &Session,
    action: &'static str,
    cql: String,
    values: impl SerializeRow,
) -> StoreResult<Vec<R>>
where
    R: for<'frame, 'meta> scylla::deserialize::row::DeserializeRow<'frame, 'meta>,
{
    let mut statement = Statement::new(cql);
    statement.set_is_idempotent(true);
    let answer = session
        .query_unpaged(statement, values)
        .await
        .map_err(|error| store_error(action, error))?;
    let answer = answer
        .into_rows_result()
        .map_err(|error| corrupt(action, error))?;
    let rows = answer.rows::<R>().map_err(|error| corrupt(action, error))?;
    rows.collect::<Result<_, _>>()
        .map_err(|error| corrupt(action, error))
}

async fn has_keyspace(session: &Session, keyspace: &str) -> StoreResult<bool> {
    let cql = "select keyspace_name from system_schema.keyspaces where keyspace_name = ?";
    let found: Vec<(String,)> = rows(session, "migrate", cql.to_owned(), (keyspace,)).await?;
    Ok(!found.is_empty())
}

async fn has_table(session: &Session, keyspace: &str, table: &str) -> StoreResult<bool> {
    let cql =
        "select table_name from system_schema.tables where keyspace_name = ? and table_name = ?";
    let found: Vec<(String,)> = rows(session, "migrate", cql.to_owned(), (keyspace, table)).await?;
    Ok(!found.is_empty())
}

/// The schema that every use but the migration needs.
async fn require_schema(session: &Session, options: &CqlOptions) -> StoreResult<()> {
    let keyspace = &options.keyspace;
    let message = if !has_keyspace(session, keyspace).await? {
        format!("there is no keyspace `{keyspace}`; correct the URL, or run `turngraph migrate up`")
    } else if !has_table(session, keyspace, "projection_state").await? {
        format!("keyspace `{keyspace}` lacks turngraph's tables; run `turngraph migrate up`")
    } else {
        return Ok(());
    };
    Err(failure(StoreErrorKind::Schema, "open", message))
}

/// Fails unless a generation is there, in this program's encoding.
pub(super) async fn require_generation(
    session: &Session,
    options: &CqlOptions,
    number: i32,
) -> StoreResult<()> {
    require_schema(session, options).await?;
    let all = catalog::read(session, &options.keyspace).await?;
    let found = all.iter().find(|generation| generation.number == number);
    let message = match found.filter(|generation| generation.state != GenerationState::Dropped) {
        Some(generation) if generation.encoding == ENCODING => return Ok(()),
        Some(generation) => format!(
            "generation {number} has encoding {}, this turngraph writes {ENCODING}; run `turngraph migrate up`, which makes a generation of this one, and `turngraph rebuild`, which fills it",
            generation.encoding
        ),
        None => format!(
            "keyspace `{}` has no generation {number}; run `turngraph migrate up`",
            options.keyspace
        ),
    };
    Err(failure(StoreErrorKind::Schema, "open", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_fall_into_statements_with_names_filled_in() {
        let all = statements(GENERATION, "k", 7);
        assert_eq!(all.len(), TABLES.len());
        for (statement, table) in all.iter().zip(TABLES) {
            let start = format!("create table if not exists k.{table}_7 (");
            assert!(statement.starts_with(&start), "{statement}");
            assert!(!statement.contains(['{', '}']), "{statement}");
        }
        for statement in statements(SCYLLA_GENERATION, "k", 7) {
            assert!(statement.starts_with("alter table k."), "{statement}");
        }
    }
}
