//! What a server needs so that its log can be read, and the SQL that mends what is missing.
//!
//! Asked before every connection, since all of it can change while a feed is away, and by `doctor`.

use sqlx::postgres::PgConnection;

use super::failure::{of_statement, quoted, setup};
use super::slot::SlotStatus;
use crate::cdc::FeedError;
use crate::cdc::rows::Table;

/// Said where a slot cannot be made.
pub(super) const NO_ROOM_FOR_SLOT: &str = "the record store has no room for another replication \
    slot; drop one that nobody reads (`select slot_name, active from pg_replication_slots;`, \
    `select pg_drop_replication_slot('…');`), or run `alter system set max_replication_slots = \
    20;` and restart the server";

/// Something that is wrong, or that will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the feed cannot work with it.
    pub fatal: bool,
    /// What is wrong.
    pub problem: String,
    /// What to do; SQL where SQL does it.
    pub mend: String,
}

impl Finding {
    fn fatal(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            fatal: true,
            problem: problem.into(),
            mend: mend.into(),
        }
    }

    fn warning(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            fatal: false,
            ..Self::fatal(problem, mend)
        }
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) slot: &'a str,
    pub(super) publication: &'a str,
    pub(super) role: &'a str,
}

/// Facts about a server, in the order of the statement's columns.
type Facts = (String, bool, i64, i64, i64, i32);

const FACTS: &str = "select current_setting('wal_level'), pg_is_in_recovery(),
    current_setting('max_replication_slots')::bigint, (select count(*) from pg_replication_slots),
    (select setting::bigint from pg_settings where name = 'max_slot_wal_keep_size'),
    current_setting('server_version_num')::int";

const PUBLICATION: &str = "select pubinsert and pubupdate and pubdelete, pubtruncate, pubviaroot
    from pg_publication where pubname = $1";

/// A published table with its replica identity, whether that is usable, and whether rows are left
/// out.
const PUBLISHED: &str = "select t.tablename::text, t.rowfilter is not null,
        c.relreplident in ('f', 'i') or c.relreplident = 'd' and exists (
            select from pg_index i where i.indrelid = c.oid and i.indisprimary)
    from pg_publication_tables t
    join pg_class c on c.oid = format('%I.%I', t.schemaname, t.tablename)::regclass
    where t.pubname = $1";

/// Everything that is wrong or will be.
pub(super) async fn findings(
    connection: &mut PgConnection,
    subject: Subject<'_>,
) -> Result<Vec<Finding>, FeedError> {
    let failed = |error| of_statement(error, "look at the server's settings", subject.role);
    let facts: Facts = sqlx::query_as(FACTS)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let slot = SlotStatus::read(connection, (subject.slot, subject.role)).await?;
    let mut found = Vec::new();
    server(&facts, slot.is_some(), &mut found);
    if let Some(slot) = &slot {
        of_slot(slot, subject, &facts, &mut found);
    }
    let publication: Option<(bool, bool, bool)> = sqlx::query_as(PUBLICATION)
        .bind(subject.publication)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let tables: Vec<(String, bool, bool)> = sqlx::query_as(PUBLISHED)
        .bind(subject.publication)
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    match publication {
        None => found.push(Finding::fatal(
            format!("there is no publication `{}`", subject.publication),
            create_publication(subject.publication),
        )),
        Some(publishes) => of_publication(publishes, &tables, subject, &mut found),
    }
    Ok(found)
}

fn server(facts: &Facts, has_slot: bool, found: &mut Vec<Finding>) {
    let (wal_level, standby, slots_max, slots, keep_mb, version) = facts;
    if wal_level != "logical" {
        found.push(Finding::fatal(
            format!("`wal_level` is `{wal_level}`, so the log does not hold what rows became"),
            "alter system set wal_level = logical; then restart the server (or let the feed be \
             `change_log`, which needs no setting)",
        ));
    }
    if *standby {
        found.push(Finding::fatal(
            "this server is a standby",
            "give the address of the primary",
        ));
    }
    if !has_slot && slots >= slots_max {
        found.push(Finding::fatal(
            format!("all {slots_max} replication slots are taken"),
            NO_ROOM_FOR_SLOT,
        ));
    }
    if *keep_mb < 0 {
        found.push(Finding::warning(
            "`max_slot_wal_keep_size` is not set: while the projector stands still, the log \
             grows until the disk is full",
            "alter system set max_slot_wal_keep_size = '100GB'; select pg_reload_conf(); (as much \
             as the disk can spare; a slot beyond it is lost and projections are rebuilt)",
        ));
    }
    if *version < 170_000 {
        found.push(Finding::warning(
            "before PostgreSQL 17 a slot does not survive a failover",
            "rebuild projections after each promotion of a standby, or update PostgreSQL",
        ));
    }
}

