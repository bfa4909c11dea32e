//! From the driver's errors to `StoreError`: what can a caller do about a SQLSTATE?

use crate::stores::error::{StoreError, StoreErrorKind};
use crate::stores::{StoreKind, sql::Statement};

/// An error without a driver's error behind it.
pub(super) fn failure(
    kind: StoreErrorKind,
    action: &'static str,
    message: impl Into<String>,
) -> StoreError {
    StoreError {
        kind,
        store: StoreKind::Postgres,
        action,
        message: message.into(),
        source: None,
    }
}

/// A row that cannot be read.
pub(super) fn corrupt(statement: &Statement, reason: impl ToString) -> StoreError {
    failure(StoreErrorKind::Corrupt, statement.name, reason.to_string())
}

/// Makes a driver's error one of the store, named by what was under way.
pub(super) fn store_error(action: &'static str, error: sqlx::Error) -> StoreError {
    let (kind, message) = match &error {
        sqlx::Error::Database(refused) => {
            let code = refused.code().unwrap_or_default();
            let kind = kind_of(&code);
            // The message of a refused value may quote the value, which may be somebody's prompt.
            let message = if code.starts_with("22") {
                format!("the server refuses a value (SQLSTATE {code})")
            } else {
                format!("{} (SQLSTATE {code})", refused.message())
            };
            (kind, message)
        }
        sqlx::Error::PoolTimedOut => (
            StoreErrorKind::Unavailable,
            "no connection became free in time; all are in use or the server does not answer"
                .to_owned(),
        ),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed => {
            (StoreErrorKind::Unavailable, error.to_string())
        }
        sqlx::Error::Configuration(_) => (StoreErrorKind::Unavailable, error.to_string()),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            (StoreErrorKind::Corrupt, error.to_string())
        }
        _ => (StoreErrorKind::Bug, error.to_string()),
    };
    let quotes_values = code_of(&error).is_some_and(|c| c.starts_with("22") || c.starts_with("23"));
    StoreError {
        kind,
        store: StoreKind::Postgres,
        action,
        message,
        source: (!quotes_values).then(|| Box::new(error) as _),
    }
}

/// The SQLSTATE of an error of the server.
pub(super) fn code_of(error: &sqlx::Error) -> Option<String> {
    error
        .as_database_error()
        .and_then(|refused| refused.code())
        .map(|code| code.into_owned())
}

/// SQLSTATE of a lock that was not given in time.
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Whether the error says that this connection may not write: a standby, or missing privileges.
pub(super) fn cannot_write(error: &sqlx::Error) -> bool {
    matches!(code_of(error).as_deref(), Some("25006" | "42501"))
}

fn kind_of(code: &str) -> StoreErrorKind {
    match code {
        // Unique key taken, serialisation failure, deadlock, lock not given in time.
        "23505" | "40001" | "40P01" | LOCK_NOT_AVAILABLE => StoreErrorKind::Conflict,
        // Cancelled by statement_timeout or by an administrator.
        "57014" => StoreErrorKind::Timeout,
        // A read-only server: a standby that was not promoted. A full disk.
        "25006" | "53100" => StoreErrorKind::NotWritable,
        // Undefined table, column, function or schema; no privilege.
        "42P01" | "42703" | "42883" | "3F000" | "42501" => StoreErrorKind::Schema,
        // Data or index corrupted.
        "XX001" | "XX002" => StoreErrorKind::Corrupt,
        // Connection, resources (disk, memory, connections), operator's intervention, login.
        code if ["08", "53", "57", "58", "28", "3D"].contains(&code.get(..2).unwrap_or("")) => {
            StoreErrorKind::Unavailable
        }
        _ => StoreErrorKind::Bug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_tell_what_to_do() {
        for (code, kind) in [
            ("23505", StoreErrorKind::Conflict),
            ("40P01", StoreErrorKind::Conflict),
            ("55P03", StoreErrorKind::Conflict),
            ("57014", StoreErrorKind::Timeout),
            ("57P01", StoreErrorKind::Unavailable),
            ("53300", StoreErrorKind::Unavailable),
            ("53100", StoreErrorKind::NotWritable),
            ("25006", StoreErrorKind::NotWritable),
            ("08006", StoreErrorKind::Unavailable),
            ("42P01", StoreErrorKind::Schema),
            ("XX001", StoreErrorKind::Corrupt),
            ("42601", StoreErrorKind::Bug),
            ("", StoreErrorKind::Bug),
        ] {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }
}
