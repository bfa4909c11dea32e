//! Statements of the transaction that writes.

use super::{session_columns, turns_where};
use crate::stores::sql::Statement;
use crate::stores::sql::records::{SessionRecord, StepVersionRecord, TurnRecord, UidRecord};
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

    /// Locks those of the sessions `$2` of accounts `$1` that nobody holds, and tells what
    /// `SESSION_LOCK` does. The account is compared so that no index on accounts serves it: a plan
    /// made for all accounts would read every session of the largest one.
    SESSIONS_LOCK_FREE(&[
        "uid", "account_uid", "title", "created_at", "deleted_at", "active_root", "next_seq",
        "last_activity_at", "forked_from", "rev", "pending", "lock_timeout",
    ]) = concat!(
        "with locked as materialized (
            select s.* from unnest($1::varchar[], $2::varchar[]) as w(account, uid)
            join sessions s on s.uid = w.uid and s.account_uid || '' = w.account
            for no key update of s skip locked
        )
        select ", session_columns!(), ",
            exists (select from human_turns t where t.session_uid = locked.uid and t.seq is null)
            or exists (select from agent_turns t where t.session_uid = locked.uid and t.seq is null)
            as pending,
            set_config('lock_timeout', '200ms', true) as lock_timeout
        from locked");

    /// Those of the sessions `$2` of accounts `$1` that are there, locked or not.
    SESSIONS_THERE(UidRecord::COLUMNS) = "
        select s.uid from unnest($1::varchar[], $2::varchar[]) as w(account, uid)
        join sessions s on s.uid = w.uid and s.account_uid || '' = w.account";

    /// Sessions `$2` of accounts `$1`.
    SESSIONS_READ(SessionRecord::COLUMNS) = concat!(
        "with found as materialized (
            select s.* from unnest($1::varchar[], $2::varchar[]) as w(account, uid)
            join sessions s on s.uid = w.uid and s.account_uid || '' = w.account
        )
        select ", session_columns!(), " from found");

    /// Inserts sessions, column by column, where their key is free and their account not blocked;
    /// the version `$10` becomes higher than that of a purge of the key or of the account.
    SESSIONS_INSERT(&["uid", "rev"]) = "
        insert into sessions (uid, account_uid, title, created_at, deleted_at, active_root,
            next_seq, last_activity_at, forked_from, rev)
        select n.uid, n.account_uid, n.title, n.created_at, n.deleted_at, n.active_root,
            n.next_seq, n.last_activity_at, n.forked_from::jsonb, greatest(n.rev, (
                select max(p.rev) + 1 from purge_log p
                where p.session_uid = n.uid having bool_or(p.kind = 'session')), (
                select max(p.rev) + 1 from purge_log p
                where p.session_uid = n.account_uid and p.kind = 'account'))
        from unnest($1::varchar[], $2::varchar[], $3::varchar[], $4::timestamptz[],
            $5::timestamptz[], $6::varchar[], $7::integer[], $8::timestamptz[], $9::text[],
            $10::bigint[]) as n(uid, account_uid, title, created_at, deleted_at, active_root,
                next_seq, last_activity_at, forked_from, rev)
        where not exists (select from erased_accounts e where e.account_uid = n.account_uid)
        on conflict (uid) do nothing
        returning uid, rev";

    /// Turns of sessions `$1`, in no order.
    SESSION_TURNS(TurnRecord::COLUMNS) = turns_where!("session_uid = any($1)");

    /// Sessions of turns `$2` of accounts `$1`.
    SESSIONS_OF_TURNS(&["account", "uid", "session_uid"]) = "
        select w.account, t.uid, t.session_uid
        from unnest($1::varchar[], $2::varchar[]) as w(account, uid)
        join human_turns t on t.uid = w.uid
        join sessions s on s.uid = t.session_uid and s.account_uid || '' = w.account
        union all
        select w.account, t.uid, t.session_uid
        from unnest($1::varchar[], $2::varchar[]) as w(account, uid)
        join agent_turns t on t.uid = w.uid
        join sessions s on s.uid = t.session_uid and s.account_uid || '' = w.account";

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

    /// Locks those of the keys `$1` that nobody has locked, and names the others.
    TURN_UIDS_CLAIM_FREE(UidRecord::COLUMNS) = "
        with claimed as materialized (
            select lock, pg_try_advisory_xact_lock(1953195385, lock) as held from (
                select distinct hashtext(uid) & 1023 as lock from unnest($1::varchar[]) as n(uid)
            ) locks
        )
        select n.uid from unnest($1::varchar[]) as n(uid)
        join claimed c on c.lock = hashtext(n.uid) & 1023
        where not c.held";

    /// Those of the keys `$1` that turns have.
    TURN_UIDS_TAKEN(UidRecord::COLUMNS) = "
        select uid from human_turns where uid = any($1)
        union all
        select uid from agent_turns where uid = any($1)";

    /// Inserts human turns, column by column.
    HUMAN_TURNS_INSERT(&[]) = "
        insert into human_turns (session_uid, uid, parent_uid, active_child, prompt, created_at,
            seq, deleted_at, rev)
        select n.* from unnest($1::varchar[], $2::varchar[], $3::varchar[], $4::varchar[],
            $5::varchar[], $6::timestamptz[], $7::integer[], $8::timestamptz[], $9::bigint[]) as n";

    /// Inserts agent turns, column by column.
    AGENT_TURNS_INSERT(&[]) = "
        insert into agent_turns (session_uid, uid, parent_uid, active_child, liked, created_at,
            seq, deleted_at, model, status, finished_at, usage, rev)
        select n.session_uid, n.uid, n.parent_uid, n.active_child, n.liked, n.created_at, n.seq,
            n.deleted_at, n.model, n.status, n.finished_at, n.usage::jsonb, n.rev
        from unnest($1::varchar[], $2::varchar[], $3::varchar[], $4::varchar[], $5::boolean[],
            $6::timestamptz[], $7::integer[], $8::timestamptz[], $9::varchar[], $10::varchar[],
            $11::timestamptz[], $12::text[], $13::bigint[])
            as n(session_uid, uid, parent_uid, active_child, liked, created_at, seq, deleted_at,
                model, status, finished_at, usage, rev)";

    /// Changes human turns, column by column: `$1` key; `$2` whether to set `active_child` `$3`;
    /// `$4` whether to set `deleted_at` `$5`. `$6` is now as a rev.
    HUMAN_TURNS_UPDATE(&["uid", "rev"]) = "
        update human_turns t set
            active_child = case when n.set_child then n.active_child else t.active_child end,
            deleted_at = case when n.set_deleted then n.deleted_at else t.deleted_at end,
            rev = greatest(t.rev + 1, $6)
        from unnest($1::varchar[], $2::boolean[], $3::varchar[], $4::boolean[], $5::timestamptz[])
            as n(uid, set_child, active_child, set_deleted, deleted_at)
        where t.uid = n.uid
        returning t.uid, t.rev";

    /// Changes agent turns, column by column: `$1` key; `$2` whether to set `active_child` `$3`;
    /// `$4` whether to set `liked` `$5`; `$6` whether to set `deleted_at` `$7`; `$8` status, `$9`
    /// end and `$10` usage, null to keep, except that what is streaming has no end. `$11` is now
    /// as a rev.
    AGENT_TURNS_UPDATE(&["uid", "rev"]) = "
        update agent_turns t set
            active_child = case when n.set_child then n.active_child else t.active_child end,
            liked = case when n.set_liked then n.liked else t.liked end,
            deleted_at = case when n.set_deleted then n.deleted_at else t.deleted_at end,
            status = coalesce(n.status, t.status),
            finished_at = case when n.status = 'streaming' then null
                else coalesce(n.finished_at, t.finished_at) end,
            usage = coalesce(n.usage::jsonb, t.usage),
            rev = greatest(t.rev + 1, $11)
        from unnest($1::varchar[], $2::boolean[], $3::varchar[], $4::boolean[], $5::boolean[],
            $6::boolean[], $7::timestamptz[], $8::varchar[], $9::timestamptz[], $10::text[])
            as n(uid, set_child, active_child, set_liked, liked, set_deleted, deleted_at, status,
                finished_at, usage)
        where t.uid = n.uid
        returning t.uid, t.rev";

    /// Changes sessions, column by column: `$1` key; `$2` whether to set the title `$3`; `$4`
    /// whether to set `deleted_at` `$5`; `$6` whether to set `active_root` `$7`; `$8` next number
    /// or null; `$9` last activity or null. `$10` is now as a rev.
    SESSIONS_UPDATE(&["uid", "rev"]) = "
        update sessions s set
            title = case when n.set_title then n.title else s.title end,
            deleted_at = case when n.set_deleted then n.deleted_at else s.deleted_at end,
            active_root = case when n.set_root then n.active_root else s.active_root end,
            next_seq = greatest(s.next_seq, n.next_seq),
            last_activity_at = coalesce(n.last_activity_at, s.last_activity_at),
            rev = greatest(s.rev + 1, $10)
        from unnest($1::varchar[], $2::boolean[], $3::varchar[], $4::boolean[], $5::timestamptz[],
            $6::boolean[], $7::varchar[], $8::integer[], $9::timestamptz[])
            as n(uid, set_title, title, set_deleted, deleted_at, set_root, active_root, next_seq,
                last_activity_at)
        where s.uid = n.uid
        returning s.uid, s.rev";

    /// Inserts steps, column by column.
    STEPS_INSERT(&[]) = "
        insert into steps (session_uid, agent_turn_uid, idx, tpe, content, created_at, turn_seq,
            rev)
        select n.* from unnest($1::varchar[], $2::varchar[], $3::integer[], $4::integer[],
            $5::varchar[], $6::timestamptz[], $7::integer[], $8::bigint[]) as n";

    /// Replaces contents of steps, column by column: `$1` turn, `$2` index, `$3` content. `$4` is
    /// now as a rev.
    STEPS_UPDATE(StepVersionRecord::COLUMNS) = "
        update steps s set content = n.content, rev = greatest(s.rev + 1, $4)
        from unnest($1::varchar[], $2::integer[], $3::varchar[]) as n(turn, idx, content)
        where s.agent_turn_uid = n.turn and s.idx = n.idx
        returning s.agent_turn_uid, s.idx, s.tpe, s.created_at, s.rev";

    /// What the idempotency keys `$2` of accounts `$1` stand for, with their places in the lists.
    IDEMPOTENCY_KEYS(&["place", "input_hash", "answer"]) = "
        select n.place, k.input_hash, k.answer
        from unnest($1::varchar[], $2::varchar[]) with ordinality as n(account, key, place)
        join idempotency_keys k on k.account_uid = n.account and k.key = n.key";

    /// Stores what idempotency keys stand for, column by column: `$1` account, `$2` key, `$3` hash
    /// of the input, `$4` answer. `$5` is now.
    IDEMPOTENCY_INSERT(&[]) = "
        insert into idempotency_keys (account_uid, key, input_hash, answer, created_at)
        select n.*, $5 from unnest($1::varchar[], $2::varchar[], $3::varchar[], $4::varchar[]) as n";

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
