//! SQL in PostgreSQL's own words; what both engines share is in `stores::sql::statements`.
//!
//! Lists of keys and rows are arrays: one statement however many there are, and one plan. Keyset
//! bounds are row comparisons with open ends given as infinities, so that the index serves every
//! page. Two values stand for "not given yet" and are taken care of before a row is shown: `seq`
//! -1 of a turn and `last_activity_at` infinity of a session that another program has written.

pub mod erasure;
pub mod log;
pub mod numbering;
pub mod reads;
pub mod source;
pub mod writes;

/// Columns of `SessionRecord`. A session without a creation time is shown as the oldest there is,
/// which is where the index lists it.
macro_rules! session_columns {
    () => {
        "uid, account_uid, title,
            coalesce(created_at, '1970-01-01 00:00:00+00'::timestamptz) as created_at,
            deleted_at, nullif(active_root, '') as active_root, next_seq,
            coalesce(last_activity_at, 'infinity'::timestamptz) as last_activity_at,
            forked_from::text as forked_from, rev"
    };
}

/// The creation time of a turn or step: where a program has given none, that of its arrival.
macro_rules! created_or_arrived {
    () => {
        "coalesce(created_at, '1970-01-01 00:00:00+00'::timestamptz
            + rev * '1 microsecond'::interval) as created_at"
    };
}

/// Columns of `TurnRecord` in `human_turns`.
macro_rules! human_columns {
    () => {
        concat!(
            "session_uid, uid, false as agent, nullif(parent_uid, '') as parent_uid,
            nullif(active_child, '') as active_child, coalesce(seq, -1) as seq, ",
            $crate::stores::postgres::statements::created_or_arrived!(),
            ", deleted_at, null::boolean as liked, null::varchar as model,
            null::varchar as status, null::timestamptz as finished_at, null::text as usage, rev"
        )
    };
}

/// Columns of `TurnRecord` in `agent_turns`.
macro_rules! agent_columns {
    () => {
        concat!(
            "session_uid, uid, true as agent, nullif(parent_uid, '') as parent_uid,
            nullif(active_child, '') as active_child, coalesce(seq, -1) as seq, ",
            $crate::stores::postgres::statements::created_or_arrived!(),
            ", deleted_at, liked, model, status, finished_at, usage::text as usage, rev"
        )
    };
}

/// Turns of sessions by a condition on `session_uid`: each table by its index of numbered turns
/// and by that of waiting ones, since neither has the other's rows.
macro_rules! turns_where {
    ($condition:expr) => {
        concat!(
            "select ",
            $crate::stores::postgres::statements::human_columns!(),
            " from human_turns where ",
            $condition,
            " and seq is not null
        union all
        select ",
            $crate::stores::postgres::statements::agent_columns!(),
            " from agent_turns where ",
            $condition,
            " and seq is not null
        union all
        select ",
            $crate::stores::postgres::statements::human_columns!(),
            " from human_turns where ",
            $condition,
            " and seq is null
        union all
        select ",
            $crate::stores::postgres::statements::agent_columns!(),
            " from agent_turns where ",
            $condition,
            " and seq is null"
        )
    };
}

pub(crate) use {agent_columns, created_or_arrived, human_columns, session_columns, turns_where};
