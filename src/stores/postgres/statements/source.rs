//! Statements of the projector: whole rows of any account, and the lease.

use super::{agent_columns, human_columns, session_columns};
use crate::stores::sql::Statement;
use crate::stores::sql::records::{SessionRecord, UidRecord};
use crate::stores::sql::source::{AddressRecord, SourceRecord};
use crate::stores::sql::statements::statements;

statements! { SOURCE:
    /// Addresses of those of the turns `$1` that have one.
    ADDRESSES(AddressRecord::COLUMNS) = "
        select uid, session_uid, seq from human_turns where uid = any($1) and seq is not null
        union all
        select uid, session_uid, seq from agent_turns where uid = any($1) and seq is not null";

    /// Sessions `$1`.
    SESSION_ROWS(SessionRecord::COLUMNS) = concat!(
        "select ", session_columns!(), " from sessions where uid = any($1)");

    /// Turns of session `$1` with numbers from `$2` to `$3` and all content, step by step.
    SOURCE_TURNS(SourceRecord::COLUMNS) = concat!("
        select t.*, s.idx as step_idx, coalesce(s.tpe, -1) as step_tpe,
            coalesce(s.content, '') as step_content,
            coalesce(s.created_at, '1970-01-01 00:00:00+00'::timestamptz
                + s.rev * '1 microsecond'::interval) as step_created_at,
            s.rev as step_rev
        from (
            select ", human_columns!(), ", coalesce(prompt, '') as prompt
            from human_turns where session_uid = $1 and seq between $2 and $3
            union all
            select ", agent_columns!(), ", null::varchar as prompt
            from agent_turns where session_uid = $1 and seq between $2 and $3
        ) t left join steps s on t.agent and s.agent_turn_uid = t.uid
        order by t.seq, t.uid collate \"C\", s.idx");

    /// Keys of sessions after `$1`, in the order of their bytes, `$2` at most.
    SESSION_UIDS(UidRecord::COLUMNS) = "
        select uid from sessions where uid > $1::varchar collate \"C\"
        order by uid collate \"C\" limit $2";

    /// An estimate of the number of sessions, partitions included; a table that was never
    /// analysed is guessed by its size.
    SESSION_COUNT_ESTIMATE(&["count"]) = "
        select coalesce(sum(case when c.reltuples >= 0 then c.reltuples::bigint
            else pg_relation_size(c.oid) / 128 end), 0)::bigint as count
        from pg_class c
        where c.relkind = 'r'
            and (c.oid = 'sessions'::regclass or c.oid in (
                select relid from pg_partition_tree('sessions'::regclass)))";

    /// The server's time.
    CLOCK(&["clock_timestamp"]) = "select clock_timestamp()";

    /// What this role may not do with those of the tables `$1` that are there.
    FORBIDDEN(&["forbidden"]) = "
        select t.name || ': ' || string_agg(p.privilege, ', ' order by p.privilege) as forbidden
        from unnest($1::text[]) as t(name)
        cross join unnest(array['select', 'insert', 'update', 'delete']) as p(privilege)
        where to_regclass(t.name) is not null
            and not has_table_privilege(to_regclass(t.name), p.privilege)
        group by t.name order by t.name";

    /// Removes jobs written before `$1`, the oldest 10,000 at most.
    JOBS_FORGET(&[]) = "
        delete from projection_jobs where id in (
            select id from projection_jobs where created_at < $1 order by id limit 10000)";

    /// Takes role `$1` for this connection, if no other has it. The key is that of the table, so
    /// that two schemas of one database do not get in each other's way.
    LEASE(&["taken"]) = "
        select pg_try_advisory_lock(
            hashtextextended('turngraph ' || $1, 'sessions'::regclass::oid::bigint)) as taken";

    /// Whether this connection has a lease still.
    LEASE_HELD(&["held"]) = "
        select exists (select from pg_locks
            where locktype = 'advisory' and pid = pg_backend_pid() and granted) as held";
}
