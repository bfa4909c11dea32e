//! Statements that only read.

use super::{created_or_arrived, session_columns, turns_where};
use crate::stores::sql::Statement;
use crate::stores::sql::records::{
    PromptRecord, SessionRecord, StepHeadRecord, StepRecord, TurnHitRecord, TurnRecord,
    TurnSessionRecord,
};
use crate::stores::sql::score::{MetadataRecord, ScoreRecord};
use crate::stores::sql::statements::statements;

/// When a session was created, in the very words of its index.
macro_rules! created {
    () => {
        "coalesce(sessions.created_at, '1970-01-01 00:00:00+00'::timestamptz)"
    };
}

/// The account of sessions that are looked up by key, written so that no index on accounts serves
/// it: a plan made for all accounts would read every session of the largest one to find one key.
macro_rules! owned {
    () => {
        "account_uid || '' = $1"
    };
}

/// The conditions of a listing: `$1` account, `$2` created from, `$3` created to, `$4` has
/// feedback, `$5` deleted ones too, `$6` active after, `$7` active until, `$8` pattern of the
/// title; null is no condition. `offset 0` keeps the votes of one session from being looked up by
/// gathering those of all.
macro_rules! session_filter {
    () => {
        concat!(
            "account_uid = $1
            and ($2::timestamptz is null or ",
            created!(),
            " >= $2)
            and ($3::timestamptz is null or ",
            created!(),
            " < $3)
            and ($4::boolean is null or $4 = exists (
                select from agent_turns t
                where t.session_uid = sessions.uid and t.liked is not null offset 0))
            and ($5 or deleted_at is null)
            and ($6::timestamptz is null or last_activity_at > $6)
            and ($7::timestamptz is null or last_activity_at <= $7)
            and ($8::varchar is null or title ilike $8)"
        )
    };
}

/// A page, ordered by a column that is named with its table (a bare name would mean the column of
/// the answer, which no index has): the filter, `$9`, `$10` the bound below, `$11`, `$12` the bound above, `$13` rows; and
/// sessions of the account that wait for their first look, which a page must not miss.
macro_rules! sessions_page {
    ($column:expr, $direction:literal) => {
        concat!(
            "(select ",
            session_columns!(),
            " from sessions where ",
            session_filter!(),
            " and (",
            $column,
            ", sessions.uid collate \"C\") > ($9, $10) and (",
            $column,
            ", sessions.uid collate \"C\") < ($11, $12)
            order by ",
            $column,
            " ",
            $direction,
            ", sessions.uid collate \"C\" ",
            $direction,
            " limit $13)
        union all
        (select ",
            session_columns!(),
            " from sessions where account_uid = $1 and last_activity_at is null limit $13)"
        )
    };
}

/// Texts of one kind of turn for a search, with the conditions of both kinds.
macro_rules! search_heads {
    ($table:literal) => {
        concat!(
            " from sessions s join ",
            $table,
            " t on t.session_uid = s.uid
            cross join lateral (select coalesce(t.created_at,
                '1970-01-01 00:00:00+00'::timestamptz + t.rev * '1 microsecond'::interval)
                as created_at) c"
        )
    };
}

/// Conditions of a search; see [`TURNS_SEARCH`].
macro_rules! search_filter {
    () => {
        " s.account_uid = $1 and s.deleted_at is null and ($2::varchar is null or s.uid = $2)
            and t.deleted_at is null and (c.created_at, t.uid collate \"C\") < ($3, $4)"
    };
}

statements! { READS:
    /// Sessions of account `$1` with the keys `$2`.
    SESSIONS_BY_UID(SessionRecord::COLUMNS) = concat!(
        "select ", session_columns!(), " from sessions where uid = any($2) and ", owned!());

    /// Turns of the sessions `$2` of account `$1`, in no order.
    TURNS_BY_SESSION(TurnRecord::COLUMNS) = concat!(
        "with mine as materialized (
            select coalesce(array_agg(uid), '{}') as uids from sessions
            where uid = any($2) and ", owned!(), "
        ) ",
        turns_where!("session_uid = any((select uids from mine)::varchar[])"));

    /// Sessions of those of the turns `$2` that are account `$1`'s.
    SESSIONS_BY_TURN(TurnSessionRecord::COLUMNS) = concat!("
        select t.uid, t.session_uid
        from human_turns t join sessions s on s.uid = t.session_uid
        where t.uid = any($2) and ", owned!(), "
        union all
        select t.uid, t.session_uid
        from agent_turns t join sessions s on s.uid = t.session_uid
        where t.uid = any($2) and ", owned!());

    /// A page, most recently active first.
    SESSIONS_BY_ACTIVITY_DESC(SessionRecord::COLUMNS) = sessions_page!("sessions.last_activity_at", "desc");
    /// A page, least recently active first.
    SESSIONS_BY_ACTIVITY_ASC(SessionRecord::COLUMNS) = sessions_page!("sessions.last_activity_at", "asc");
    /// A page, newest first.
    SESSIONS_BY_CREATION_DESC(SessionRecord::COLUMNS) = sessions_page!(created!(), "desc");
    /// A page, oldest first.
    SESSIONS_BY_CREATION_ASC(SessionRecord::COLUMNS) = sessions_page!(created!(), "asc");

    /// Number of sessions that pass the filter, counted to `$9` at most.
    SESSIONS_COUNT(&["count"]) = concat!(
        "select count(*) as count from (
            select from sessions where ", session_filter!(), " limit $9) counted");

    /// Turns of account `$1` with their texts, newest first: `$2` session or null, `$3`, `$4` the
    /// bound above, `$5` patterns that the text must match, `$6` rows. A text with escapes of JSON
    /// passes whatever the patterns, and is compared by the caller.
    TURNS_SEARCH(TurnHitRecord::COLUMNS) = concat!("
        select uid, session_uid, agent, created_at, prompt, contents from (
            select t.uid, t.session_uid, false as agent, c.created_at, t.prompt,
                null::text as contents",
            search_heads!("human_turns"), "
            where ", search_filter!(), " and t.prompt ilike all ($5)
            union all
            select t.uid, t.session_uid, true, c.created_at, null, b.contents",
            search_heads!("agent_turns"), "
                cross join lateral (
                    select json_agg(b.content order by b.idx)::text as contents,
                        string_agg(b.content, chr(10)) as joined
                    from steps b where b.agent_turn_uid = t.uid and b.tpe = 1) b
            where ", search_filter!(), "
                and (b.joined ilike all ($5) or strpos(b.joined, chr(92)) > 0)
        ) hits
        order by created_at desc, uid collate \"C\" desc
        limit $6");

    /// Prompts of the turns `$1`.
    PROMPTS(PromptRecord::COLUMNS) = "
        select uid, coalesce(prompt, '') as prompt from human_turns where uid = any($1)";

    /// Steps of the turns `$1`, in no order.
    STEPS(StepRecord::COLUMNS) = concat!("
        select agent_turn_uid, idx, coalesce(tpe, -1) as tpe, coalesce(content, '') as content, ",
        created_or_arrived!(), ", rev
        from steps where agent_turn_uid = any($1)");

    /// Steps of the turns `$1` without content, in no order.
    STEP_HEADS(StepHeadRecord::COLUMNS) = "
        select agent_turn_uid, idx, coalesce(tpe, -1) as tpe
        from steps where agent_turn_uid = any($1)";

    /// Scores of the sessions `$1`.
    SCORES_BY_SESSION(ScoreRecord::COLUMNS) = "
        select session_uid, uid, target_kind, target_uid, target_idx, name, source, value_type,
            number, label, text, comment, evaluator, created_at
        from scores where session_uid = any($1)";

    /// Metadata of the sessions `$1`.
    METADATA_BY_SESSION(MetadataRecord::COLUMNS) = "
        select session_uid, target_kind, target_uid, target_idx, key, value
        from metadata where session_uid = any($1)";

    /// Version of the server and whether the database has a schema of ours.
    SERVER(&["version", "migrated"]) = "
        select current_setting('server_version') as version,
            to_regclass('turngraph_migrations') is not null as migrated";

    /// Number of the newest migration that is complete.
    SCHEMA_VERSION(&["version"]) = "
        select coalesce(max(version), 0) as version from turngraph_migrations
        where finished_at is not null";

    /// Turns that wait for a number.
    PENDING_TURNS(&["count"]) = "
        select (select count(*) from human_turns where seq is null)
            + (select count(*) from agent_turns where seq is null) as count";

    /// Identity of the server's data and place in its log, for what was committed before.
    POSITION(&["system", "timeline", "lsn"]) = "
        select (select system_identifier from pg_control_system()) as system,
            substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) as timeline,
            (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint as lsn";
}
