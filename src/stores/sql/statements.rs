//! Statements that both engines accept with the same parameters and rows.
//!
//! Writes are not among them: PostgreSQL's take the rows of many sessions as arrays, SQLite's one
//! row or a JSON list.

use super::Statement;
use super::records::IdempotencyKeyRecord;

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
    /// What an idempotency key stands for: `$1` account, `$2` key.
    IDEMPOTENCY(IdempotencyKeyRecord::COLUMNS) = "
        select input_hash, answer
        from idempotency_keys
        where account_uid = $1 and key = $2";
}
