//! Statements of `change_log` and of the rows that its entries name.

use super::{agent_columns, created_or_arrived, human_columns};
use crate::stores::sql::Statement;
use crate::stores::sql::log::{
    LogJobRecord, LogPurgeRecord, LogRecord, LogStepRecord, LogTurnRecord,
};
use crate::stores::sql::statements::statements;

statements! { LOG:
    /// Whether changes of each table in `$1` are recorded, and whether the record has any row.
    LOG_STATE(&["on", "empty", "next_xid"]) = "
        select (select bool_and(turngraph_change_log_is_on(name)) from unnest($1::text[]) name)
                as on,
            not exists (select from sessions) and not exists (select from human_turns)
                and not exists (select from agent_turns) and not exists (select from purge_log)
                as empty,
            pg_snapshot_xmax(pg_current_snapshot())::text::bigint as next_xid";

    /// Begins to record the changes of table `$1`.
    LOG_ON(&["done"]) = "select turngraph_change_log_on($1)::text as done";

    /// Ends recording the changes of table `$1`.
    LOG_OFF(&["done"]) = "select turngraph_change_log_off($1)::text as done";

    /// The time, and a mark unless the log of the server is where it was at `$1`.
    LOG_MARK(&["at", "lsn", "until", "finished"]) = "
        select at, (lsn - '0/0'::pg_lsn)::bigint as lsn, until::text::bigint as until,
            finished::text::bigint as finished
        from turngraph_change_log_mark('0/0'::pg_lsn + $1::bigint::numeric)";

    /// The oldest transaction that is still running.
    LOG_FINISHED(&["finished"]) = "
        select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as finished";

    /// Entries after (`$1`, `$2`) and below `$3`, `$4` at most.
    LOG_ENTRIES(LogRecord::COLUMNS) = "
        select xid::text::bigint as place, seq, entity, uid, idx, ref as reference
        from change_log
        where (xid, seq) > ($1::bigint::text::xid8, $2::bigint)
            and xid < $3::bigint::text::xid8
        order by xid, seq limit $4";

    /// Removes entries below `$1`, `$2` at most, oldest first.
    LOG_FORGET(&[]) = "
        delete from change_log where ctid = any(array(
            select ctid from change_log where xid < $1::bigint::text::xid8
            order by xid, seq limit $2))";

    /// Transactions below `$1` that are still running.
    LOG_DELAYS(&["pid", "holder", "seconds"]) = "
        select pid, holder, extract(epoch from clock_timestamp() - since)::double precision as seconds
        from turngraph_change_log_waits_for($1::bigint::text::xid8)";

    /// Turns `$1` with their prompts.
    LOG_TURNS(LogTurnRecord::COLUMNS) = concat!(
        "select ", human_columns!(), ", coalesce(prompt, '') as prompt
        from human_turns where uid = any($1) and seq is not null
        union all
        select ", agent_columns!(), ", null::varchar as prompt
        from agent_turns where uid = any($1) and seq is not null");

    /// Steps of turns `$1` with indexes `$2`, and their addresses.
    LOG_STEPS(LogStepRecord::COLUMNS) = concat!(
        "select agent_turn_uid, idx, coalesce(tpe, -1) as tpe, coalesce(content, '') as content, ",
        created_or_arrived!(), ", rev, session_uid, turn_seq
        from steps join unnest($1::varchar[], $2::integer[]) as k(turn, place)
            on agent_turn_uid = k.turn and idx = k.place");

    /// Purges `$1`.
    LOG_PURGES(LogPurgeRecord::COLUMNS) = "
        select kind, session_uid, seq, uid, idx, account_uid, created_at, rev, id
        from purge_log where id = any($1)";

    /// Jobs `$1`.
    LOG_JOBS(LogJobRecord::COLUMNS) = "
        select id, session_uid, from_seq, to_seq from projection_jobs where id = any($1)";
}
