//! Every statement of the projections, prepared once.
//!
//! Each change of data names its own timestamp, which is the `rev` of the row that it comes from;
//! a test looks for statements that do not.

use scylla::client::session::Session;
use scylla::statement::Statement;
use scylla::statement::prepared::PreparedStatement;

use super::connect::Profiles;
use super::error::prepare_error;
use crate::stores::record::StoreResult;

/// Rows in the first page of a graph, which carries the header beside each row. The pages after it
/// do not.
pub(super) const FIRST_PAGE: i32 = 256;

/// Rows in a page of short rows.
const ROWS_PAGE: i32 = 5_000;

/// Rows in a page of bodies, which may be up to 64 KiB each.
const BODIES_PAGE: i32 = 2_000;

/// A statement's text; the names of tables stand in braces.
struct Text {
    name: &'static str,
    cql: &'static str,
    reads: bool,
    page: i32,
}

const fn read(name: &'static str, cql: &'static str, page: i32) -> Text {
    let reads = true;
    Text {
        name,
        cql,
        reads,
        page,
    }
}

const fn write(name: &'static str, cql: &'static str) -> Text {
    Text {
        name,
        cql,
        reads: false,
        page: ROWS_PAGE,
    }
}

/// A prepared statement and its name in messages.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) name: &'static str,
    pub(super) statement: PreparedStatement,
}

