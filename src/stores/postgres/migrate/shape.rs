//! What the tables themselves look like: kinds, columns, types, keys and owners.

use sqlx::Row;

use super::super::error::store_error;
use super::runner::Session;
use crate::stores::migration::Finding;
use crate::stores::record::StoreResult;

/// The four tables that users have.
pub(super) const GIVEN: [&str; 4] = ["sessions", "human_turns", "agent_turns", "steps"];

/// Columns of the given tables that must be there: table, column, type.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("sessions", "uid", TEXT),
    ("sessions", "account_uid", TEXT),
    ("sessions", "title", TEXT),
    ("sessions", "created_at", TIME),
    ("sessions", "deleted_at", TIME),
    ("human_turns", "uid", TEXT),
    ("human_turns", "session_uid", TEXT),
    ("human_turns", "parent_uid", TEXT),
    ("human_turns", "active_child", TEXT),
    ("human_turns", "prompt", TEXT),
    ("human_turns", "created_at", TIME),
    ("agent_turns", "uid", TEXT),
    ("agent_turns", "session_uid", TEXT),
    ("agent_turns", "parent_uid", TEXT),
    ("agent_turns", "active_child", TEXT),
    ("agent_turns", "liked", "boolean"),
    ("agent_turns", "created_at", TIME),
    ("steps", "agent_turn_uid", TEXT),
    ("steps", "idx", "integer"),
    ("steps", "tpe", "integer"),
    ("steps", "content", TEXT),
    ("steps", "created_at", TIME),
];

/// Columns that turngraph adds: table, column, type, whether it must not be null.
const ADDED: &[(&str, &str, &str, bool)] = &[
    ("sessions", "active_root", TEXT, false),
    ("sessions", "next_seq", "integer", true),
    ("sessions", "last_activity_at", TIME, false),
    ("sessions", "forked_from", "jsonb", false),
    ("sessions", "rev", "bigint", true),
    ("human_turns", "seq", "integer", false),
    ("human_turns", "deleted_at", TIME, false),
    ("human_turns", "rev", "bigint", true),
    ("agent_turns", "seq", "integer", false),
    ("agent_turns", "deleted_at", TIME, false),
    ("agent_turns", "model", TEXT, false),
    ("agent_turns", "status", TEXT, false),
    ("agent_turns", "finished_at", TIME, false),
    ("agent_turns", "usage", "jsonb", false),
    ("agent_turns", "rev", "bigint", true),
    ("steps", "session_uid", TEXT, false),
    ("steps", "turn_seq", "integer", false),
    ("steps", "rev", "bigint", true),
];

const TEXT: &str = "character varying";
const TIME: &str = "timestamp with time zone";

/// Whether a column of type `found` (as PostgreSQL writes it) can be used as `wanted`.
fn fits(found: &str, wanted: &str) -> bool {
    // A length or a precision, as in `varchar(36)` or `timestamp(3) with time zone`, is no harm.
    let bare = match (found.find('('), found.find(')')) {
        (Some(open), Some(close)) => format!("{}{}", &found[..open], &found[close + 1..]),
        _ => found.to_owned(),
    };
    bare == wanted || (wanted == TEXT && bare == "text")
}

/// What is wrong with the tables.
#[derive(Default)]
pub(super) struct Shape {
    /// Given tables that exist.
    pub tables: Vec<String>,
    /// What makes adoption impossible.
    pub refusals: Vec<Finding>,
    /// Owners of the tables, when the connected role is not one of them.
    pub owners: Option<Vec<String>>,
}

/// A column as found: table, name, type, not null.
type Column = (String, String, String, bool);

/// Looks at the tables of the schema.
pub(super) async fn look(session: &mut Session) -> StoreResult<Shape> {
    let failed = |error| store_error("census_tables", error);
    let mut shape = Shape::default();
    let mut strangers = Vec::new();
    let rows = sqlx::query(TABLES)
        .bind(&session.schema)
        .bind(&GIVEN[..])
        .fetch_all(&mut session.conn)
        .await
        .map_err(failed)?;
    for row in &rows {
        let name: String = row.try_get(0).map_err(failed)?;
        let ordinary: bool = row.try_get(1).map_err(failed)?;
        let owned: bool = row.try_get(2).map_err(failed)?;
        let owner: String = row.try_get(3).map_err(failed)?;
        let key: Option<Vec<String>> = row.try_get(4).map_err(failed)?;
        if !ordinary {
            shape.refusals.push(refusal(
                "table_kind",
                format!(
                    "{name} is no ordinary logged table (a view, or partitioned, foreign, \
                     unlogged or temporary)"
                ),
                None,
            ));
        }
        if !owned {
            strangers.push(owner);
        }
        shape
            .refusals
            .extend(key.and_then(|key| key_finding(&name, &key)));
        shape.tables.push(name);
    }
    let columns = columns(session).await?;
    shape
        .refusals
        .extend(column_findings(&shape.tables, &columns));
    shape.refusals.extend(environment(session).await?);
    if !strangers.is_empty() {
        strangers.sort();
        strangers.dedup();
        let message = format!(
            "the connected role owns not all of the four tables (they belong to {}); run `migrate \
             plan`, let their owner run the script that it prints, then migrate again",
            strangers.join(", ")
        );
        shape.refusals.push(refusal("not_owner", message, None));
        shape.owners = Some(strangers);
    }
    Ok(shape)
}

