//! Whether logical replication can read the record: is the publication there, and whole?
//!
//! A role may own the tables and still not be allowed to publish them; the migration then goes on
//! without, and this says what the owner of the database has to run.

use super::super::error::store_error;
use super::runner::Session;
use crate::stores::migration::Finding;
use crate::stores::record::StoreResult;

/// Tables of the publication.
const TABLES: &str = "sessions, human_turns, agent_turns, steps, purge_log, projection_jobs";

/// Those of the tables that the publication `turngraph` lacks, and whether there is one.
const LACKING: &str = "
    select exists (select from pg_publication where pubname = 'turngraph') as published,
        array(
            select name from unnest($1::text[]) name
            where not exists (
                select from pg_publication p
                left join pg_publication_rel r on r.prpubid = p.oid
                where p.pubname = 'turngraph'
                    and (p.puballtables or r.prrelid = to_regclass(name)))) as lacking";

/// Whether this role may create it.
const MAY_CREATE: &str = "
    select has_database_privilege(current_database(), 'create')
        and not exists (select from pg_publication where pubname = 'turngraph')";

/// What the owner has to run, when the publication is not there or lacks a table.
pub(super) async fn missing(session: &mut Session) -> StoreResult<Option<Finding>> {
    let names: Vec<&str> = TABLES.split(", ").collect();
    let (published, lacking): (bool, Vec<String>) = sqlx::query_as(LACKING)
        .bind(names)
        .fetch_one(&mut session.conn)
        .await
        .map_err(|error| store_error("publication", error))?;
    if lacking.is_empty() {
        return Ok(None);
    }
    let (message, repair) = if published {
        (
            format!(
                "the publication `turngraph` of this database lacks {}; its owner has to add them \
                 before changes can be read by logical replication",
                lacking.join(", ")
            ),
            format!(
                "alter publication turngraph add table {}",
                lacking.join(", ")
            ),
        )
    } else {
        (
            "there is no publication `turngraph`, and this role may not create one (it needs \
             CREATE on the database and the tables' ownership); without it changes are read from \
             `change_log` and not by logical replication"
                .to_owned(),
            format!(
                "create publication turngraph for table {TABLES} with (publish = 'insert, update, \
                 delete', publish_via_partition_root = true)"
            ),
        )
    };
    Ok(Some(Finding {
        rule: "no_publication".to_owned(),
        message,
        uids: vec![],
        repair_sql: Some(repair),
    }))
}

/// Whether the migration is going to create the publication.
pub(super) async fn will_be_created(session: &mut Session) -> StoreResult<bool> {
    sqlx::query_scalar(MAY_CREATE)
        .fetch_one(&mut session.conn)
        .await
        .map_err(|error| store_error("publication", error))
}