/// Declares the statements once: field, text.
macro_rules! statements {
    ($($(#[$doc:meta])* $field:ident = $kind:ident($cql:literal $(, $page:expr)?);)*) => {
        /// All statements, prepared.
        #[derive(Clone)]
        pub(super) struct Statements {
            $($(#[$doc])* pub(super) $field: Prepared,)*
        }

        impl Statements {
            /// Prepares all of them for a generation of tables.
            pub(super) async fn prepare(
                session: &Session,
                tables: &Tables,
                profiles: &Profiles,
            ) -> StoreResult<Self> {
                $(let $field = $kind(stringify!($field), $cql $(, $page)?);)*
                Ok(Self {
                    $($field: prepare(session, tables, profiles, &$field).await?,)*
                })
            }

            /// Names of statements that the driver cannot route to a replica.
            pub(super) fn unrouted(&self) -> Vec<&'static str> {
                let all = [$(&self.$field,)*];
                all.iter().filter(|s| !s.statement.is_token_aware()).map(|s| s.name).collect()
            }
        }
    };
}

statements! {
    /// A session's header.
    header_put = write(
        "insert into {turns} (session_uid, account_uid, title, begun_us, removed_us, active_root, next_seq, last_activity_us, forked_from, session_rev) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) using timestamp ?"
    );
    /// A turn's row, or a grave.
    turn_put = write(
        "insert into {turns} (session_uid, seq, uid, kind, parent_uid, active_child, liked, created_us, deleted_us, model, status, finished_us, usage, rev) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) using timestamp ?"
    );
    /// A prompt or a step.
    body_put = write(
        "insert into {bodies} (session_uid, bucket, seq, idx, turn_uid, tpe, content, bytes, created_us, rev) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) using timestamp ?"
    );
    /// A place in an account's list.
    listing_put = write(
        "insert into {sessions} (account_uid, month, created_us, session_uid, deleted, rev) values (?, ?, ?, ?, ?, ?) using timestamp ?"
    );
    /// A month of an account.
    month_put = write(
        "insert into {months} (account_uid, month, rev) values (?, ?, ?) using timestamp ?"
    );
    /// A session is no longer listed here.
    listing_gone = write(
        "delete from {sessions} using timestamp ? where account_uid = ? and month = ? and created_us = ? and session_uid = ?"
    );
    /// A session's graph and header.
    graph_gone = write("delete from {turns} using timestamp ? where session_uid = ?");
    /// Months of an account that was erased.
    months_gone = write("delete from {months} using timestamp ? where account_uid = ?");
    /// A partition of bodies.
    bucket_gone = write(
        "delete from {bodies} using timestamp ? where session_uid = ? and bucket = ?"
    );
    /// Bodies of a turn from a place on.
    turn_bodies_gone = write(
        "delete from {bodies} using timestamp ? where session_uid = ? and bucket = ? and seq = ? and idx >= ?"
    );
    /// One step.
    step_gone = write(
        "delete from {bodies} using timestamp ? where session_uid = ? and bucket = ? and seq = ? and idx = ?"
    );
    /// A session's header alone.
    header = read(
        "select distinct session_uid, account_uid, title, begun_us, removed_us, active_root, next_seq, last_activity_us, forked_from, session_rev from {turns} where session_uid = ?",
        1
    );
    /// The first rows of a graph, each with the header.
    graph = read(
        "select account_uid, title, begun_us, removed_us, active_root, next_seq, last_activity_us, forked_from, session_rev, seq, uid, kind, parent_uid, active_child, liked, created_us, deleted_us, model, status, finished_us, usage, rev from {turns} where session_uid = ? limit 256",
        FIRST_PAGE
    );
    /// The rows of a graph behind a number.
    graph_rest = read(
        "select seq, uid, kind, parent_uid, active_child, liked, created_us, deleted_us, model, status, finished_us, usage, rev from {turns} where session_uid = ? and seq > ?",
        ROWS_PAGE
    );
    /// Bodies of turns that lie close together.
    bodies_range = read(
        "select seq, idx, turn_uid, tpe, bytes, created_us, rev, content from {bodies} where session_uid = ? and bucket = ? and seq >= ? and seq <= ?",
        BODIES_PAGE
    );
    /// Bodies of single turns.
    bodies_of = read(
        "select seq, idx, turn_uid, tpe, bytes, created_us, rev, content from {bodies} where session_uid = ? and bucket = ? and seq in ?",
        BODIES_PAGE
    );
    /// The same without content.
    heads_range = read(
        "select seq, idx, turn_uid, tpe, bytes, created_us, rev from {bodies} where session_uid = ? and bucket = ? and seq >= ? and seq <= ?",
        ROWS_PAGE
    );
    /// The same without content.
    heads_of = read(
        "select seq, idx, turn_uid, tpe, bytes, created_us, rev from {bodies} where session_uid = ? and bucket = ? and seq in ?",
        ROWS_PAGE
    );
    /// Months of an account up to one.
    months = read(
        "select month from {months} where account_uid = ? and month <= ?",
        ROWS_PAGE
    );
    /// Sessions of a month behind a place.
    listing = read(
        "select created_us, session_uid, deleted from {sessions} where account_uid = ? and month = ? and (created_us, session_uid) < (?, ?) limit ?",
        ROWS_PAGE
    );
    /// Sessions of a month.
    listing_all = read(
        "select created_us, session_uid, deleted from {sessions} where account_uid = ? and month = ? limit ?",
        ROWS_PAGE
    );
    /// One thing about this generation.
    state_put = write(
        "insert into {state} (kind, key, value, at_us) values (?, ?, ?, ?) using timestamp ?"
    );
    /// It no longer holds.
    state_gone = write("delete from {state} using timestamp ? where kind = ? and key = ?");
    /// All things of a kind.
    state = read("select key, value, at_us from {state} where kind = ?", ROWS_PAGE);
}

/// Names of the tables of one generation.
pub(super) struct Tables {
    /// Keyspace of all of them.
    pub(super) keyspace: String,
    /// Number at the end of their names.
    pub(super) generation: i32,
}

impl Tables {
    fn fill(&self, cql: &str) -> String {
        let Self {
            keyspace,
            generation,
        } = self;
        cql.replace(
            "{turns}",
            &format!("{keyspace}.turns_by_session_{generation}"),
        )
        .replace(
            "{bodies}",
            &format!("{keyspace}.bodies_by_session_{generation}"),
        )
        .replace(
            "{sessions}",
            &format!("{keyspace}.sessions_by_user_{generation}"),
        )
        .replace(
            "{months}",
            &format!("{keyspace}.months_by_user_{generation}"),
        )
        .replace("{state}", &format!("{keyspace}.projection_state"))
    }
}

async fn prepare(
    session: &Session,
    tables: &Tables,
    profiles: &Profiles,
    text: &Text,
) -> StoreResult<Prepared> {
    let mut statement = session
        .prepare(Statement::new(tables.fill(text.cql)))
        .await
        .map_err(|error| prepare_error(text.name, error))?;
    // Each write carries its version, so that a repetition changes nothing.
    statement.set_is_idempotent(true);
    statement.set_page_size(text.page);
    statement.set_use_cached_result_metadata(true);
    let profile = if text.reads {
        &profiles.read
    } else {
        &profiles.write
    };
    statement.set_execution_profile_handle(Some(profile.clone()));
    Ok(Prepared {
        name: text.name,
        statement,
    })
}
