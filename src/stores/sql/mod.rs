//! What both SQL engines share: column types, row records and the statements that both accept.
//!
//! A statement is here when PostgreSQL and SQLite take the same text with the same parameters and
//! give the same rows. Where they do not, each engine has its own text under the same name in
//! `stores::postgres::statements` and `stores::sqlite::statements`. Knows no connection.

pub mod columns;
pub mod erasure;
pub mod log;
mod log_records;
pub mod record;
pub mod records;
pub mod score;
pub mod source;
pub mod statements;
pub mod texts;

/// A named SQL text. A test prepares every one on a migrated database of its engine and compares
/// its columns with [`Statement::columns`].
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// Name of the statement; also `action` of the errors that it causes.
    pub name: &'static str,
    /// The text, with `$1`, `$2`, … as parameters.
    pub sql: &'static str,
    /// Columns of the answer in their order, since records are read by place; empty for
    /// statements that answer nothing.
    pub columns: &'static [&'static str],
}