/// Tables by name: ordinary, owned by the connected role, owner, columns of the primary key.
const TABLES: &str = "
    select c.relname::text, c.relkind = 'r' and c.relpersistence = 'p' and not c.relispartition,
        pg_has_role(c.relowner, 'usage'), c.relowner::regrole::text,
        (select array_agg(a.attname::text order by a.attname)
         from pg_constraint k join pg_attribute a
            on a.attrelid = k.conrelid and a.attnum = any(k.conkey)
         where k.conrelid = c.oid and k.contype = 'p')
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1 and c.relname = any($2) and c.relkind in ('r', 'p', 'v', 'm', 'f')
    order by c.relname";

async fn columns(session: &mut Session) -> StoreResult<Vec<Column>> {
    sqlx::query_as(
        "select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
            a.attnotnull
         from pg_attribute a join pg_class c on c.oid = a.attrelid
         join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relname = any($2) and a.attnum > 0 and not a.attisdropped",
    )
    .bind(&session.schema)
    .bind(&GIVEN[..])
    .fetch_all(&mut session.conn)
    .await
    .map_err(|error| store_error("census_columns", error))
}

fn key_finding(table: &str, key: &[String]) -> Option<Finding> {
    let wanted: &[&str] = match table {
        "steps" => &["agent_turn_uid", "idx"],
        _ => &["uid"],
    };
    (key != wanted).then(|| {
        refusal(
            "no_key",
            format!(
                "the primary key of {table} is ({}); turngraph needs ({}) as its key",
                key.join(", "),
                wanted.join(", ")
            ),
            Some(format!(
                "alter table {table} drop constraint {table}_pkey; -- then migrate; keep the old \
                 one as a unique constraint where it is needed"
            )),
        )
    })
}

fn column_findings(tables: &[String], columns: &[Column]) -> Vec<Finding> {
    let find = |table: &str, name: &str| columns.iter().find(|c| c.0 == table && c.1 == name);
    let exists = |table: &str| tables.iter().any(|t| t == table);
    let mut findings = Vec::new();
    for (table, name, wanted) in COLUMNS.iter().filter(|c| exists(c.0)) {
        let Some((.., found, _)) = find(table, name) else {
            findings.push(refusal(
                "column_missing",
                format!("{table} has no column {name}"),
                Some(format!("alter table {table} add column {name} {wanted};")),
            ));
            continue;
        };
        if !fits(found, wanted) {
            findings.push(refusal(
                "column_type",
                format!("{table}.{name} is of type {found}, not {wanted}"),
                Some(format!(
                    "alter table {table} alter column {name} type {wanted};"
                )),
            ));
        }
    }
    for (table, name, wanted, not_null) in ADDED.iter().filter(|c| exists(c.0)) {
        let Some((.., found, found_not_null)) = find(table, name) else {
            continue;
        };
        if !fits(found, wanted) || (*not_null && !found_not_null) {
            let null = if *not_null { " not null" } else { "" };
            findings.push(refusal(
                "column_taken",
                format!(
                    "{table} has a column {name} of type {found} already; turngraph adds one of \
                     type {wanted}{null}"
                ),
                Some(format!(
                    "alter table {table} rename column {name} to other_{name};"
                )),
            ));
        }
    }
    findings
}

/// Privileges, encoding and names that are taken.
async fn environment(session: &mut Session) -> StoreResult<Vec<Finding>> {
    let failed = |error| store_error("census_environment", error);
    let row = sqlx::query(
        "select has_schema_privilege($1, 'create'), current_setting('server_encoding'),
            current_setting('server_version_num')::integer,
            (select coalesce(array_agg(c.relname::text order by c.relname), '{}')
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = $1 and c.relname = any($2)),
            to_regclass('turngraph_migrations') is not null",
    )
    .bind(&session.schema)
    .bind(
        &[
            "scores",
            "metadata",
            "idempotency_keys",
            "purge_log",
            "projection_jobs",
        ][..],
    )
    .fetch_one(&mut session.conn)
    .await
    .map_err(failed)?;
    let mut findings = Vec::new();
    if !row.try_get::<bool, _>(0).map_err(failed)? {
        let schema = &session.schema;
        findings.push(refusal(
            "no_create",
            format!("the connected role may not create tables in schema {schema}"),
            Some(format!("grant create on schema {schema} to current_user;")),
        ));
    }
    let encoding: String = row.try_get(1).map_err(failed)?;
    if encoding != "UTF8" {
        let message = format!("the database's encoding is {encoding}; turngraph needs UTF8");
        findings.push(refusal("encoding", message, None));
    }
    let version: i32 = row.try_get(2).map_err(failed)?;
    if version < 150_000 {
        let message = format!("the server has version {version}; turngraph needs PostgreSQL 15");
        findings.push(refusal("server_version", message, None));
    }
    let taken: Vec<String> = row.try_get(3).map_err(failed)?;
    if !taken.is_empty() && !row.try_get::<bool, _>(4).map_err(failed)? {
        let repair = taken
            .iter()
            .map(|name| format!("alter table {name} rename to other_{name};"))
            .collect::<Vec<_>>();
        findings.push(refusal(
            "table_taken",
            format!("tables of these names exist already: {}", taken.join(", ")),
            Some(repair.join(" ")),
        ));
    }
    Ok(findings)
}

fn refusal(rule: &str, message: String, repair_sql: Option<String>) -> Finding {
    Finding {
        rule: rule.to_owned(),
        message,
        uids: vec![],
        repair_sql,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_fit_with_their_lengths_and_precisions() {
        for (found, wanted, fit) in [
            ("character varying(36)", TEXT, true),
            ("text", TEXT, true),
            ("uuid", TEXT, false),
            ("timestamp(3) with time zone", TIME, true),
            ("timestamp without time zone", TIME, false),
            ("timestamp(3) without time zone", TIME, false),
            ("integer", "integer", true),
            ("bigint", "integer", false),
        ] {
            assert_eq!(fits(found, wanted), fit, "{found}");
        }
    }
}
