//! SQL in SQLite's own words; what both engines share is in `stores::sql::statements`.
//!
//! Lists of keys and rows are one JSON parameter, read by `json_each`: one statement however many
//! there are, and one plan. Keyset bounds are row comparisons with open ends given as the least
//! and greatest values, so that the index serves every page.

use crate::stores::sql::Statement;
use crate::stores::sql::records::{
    PromptRecord, SessionRecord, StepHeadRecord, StepRecord, TurnHitRecord, TurnRecord,
    TurnSessionRecord,
};
use crate::stores::sql::score::{MetadataRecord, ScoreRecord};
use crate::stores::sql::statements::statements;

macro_rules! session_columns {
    () => {
        "uid, account_uid, title, created_at, deleted_at, active_root, next_seq, \
         last_activity_at, forked_from, rev"
    };
}

macro_rules! human_columns {
    () => {
        "session_uid, uid, false as agent, parent_uid, active_child, seq, created_at, \
         deleted_at, null as liked, null as model, null as status, null as finished_at, \
         null as usage, rev"
    };
}

macro_rules! agent_columns {
    () => {
        "session_uid, uid, true as agent, parent_uid, active_child, seq, created_at, \
         deleted_at, liked, model, status, finished_at, usage, rev"
    };
}

mod copies;
mod writes;

pub use copies::*;
pub use writes::*;

/// The conditions of a listing: `$1` account, `$2` created from, `$3` created to, `$4` has
/// feedback, `$5` deleted ones too, `$6` active after, `$7` active until; null is no condition.
macro_rules! session_filter {
    () => {
        "account_uid = $1
            and ($2 is null or created_at >= $2)
            and ($3 is null or created_at < $3)
            and ($4 is null or $4 = exists (
                select 1 from agent_turns t where t.session_uid = sessions.uid and t.liked is not null))
            and ($5 or deleted_at is null)
            and ($6 is null or last_activity_at > $6)
            and ($7 is null or last_activity_at <= $7)"
    };
}

/// A page: the filter, `$8`, `$9` the bound below, `$10`, `$11` the bound above, `$12` rows.
macro_rules! sessions_page {
    ($column:literal, $direction:literal) => {
        concat!(
            "select ",
            session_columns!(),
            " from sessions where ",
            session_filter!(),
            " and (",
            $column,
            ", uid) > ($8, $9) and (",
            $column,
            ", uid) < ($10, $11)
            order by ",
            $column,
            " ",
            $direction,
            ", uid ",
            $direction,
            " limit $12"
        )
    };
}

statements! { READS:
    /// Sessions of account `$1` with the keys `$2`.
    SESSIONS_BY_UID(SessionRecord::COLUMNS) = concat!(
        "select ", session_columns!(), " from sessions
        where uid in (select value from json_each($2)) and account_uid = $1");

    /// Turns of the sessions `$2` of account `$1`, in no order.
    TURNS_BY_SESSION(TurnRecord::COLUMNS) = concat!(
        "select ", human_columns!(), " from human_turns
        where session_uid in (
            select uid from sessions
            where uid in (select value from json_each($2)) and account_uid = $1)
        union all
        select ", agent_columns!(), " from agent_turns
        where session_uid in (
            select uid from sessions
            where uid in (select value from json_each($2)) and account_uid = $1)");

    /// Sessions of those of the turns `$2` that are account `$1`'s.
    SESSIONS_BY_TURN(TurnSessionRecord::COLUMNS) = "
        select t.uid, t.session_uid
        from human_turns t join sessions s on s.uid = t.session_uid
        where t.uid in (select value from json_each($2)) and s.account_uid = $1
        union all
        select t.uid, t.session_uid
        from agent_turns t join sessions s on s.uid = t.session_uid
        where t.uid in (select value from json_each($2)) and s.account_uid = $1";

    /// A page, most recently active first.
    SESSIONS_BY_ACTIVITY_DESC(SessionRecord::COLUMNS) = sessions_page!("last_activity_at", "desc");
    /// A page, least recently active first.
    SESSIONS_BY_ACTIVITY_ASC(SessionRecord::COLUMNS) = sessions_page!("last_activity_at", "asc");
    /// A page, newest first.
    SESSIONS_BY_CREATION_DESC(SessionRecord::COLUMNS) = sessions_page!("created_at", "desc");
    /// A page, oldest first.
    SESSIONS_BY_CREATION_ASC(SessionRecord::COLUMNS) = sessions_page!("created_at", "asc");

    /// Number of sessions that pass the filter, counted to `$8` at most.
    SESSIONS_COUNT(&["count"]) = concat!(
        "select count(*) as count from (
            select 1 from sessions where ", session_filter!(), " limit $8)");

    /// Turns of account `$1` with their texts, newest first: `$2` session or null, `$3`, `$4` the
    /// bound above. The heads are sorted first and SQLite reads them in the order in which they
    /// were laid down, so that texts are fetched only for the rows that are taken.
    TURNS_SEARCH(TurnHitRecord::COLUMNS) = "
        with heads as materialized (
            select t.uid, t.session_uid, false as agent, t.created_at
            from sessions s join human_turns t on t.session_uid = s.uid
            where s.account_uid = $1 and s.deleted_at is null and ($2 is null or s.uid = $2)
                and t.deleted_at is null and (t.created_at, t.uid) < ($3, $4)
            union all
            select t.uid, t.session_uid, true as agent, t.created_at
            from sessions s join agent_turns t on t.session_uid = s.uid
            where s.account_uid = $1 and s.deleted_at is null and ($2 is null or s.uid = $2)
                and t.deleted_at is null and (t.created_at, t.uid) < ($3, $4)
            order by 4 desc, 1 desc
        )
        select heads.uid, heads.session_uid, heads.agent, heads.created_at,
            case when not heads.agent then (
                select p.prompt from human_turns p where p.uid = heads.uid) end as prompt,
            case when heads.agent then (
                select json_group_array(b.content order by b.idx) from steps b
                where b.agent_turn_uid = heads.uid and b.tpe = 1) end as contents
        from heads";

    /// Prompts of the turns `$1`.
    PROMPTS(PromptRecord::COLUMNS) = "
        select uid, prompt from human_turns where uid in (select value from json_each($1))";

    /// Steps of the turns `$1`, in no order.
    STEPS(StepRecord::COLUMNS) = "
        select agent_turn_uid, idx, tpe, content, created_at, rev
        from steps where agent_turn_uid in (select value from json_each($1))";

    /// Steps of the turns `$1` without content, in no order.
    STEP_HEADS(StepHeadRecord::COLUMNS) = "
        select agent_turn_uid, idx, tpe
        from steps where agent_turn_uid in (select value from json_each($1))";

    /// Scores of the sessions `$1`.
    SCORES_BY_SESSION(ScoreRecord::COLUMNS) = "
        select session_uid, uid, target_kind, target_uid, target_idx, name, source, value_type,
            number, label, text, comment, evaluator, created_at
        from scores where session_uid in (select value from json_each($1))";

    /// Metadata of the sessions `$1`.
    METADATA_BY_SESSION(MetadataRecord::COLUMNS) = "
        select session_uid, target_kind, target_uid, target_idx, key, value
        from metadata where session_uid in (select value from json_each($1))";

    /// Number of the newest migration.
    SCHEMA_VERSION(&["version"]) = "
        select coalesce(max(version), 0) as version from turngraph_migrations";

    /// Identity of the database.
    STORE_ID(&["id"]) = "select id from turngraph_store";

    /// Version of the SQLite library.
    ENGINE_VERSION(&["version"]) = "select sqlite_version() as version";
}
