//! Statements that remove sessions for good.

use crate::stores::sql::Statement;
use crate::stores::sql::records::UidRecord;
use crate::stores::sql::statements::statements;

statements! { ERASURE:
    /// Locks those of the sessions `$1` that are account `$2`'s, for their removal. From then on no
    /// other lock is waited for longer than a deadlock goes unseen.
    ERASE_LOCK(&["uid", "lock_timeout"]) = "
        with locked as materialized (
            select uid from sessions where uid = any($1) and account_uid = $2
            order by uid collate \"C\"
            for update
        )
        select uid, set_config('lock_timeout', '200ms', true) as lock_timeout from locked";

    /// Sessions of account `$1`, `$2` at most.
    ERASE_NEXT(UidRecord::COLUMNS) = "
        select uid from sessions where account_uid = $1 order by uid collate \"C\" limit $2";

    /// Keys of sessions of account `$1` that another program has removed and left turns of.
    ERASE_LEFT(UidRecord::COLUMNS) = "
        select distinct p.uid from purge_log p
        where p.kind = 'session' and p.account_uid = $1
            and not exists (select from sessions s where s.uid = p.uid)
            and (exists (select from human_turns t where t.session_uid = p.uid)
                or exists (select from agent_turns t where t.session_uid = p.uid))";

    /// Removes the steps of sessions `$1`, also those whose turn was removed without them.
    ERASE_STEPS(&[]) = "
        delete from steps where agent_turn_uid in (
            select uid from agent_turns where session_uid = any($1)
            union
            select p.uid from purge_log p
            where p.session_uid = any($1) and p.kind in ('turn', 'turn_steps', 'step', 'address')
                and not exists (select from agent_turns t
                    where t.uid = p.uid and t.session_uid <> all($1)))";

    /// Removes the agents' turns of sessions `$1`.
    ERASE_AGENT_TURNS(&[]) = "delete from agent_turns where session_uid = any($1)";

    /// Removes the human turns of sessions `$1`.
    ERASE_HUMAN_TURNS(&[]) = "delete from human_turns where session_uid = any($1)";

    /// Removes what else names sessions `$1` of account `$2`: judgements, metadata, answers of
    /// idempotency keys, jobs, dead letters.
    ERASE_REST(&[]) = "
        with s as (delete from scores where session_uid = any($1)),
            m as (delete from metadata where session_uid = any($1)),
            j as (delete from projection_jobs where session_uid = any($1)),
            d as (delete from dead_letters where session_uid = any($1))
        delete from idempotency_keys
        where account_uid = $2 and answer::jsonb ->> 'session' = any($1)";

    /// Removes sessions `$1`; last, so that the version of the purge is above all that went.
    ERASE_SESSIONS(&[]) = "delete from sessions where uid = any($1)";
}
