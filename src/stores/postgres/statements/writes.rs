//! Statements of the transaction that writes.

use super::{session_columns, turns_where};
use crate::stores::sql::Statement;
use crate::stores::sql::records::{RevRecord, SessionRecord, TurnRecord, UidRecord};
use crate::stores::sql::statements::statements;

statements! { WRITES:
    /// Locks session `$2` of account `$1`, and tells whether turns wait for a number. From then on
    /// no other lock is waited for longer than a deadlock goes unseen, so that the program on the
    /// other side never gets one.
    SESSION_LOCK(&[
        "uid", "account_uid", "title", "created_at", "deleted_at", "active_root", "next_seq",
        "last_activity_at", "forked_from", "rev", "pending", "lock_timeout",
    ]) = concat!(
        "with locked as materialized (
            select * from sessions where uid = $2 and account_uid = $1 for no key update
        )
        select ", session_columns!(), ",
            exists (select from human_turns t where t.session_uid = locked.uid and t.seq is null)
            or exists (select from agent_turns t where t.session_uid = locked.uid and t.seq is null)
            as pending,
            set_config('lock_timeout', '200ms', true) as lock_timeout
        from locked");

    /// Session `$2` of account `$1`.
    SESSION_READ(SessionRecord::COLUMNS) = concat!(
        "select ", session_columns!(), " from sessions where uid = $2 and account_uid = $1");

    /// Inserts a session if its key `$1` is free and its account not blocked; its version `$10`
    /// becomes higher than that of a purge of the key or of the account.
    SESSION_INSERT(RevRecord::COLUMNS) = "
        insert into sessions (uid, account_uid, title, created_at, deleted_at, active_root,
            next_seq, last_activity_at, forked_from, rev)
        select $1::varchar, $2::varchar, $3::varchar, $4::timestamptz, $5::timestamptz,
            $6::varchar, $7::integer, $8::timestamptz, $9::text::jsonb, greatest($10::bigint, (
            select max(p.rev) + 1 from purge_log p
            where p.session_uid = $1::varchar having bool_or(p.kind = 'session')), (
            select max(p.rev) + 1 from purge_log p
            where p.session_uid = $2::varchar and p.kind = 'account'))
        where not exists (select from erased_accounts where account_uid = $2::varchar)
        on conflict (uid) do nothing
        returning rev";

    /// Turns of session `$1`, in no order.
    SESSION_TURNS(TurnRecord::COLUMNS) = turns_where!("session_uid = $1");

    /// Locks the keys `$1` until the end of the transaction. No unique index spans both tables of
    /// turns, so two transactions could else give one key to a turn of each kind.
    ///
    /// A key stands for one of 1,024 locks: an import of many turns must not fill the server's
    /// table of locks. They are taken in their order, so that no two transactions wait for each
    /// other. Locks of two numbers never meet those of one, as the migrator's; the first number is
    /// "tkey" in ASCII.
    TURN_UIDS_CLAIM(&["pg_advisory_xact_lock"]) = "
        select pg_advisory_xact_lock(1953195385, lock) from (
            select distinct hashtext(uid) & 1023 as lock from unnest($1::varchar[]) as n(uid)
            order by lock
        ) locks";

    /// Those of the keys `$1` that turns have.
    TURN_UIDS_TAKEN(UidRecord::COLUMNS) = "
        select uid from human_turns where uid = any($1)
        union all
        select uid from agent_turns where uid = any($1)";

    /// Inserts human turns of session `$1`, column by column.
    HUMAN_TURNS_INSERT(&[]) = "
        insert into human_turns (session_uid, uid, parent_uid, active_child, prompt, created_at,
            seq, deleted_at, rev)
        select $1, n.* from unnest($2::varchar[], $3::varchar[], $4::varchar[], $5::varchar[],
            $6::timestamptz[], $7::integer[], $8::timestamptz[], $9::bigint[]) as n";

    /// Inserts agent turns of session `$1`, column by column.
    AGENT_TURNS_INSERT(&[]) = "
        insert into agent_turns (session_uid, uid, parent_uid, active_child, liked, created_at,
            seq, deleted_at, model, status, finished_at, usage, rev)
        select $1, n.uid, n.parent_uid, n.active_child, n.liked, n.created_at, n.seq,
            n.deleted_at, n.model, n.status, n.finished_at, n.usage::jsonb, n.rev
        from unnest($2::varchar[], $3::varchar[], $4::varchar[], $5::boolean[],
            $6::timestamptz[], $7::integer[], $8::timestamptz[], $9::varchar[], $10::varchar[],
            $11::timestamptz[], $12::text[], $13::bigint[])
            as n(uid, parent_uid, active_child, liked, created_at, seq, deleted_at, model, status,
                finished_at, usage, rev)";

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
            usage = coalesce($10::text::jsonb, usage),
            rev = greatest(rev + 1, $11)
        where uid = $1
        returning rev";

    /// Inserts steps of session `$1`, column by column.
    STEPS_INSERT(&[]) = "
        insert into steps (session_uid, agent_turn_uid, idx, tpe, content, created_at, turn_seq,
            rev)
        select $1, n.* from unnest($2::varchar[], $3::integer[], $4::integer[], $5::varchar[],
            $6::timestamptz[], $7::integer[], $8::bigint[]) as n";

    /// Inserts scores of session `$1`, column by column; those whose key exists stay.
    SCORES_INSERT(&[]) = "
        insert into scores (session_uid, uid, target_kind, target_uid, target_idx, name, source,
            value_type, number, label, text, comment, evaluator, created_at)
        select $1, n.* from unnest($2::varchar[], $3::varchar[], $4::varchar[], $5::integer[],
            $6::varchar[], $7::varchar[], $8::varchar[], $9::double precision[], $10::varchar[],
            $11::varchar[], $12::varchar[], $13::varchar[], $14::timestamptz[]) as n
        on conflict (uid) do nothing";

    /// Sets metadata of session `$1`, column by column.
    METADATA_SET(&[]) = "
        insert into metadata (session_uid, target_kind, target_uid, target_idx, key, value)
        select $1, n.* from unnest($2::varchar[], $3::varchar[], $4::integer[], $5::varchar[],
            $6::varchar[]) as n
        on conflict (target_kind, target_uid, target_idx, key) do update set
            value = excluded.value, session_uid = excluded.session_uid";
}