fn of_slot(slot: &SlotStatus, subject: Subject<'_>, facts: &Facts, found: &mut Vec<Finding>) {
    let name = subject.slot;
    if slot.plugin != "pgoutput" {
        found.push(Finding::fatal(
            format!(
                "slot `{name}` is another program's (plugin `{}`)",
                slot.plugin
            ),
            "give the feed another name (`feed_slot`)",
        ));
    }
    if slot.is_lost() {
        let why = slot
            .invalidated
            .as_deref()
            .unwrap_or("max_slot_wal_keep_size");
        found.push(Finding::warning(
            format!("slot `{name}` is lost ({why}): a part of the log that was not read is gone"),
            "turngraph makes a new one and rebuilds projections; raise max_slot_wal_keep_size if \
             this was no accident",
        ));
    }
    if facts.5 >= 170_000 && slot.failover == Some(false) {
        found.push(Finding::warning(
            format!("slot `{name}` does not survive a failover"),
            "stop the projector, run `select pg_drop_replication_slot('…')` for it and start the \
             projector again: it makes one that does, and rebuilds projections",
        ));
    }
}

fn of_publication(
    (whole, truncates, via_root): (bool, bool, bool),
    tables: &[(String, bool, bool)],
    subject: Subject<'_>,
    found: &mut Vec<Finding>,
) {
    let name = quoted(subject.publication);
    if !whole {
        found.push(Finding::fatal(
            format!("publication {name} leaves out a kind of change"),
            format!("alter publication {name} set (publish = 'insert, update, delete, truncate');"),
        ));
    }
    if whole && !truncates {
        found.push(Finding::warning(
            format!("publication {name} does not tell that a table was emptied"),
            format!("alter publication {name} set (publish = 'insert, update, delete, truncate');"),
        ));
    }
    if !via_root {
        found.push(Finding::warning(
            format!("publication {name} tells rows of partitions under the partition's name"),
            format!("alter publication {name} set (publish_via_partition_root = true);"),
        ));
    }
    for table in Table::ALL {
        let table = table.name();
        let published = tables.iter().find(|(published, ..)| published == table);
        match published {
            None => found.push(Finding::fatal(
                format!("publication {name} does not have table {table}"),
                format!("alter publication {name} add table {table};"),
            )),
            Some((_, true, _)) => found.push(Finding::fatal(
                format!("publication {name} leaves out rows of table {table}"),
                format!("alter publication {name} drop table {table}, then add it without where;"),
            )),
            Some((_, _, false)) => found.push(Finding::fatal(
                format!("table {table} has no replica identity, so its rows cannot be updated"),
                format!("alter table {table} replica identity default; (it has a primary key)"),
            )),
            Some(_) => {}
        }
    }
}

/// The publication that a feed reads.
pub(super) fn create_publication(name: &str) -> String {
    format!(
        "create publication {} for table {} with (publish_via_partition_root = true);",
        quoted(name),
        Table::ALL.map(Table::name).join(", ")
    )
}

/// The error of a server on which a feed cannot work; none where it can.
pub fn refusal(found: &[Finding]) -> Option<FeedError> {
    let fatal: Vec<String> = found
        .iter()
        .filter(|finding| finding.fatal)
        .map(|finding| format!("{}: {}", finding.problem, finding.mend))
        .collect();
    let message = format!(
        "the record store's log cannot be read: {}",
        fatal.join("; ")
    );
    (!fatal.is_empty()).then(|| setup(message))
}

/// Whether `wal_level` is `logical`.
pub(super) async fn is_logical(
    connection: &mut PgConnection,
    role: &str,
) -> Result<bool, FeedError> {
    sqlx::query_scalar("select current_setting('wal_level') = 'logical'")
        .fetch_one(connection)
        .await
        .map_err(|error| of_statement(error, "ask for `wal_level`", role))
}
