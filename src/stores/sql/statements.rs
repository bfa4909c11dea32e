//! Statements that both engines accept with the same parameters and rows.
//!
//! `case when rev + 1 > $n …` is `greatest(rev + 1, now)` in words that both know: the one has
//! `greatest`, the other `max`.

use super::Statement;
use super::records::{IdempotencyKeyRecord, RevRecord, TurnSessionRecord};

/// Names a statement by its constant and gathers all of a file into a registry.
macro_rules! statements {
    ($registry:ident: $($(#[$doc:meta])* $name:ident($columns:expr) = $sql:expr;)*) => {
        $(
            $(#[$doc])*
            pub const $name: Statement = Statement {
                name: stringify!($name),
                sql: $sql,
                columns: $columns,
            };
        )*

        /// Every statement of this file.
        pub const $registry: &[Statement] = &[$($name,)*];
    };
}
pub(crate) use statements;

statements! { SHARED:
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
            rev = case when rev + 1 > $10 then rev + 1 else $10 end
        where uid = $1
        returning rev";

    /// Changes a human turn: `$1` key; `$2` whether to set `active_child` `$3`; `$4` whether to
    /// set `deleted_at` `$5`; `$6` now as a rev.
    HUMAN_TURN_UPDATE(RevRecord::COLUMNS) = "
        update human_turns set
            active_child = case when $2 then $3 else active_child end,
            deleted_at = case when $4 then $5 else deleted_at end,
            rev = case when rev + 1 > $6 then rev + 1 else $6 end
        where uid = $1
        returning rev";

    /// Replaces a step's content: `$1` turn, `$2` index, `$3` content, `$4` now as a rev.
    STEP_UPDATE(RevRecord::COLUMNS) = "
        update steps set
            content = $3,
            rev = case when rev + 1 > $4 then rev + 1 else $4 end
        where agent_turn_uid = $1 and idx = $2
        returning rev";

    /// What an idempotency key stands for: `$1` account, `$2` key.
    IDEMPOTENCY(IdempotencyKeyRecord::COLUMNS) = "
        select input_hash, answer
        from idempotency_keys
        where account_uid = $1 and key = $2";

    /// Stores what an idempotency key stands for: `$1` account, `$2` key, `$3` hash of the input,
    /// `$4` answer, `$5` now.
    IDEMPOTENCY_INSERT(&[]) = "
        insert into idempotency_keys (account_uid, key, input_hash, answer, created_at)
        values ($1, $2, $3, $4, $5)";
}
