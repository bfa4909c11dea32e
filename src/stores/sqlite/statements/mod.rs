//! SQL in SQLite's own words; what both engines share is in `stores::sql::statements`.
//!
//! Lists of keys and rows are one JSON parameter, read by `json_each`: one statement however many
//! there are, and one plan. Keyset bounds are row comparisons with open ends given as the least
//! and greatest values, so that the index serves every page.

use crate::stores::sql::Statement;
use crate::stores::sql::records::{
    PromptRecord, RevRecord, SessionRecord, StepHeadRecord, StepRecord, TurnHitRecord, TurnRecord,
    TurnSessionRecord, UidRecord,
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

pub use copies::*;

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

statements! { WRITES:
    /// Takes room in the file, to see whether there is some; `ROOM_GIVE` gives it back in the same
    /// transaction. No account has the empty key.
    ROOM_TAKE(&[]) = "
        insert into idempotency_keys (account_uid, key, input_hash, answer, created_at)
        values ('', '', '', printf('%.*c', 65536, 'x'), 0)";

    /// Gives back the room that `ROOM_TAKE` took.
    ROOM_GIVE(&[]) = "delete from idempotency_keys where account_uid = '' and key = ''";

    /// Session `$2` of account `$1`.
    SESSION_LOCK(SessionRecord::COLUMNS) = concat!(
        "select ", session_columns!(), " from sessions where uid = $2 and account_uid = $1");

    /// Inserts a session if its key `$1` is free and its account not blocked; its version `$10`
    /// becomes higher than that of a purge of the key or of the account.
    SESSION_INSERT(RevRecord::COLUMNS) = "
        insert into sessions (uid, account_uid, title, created_at, deleted_at, active_root,
            next_seq, last_activity_at, forked_from, rev)
        select $1, $2, $3, $4, $5, $6, $7, $8, $9, max($10, coalesce(
            (select max(rev) + 1 from purge_log where uid = $1 and kind = 'session'), $10),
            coalesce(
            (select max(rev) + 1 from purge_log where uid = $2 and kind = 'account'), $10))
        where not exists (select 1 from erased_accounts where account_uid = $2)
        on conflict (uid) do nothing
        returning rev";

    /// Turns of session `$1`, in no order.
    SESSION_TURNS(TurnRecord::COLUMNS) = concat!(
        "select ", human_columns!(), " from human_turns where session_uid = $1
        union all
        select ", agent_columns!(), " from agent_turns where session_uid = $1");

    /// Those of the keys `$1` that turns have.
    TURN_UIDS_TAKEN(UidRecord::COLUMNS) = "
        select uid from human_turns where uid in (select value from json_each($1))
        union all
        select uid from agent_turns where uid in (select value from json_each($1))";

    /// Inserts human turns of session `$1`: `$2` is a list of
    /// `[uid, parent, active_child, prompt, created_at, seq, deleted_at, rev]`.
    HUMAN_TURNS_INSERT(&[]) = "
        insert into human_turns (session_uid, uid, parent_uid, active_child, prompt, created_at,
            seq, deleted_at, rev)
        select $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
            value ->> 6, value ->> 7
        from json_each($2)";

    /// Inserts agent turns of session `$1`: `$2` is a list of `[uid, parent, active_child, liked,
    /// created_at, seq, deleted_at, model, status, finished_at, usage, rev]`.
    AGENT_TURNS_INSERT(&[]) = "
        insert into agent_turns (session_uid, uid, parent_uid, active_child, liked, created_at,
            seq, deleted_at, model, status, finished_at, usage, rev)
        select $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
            value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11
        from json_each($2)";

    /// Changes an agent turn: `$1` key; `$2` whether to set `active_child` `$3`; `$4` whether to
    /// set `liked` `$5`; `$6` whether to set `deleted_at` `$7`; `$8` status, `$9` end and `$10`
    /// usage, null to keep, except that what is streaming has no end; `$11` now as a rev.
    AGENT_TURN_UPDATE(RevRecord::COLUMNS) = "
        update agent_turns set
            active_child = case when $2 then $3 else active_child end,
            liked = case when $4 then $5 else liked end,
            deleted_at = case when $6 then $7 else deleted_at end,
            status = coalesce($8, status),
            finished_at = case when $8 = 'streaming' then null else coalesce($9, finished_at) end,
            usage = coalesce($10, usage),
            rev = max(rev + 1, $11)
        where uid = $1
        returning rev";

    /// Inserts steps of session `$1`: `$2` is a list of
    /// `[turn, idx, tpe, content, created_at, turn_seq, rev]`.
    STEPS_INSERT(&[]) = "
        insert into steps (session_uid, agent_turn_uid, idx, tpe, content, created_at, turn_seq,
            rev)
        select $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
            value ->> 6
        from json_each($2)";

    /// Inserts a score of session `$1`: `$2` is the list `[uid, target_kind, target_uid,
    /// target_idx, name, source, value_type, label, text, comment, evaluator, created_at]`, `$3`
    /// the version and `$4` the number.
    SCORE_INSERT(&[]) = "
        insert into scores (session_uid, uid, target_kind, target_uid, target_idx, name, source,
            value_type, label, text, comment, evaluator, created_at, rev, number)
        values ($1, $2 ->> 0, $2 ->> 1, $2 ->> 2, $2 ->> 3, $2 ->> 4, $2 ->> 5, $2 ->> 6,
            $2 ->> 7, $2 ->> 8, $2 ->> 9, $2 ->> 10, $2 ->> 11, $3, $4)
        on conflict (uid) do nothing";

    /// Sets metadata of session `$1`: `$2` is a list of
    /// `[target_kind, target_uid, target_idx, key, value]`.
    METADATA_SET(&[]) = "
        insert into metadata (session_uid, target_kind, target_uid, target_idx, key, value)
        select $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
        from json_each($2) where true
        on conflict (target_kind, target_uid, target_idx, key) do update set
            value = excluded.value, session_uid = excluded.session_uid";

    /// Number of the last change, also when old changes were pruned.
    LAST_CHANGE(&["seq"]) = "
        select coalesce(max(seq), 0) as seq from sqlite_sequence where name = 'change_log'";
}
