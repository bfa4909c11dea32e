//! SQL for those who keep copies of the record: the projector's reads, the table of changes, and
//! removal for good. The columns of rows are those of the parent's macros.

use crate::stores::sql::Statement;
use crate::stores::sql::log::{LogPurgeRecord, LogRecord, LogStepRecord, LogTurnRecord};
use crate::stores::sql::records::{SessionRecord, UidRecord};
use crate::stores::sql::source::{AddressRecord, SourceRecord};
use crate::stores::sql::statements::statements;

statements! { SOURCE:
    /// Addresses of the turns `$1`.
    ADDRESSES(AddressRecord::COLUMNS) = "
        select uid, session_uid, seq from human_turns
        where uid in (select value from json_each($1))
        union all
        select uid, session_uid, seq from agent_turns
        where uid in (select value from json_each($1))";

    /// Sessions `$1`.
    SESSION_ROWS(SessionRecord::COLUMNS) = concat!(
        "select ", session_columns!(), " from sessions
        where uid in (select value from json_each($1))");

    /// Turns of session `$1` with numbers from `$2` to `$3` and all content, step by step.
    SOURCE_TURNS(SourceRecord::COLUMNS) = concat!("
        select t.*, s.idx as step_idx, s.tpe as step_tpe, s.content as step_content,
            s.created_at as step_created_at, s.rev as step_rev
        from (
            select ", human_columns!(), ", prompt
            from human_turns where session_uid = $1 and seq between $2 and $3
            union all
            select ", agent_columns!(), ", null as prompt
            from agent_turns where session_uid = $1 and seq between $2 and $3
        ) t left join steps s on t.agent and s.agent_turn_uid = t.uid
        order by t.seq, t.uid, s.idx");

    /// Keys of sessions after `$1`, in the order of their bytes, `$2` at most.
    SESSION_UIDS(UidRecord::COLUMNS) = "
        select uid from sessions where uid > $1 order by uid limit $2";

    /// The number of sessions, if none was ever deleted: counting them would read them all.
    SESSION_COUNT_ESTIMATE(&["count"]) = "
        select coalesce(max(rowid), 0) as count from sessions";
}

statements! { LOG:
    /// Number of the last change, also of one that was removed, and of the first that is there.
    LOG_ENDS(&["last", "first"]) = "
        select coalesce((select max(seq) from sqlite_sequence where name = 'change_log'), 0) as last,
            (select min(seq) from change_log) as first";

    /// Entries after `$1` and below `$2`, `$3` at most.
    LOG_ENTRIES(LogRecord::COLUMNS) = "
        select seq as place, seq, entity, uid, idx, purge_id as reference
        from change_log where seq > $1 and seq < $2 order by seq limit $3";

    /// Removes entries below `$1`, `$2` at most, oldest first.
    LOG_FORGET(&[]) = "
        delete from change_log
        where seq < $1 and seq < (select min(seq) from change_log) + $2";

    /// Turns `$1` with their prompts.
    LOG_TURNS(LogTurnRecord::COLUMNS) = concat!(
        "select ", human_columns!(), ", prompt
        from human_turns where uid in (select value from json_each($1))
        union all
        select ", agent_columns!(), ", null as prompt
        from agent_turns where uid in (select value from json_each($1))");

    /// Steps `$1`, a list of `[turn, idx]`, with their addresses.
    LOG_STEPS(LogStepRecord::COLUMNS) = "
        select s.agent_turn_uid, s.idx, s.tpe, s.content, s.created_at, s.rev, s.session_uid,
            s.turn_seq
        from json_each($1) k join steps s
            on s.agent_turn_uid = k.value ->> 0 and s.idx = k.value ->> 1";

    /// Purges `$1`.
    LOG_PURGES(LogPurgeRecord::COLUMNS) = "
        select kind, session_uid, seq, uid, idx, account_uid, created_at, rev, id
        from purge_log where id in (select value from json_each($1))";
}

statements! { ERASURE:
    /// Removes those of the sessions `$1` that are account `$2`'s; triggers take what hangs on
    /// them with them.
    ERASE_SESSIONS(&[]) = "
        delete from sessions
        where uid in (select value from json_each($1)) and account_uid = $2";

    /// Removes answers of idempotency keys of account `$2` that name sessions `$1`.
    ERASE_ANSWERS(&[]) = "
        delete from idempotency_keys
        where account_uid = $2 and answer ->> 'session' in (select value from json_each($1))";

    /// Removes dead letters of sessions `$1`.
    ERASE_LETTERS(&[]) = "
        delete from dead_letters where session_uid in (select value from json_each($1))";

    /// Sessions of account `$1`, `$2` at most.
    ERASE_NEXT(UidRecord::COLUMNS) = "
        select uid from sessions where account_uid = $1 order by uid limit $2";
}
