//! Statements that give numbers to the rows of other programs.

use crate::stores::sql::Statement;
use crate::stores::sql::records::UidRecord;
use crate::stores::sql::statements::statements;

/// A session under the numberer's lock: `wait` is what becomes of sessions that are locked. Where
/// a session is new, turns may be left from an earlier one of the same key, with their numbers. Once
/// it is locked, no other lock is waited for longer than a deadlock goes unseen.
macro_rules! number_lock {
    ($wait:literal) => {
        concat!(
            "
        with locked as materialized (
            select uid, next_seq, last_activity_at, created_at from sessions
            where uid = any($1)
            order by uid collate \"C\"
            for no key update ",
            $wait,
            "
        )
        select l.uid,
            case when l.last_activity_at is not null then l.next_seq else greatest(
                l.next_seq,
                1 + (select max(t.seq) from human_turns t
                     where t.session_uid = l.uid and t.seq is not null),
                1 + (select max(t.seq) from agent_turns t
                     where t.session_uid = l.uid and t.seq is not null)
            ) end as next_seq,
            l.last_activity_at, l.created_at,
            (select max(p.rev) from purge_log p
             where p.session_uid = l.uid having bool_or(p.kind = 'session')) as purged,
            set_config('lock_timeout', '200ms', true) as lock_timeout
        from locked l"
        )
    };
}

statements! { NUMBERING:
    /// Sessions that wait for numbers, or for their first look: `$1` at most so many.
    NUMBER_SESSIONS(UidRecord::COLUMNS) = "
        select uid from (
            select s.uid from sessions s where s.last_activity_at is null
            union
            select s.uid from sessions s join human_turns t on t.session_uid = s.uid
            where t.seq is null
            union
            select s.uid from sessions s join agent_turns t on t.session_uid = s.uid
            where t.seq is null
        ) waiting
        order by uid collate \"C\"
        limit $1";

    /// Locks sessions `$1` in the order of their keys, waiting for each.
    NUMBER_LOCK(&["uid", "next_seq", "last_activity_at", "created_at", "purged", "lock_timeout"])
        = number_lock!("");

    /// Locks those of the sessions `$1` that nobody has locked.
    NUMBER_LOCK_FREE(&["uid", "next_seq", "last_activity_at", "created_at", "purged", "lock_timeout"])
        = number_lock!("skip locked");

    /// Locks the waiting turns of sessions `$1`, and names those that somebody else has locked.
    NUMBER_PENDING(&["busy", "uid", "session_uid", "agent", "parent_uid", "rev", "created_at"]) = "
        with human as materialized (
            select uid, session_uid, parent_uid, rev, created_at from human_turns
            where session_uid = any($1) and seq is null
            for no key update skip locked
        ), agent as materialized (
            select uid, session_uid, parent_uid, rev, created_at from agent_turns
            where session_uid = any($1) and seq is null
            for no key update skip locked
        )
        select false as busy, uid, session_uid, false as agent, parent_uid, rev, created_at
        from human
        union all
        select false, uid, session_uid, true, parent_uid, rev, created_at from agent
        union all
        select true, t.uid, t.session_uid, false, null, t.rev, null from human_turns t
        where t.session_uid = any($1) and t.seq is null
            and t.uid not in (select uid from human)
        union all
        select true, t.uid, t.session_uid, true, null, t.rev, null from agent_turns t
        where t.session_uid = any($1) and t.seq is null
            and t.uid not in (select uid from agent)";

    /// Keys of human turns `$1` that agent turns have, and of agent turns `$2` that human turns
    /// have.
    NUMBER_DOUBLED(UidRecord::COLUMNS) = "
        select uid from agent_turns where uid = any($1)
        union
        select uid from human_turns where uid = any($2)";

    /// Writes numbers, all at once: `$1` to `$3` key, number and least `rev` of human turns, `$4`
    /// to `$6` of agent turns; `$7` to `$11` key, first new number, next number, activity and
    /// least `rev` of sessions. A run of new numbers becomes a job for the projections.
    NUMBER_WRITE(&[]) = "
        with human as (
            update human_turns t set seq = n.seq, rev = n.rev
            from unnest($1::varchar[], $2::integer[], $3::bigint[]) as n(uid, seq, rev)
            where t.uid = n.uid and t.seq is null
        ), agent as (
            update agent_turns t set seq = n.seq, rev = n.rev
            from unnest($4::varchar[], $5::integer[], $6::bigint[]) as n(uid, seq, rev)
            where t.uid = n.uid and t.seq is null
        ), session as (
            update sessions s set
                next_seq = n.next_seq,
                last_activity_at = n.active,
                rev = n.rev
            from unnest($7::varchar[], $9::integer[], $10::timestamptz[], $11::bigint[])
                as n(uid, next_seq, active, rev)
            where s.uid = n.uid
        )
        insert into projection_jobs (session_uid, from_seq, to_seq)
        select n.uid, n.from_seq, n.next_seq - 1
        from unnest($7::varchar[], $8::integer[], $9::integer[]) as n(uid, from_seq, next_seq)
        where n.next_seq > n.from_seq";

    /// Gives the steps of agent turns `$1` that moved their new address.
    NUMBER_STEPS_MOVED(&[]) = "
        update steps s set session_uid = t.session_uid, turn_seq = t.seq
        from agent_turns t
        where t.uid = any($1) and s.agent_turn_uid = t.uid and s.turn_seq is not null
            and (s.session_uid, s.turn_seq) is distinct from (t.session_uid, t.seq)";

    /// Lifts the steps of agent turns `$1` above the purge of an earlier session of the same key:
    /// `$2` least `rev`.
    NUMBER_STEPS_REBORN(&[]) = "
        update steps s set rev = n.rev
        from unnest($1::varchar[], $2::bigint[]) as n(uid, rev)
        where s.agent_turn_uid = n.uid and s.rev < n.rev";
}
