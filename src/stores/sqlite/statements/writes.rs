//! SQL of transactions that write. The columns of rows are those of the parent's macros.

use crate::stores::sql::Statement;
use crate::stores::sql::records::{
    RevRecord, SessionRecord, StepVersionRecord, TurnRecord, TurnSessionRecord, UidRecord,
};
use crate::stores::sql::statements::statements;

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

    /// Turns of sessions `$1`, in no order.
    SESSION_TURNS(TurnRecord::COLUMNS) = concat!(
        "select ", human_columns!(), " from human_turns where session_uid in (select value from json_each($1))
        union all
        select ", agent_columns!(), " from agent_turns where session_uid in (select value from json_each($1))");

    /// Those of the keys `$1` that turns have.
    TURN_UIDS_TAKEN(UidRecord::COLUMNS) = "
        select uid from human_turns where uid in (select value from json_each($1))
        union all
        select uid from agent_turns where uid in (select value from json_each($1))";

    /// Inserts human turns: `$1` is a list of
    /// `[session, uid, parent, active_child, prompt, created_at, seq, deleted_at, rev]`.
    HUMAN_TURNS_INSERT(&[]) = "
        insert into human_turns (session_uid, uid, parent_uid, active_child, prompt, created_at,
            seq, deleted_at, rev)
        select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
            value ->> 6, value ->> 7, value ->> 8
        from json_each($1)";

    /// Inserts agent turns: `$1` is a list of `[session, uid, parent, active_child, liked,
    /// created_at, seq, deleted_at, model, status, finished_at, usage, rev]`.
    AGENT_TURNS_INSERT(&[]) = "
        insert into agent_turns (session_uid, uid, parent_uid, active_child, liked, created_at,
            seq, deleted_at, model, status, finished_at, usage, rev)
        select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
            value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11,
            value ->> 12
        from json_each($1)";

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

    /// Inserts steps: `$1` is a list of
    /// `[session, turn, idx, tpe, content, created_at, turn_seq, rev]`.
    STEPS_INSERT(&[]) = "
        insert into steps (session_uid, agent_turn_uid, idx, tpe, content, created_at, turn_seq,
            rev)
        select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
            value ->> 6, value ->> 7
        from json_each($1)";

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

    /// Session of a turn of an account: `$1` account, `$2` turn.
    SESSION_BY_TURN(TurnSessionRecord::COLUMNS) = "
        select t.uid, t.session_uid
        from human_turns t join sessions s on s.uid = t.session_uid
        where t.uid = $2 and s.account_uid = $1
        union all
        select t.uid, t.session_uid
        from agent_turns t join sessions s on s.uid = t.session_uid
        where t.uid = $2 and s.account_uid = $1";

    /// Changes a session: `$1` key; `$2` whether to set the title `$3`; `$4` whether to set
    /// `deleted_at` `$5`; `$6` whether to set `active_root` `$7`; `$8` next number or null; `$9`
    /// last activity or null; `$10` now as a rev.
    SESSION_UPDATE(RevRecord::COLUMNS) = "
        update sessions set
            title = case when $2 then $3 else title end,
            deleted_at = case when $4 then $5 else deleted_at end,
            active_root = case when $6 then $7 else active_root end,
            next_seq = case when $8 > next_seq then $8 else next_seq end,
            last_activity_at = coalesce($9, last_activity_at),
            rev = max(rev + 1, $10)
        where uid = $1
        returning rev";

    /// Changes a human turn: `$1` key; `$2` whether to set `active_child` `$3`; `$4` whether to
    /// set `deleted_at` `$5`; `$6` now as a rev.
    HUMAN_TURN_UPDATE(RevRecord::COLUMNS) = "
        update human_turns set
            active_child = case when $2 then $3 else active_child end,
            deleted_at = case when $4 then $5 else deleted_at end,
            rev = max(rev + 1, $6)
        where uid = $1
        returning rev";

    /// Replaces a step's content: `$1` turn, `$2` index, `$3` content, `$4` now as a rev.
    STEP_UPDATE(StepVersionRecord::COLUMNS) = "
        update steps set
            content = $3,
            rev = max(rev + 1, $4)
        where agent_turn_uid = $1 and idx = $2
        returning agent_turn_uid, idx, tpe, created_at, rev";

    /// Stores what an idempotency key stands for: `$1` account, `$2` key, `$3` hash of the input,
    /// `$4` answer, `$5` now.
    IDEMPOTENCY_INSERT(&[]) = "
        insert into idempotency_keys (account_uid, key, input_hash, answer, created_at)
        values ($1, $2, $3, $4, $5)";
}
