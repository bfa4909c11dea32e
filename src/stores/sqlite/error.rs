//! Driver errors in terms that a caller can act on, with the file's path and what to do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::stores::sql::record::RowError;
use crate::stores::{StoreError, StoreErrorKind, StoreKind};

// Primary result codes of SQLite (https://sqlite.org/rescode.html) that callers can act on.
const ERROR: i32 = 1;
const PERMISSION: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const IO_ERROR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;

// Extended codes of constraints that another writer may have run into first. The others (not
// null, check, foreign key) are rules that every row of turngraph's keeps.
const PRIMARY_KEY_TAKEN: i32 = 1555;
const RAISED_BY_TRIGGER: i32 = 1811;
const UNIQUE_TAKEN: i32 = 2067;

/// Makes errors that name one database file, and remembers whether the last write failed because
/// the file cannot be written.
#[derive(Debug, Clone)]
pub(super) struct Errors {
    path: Arc<Path>,
    write_failed: Arc<AtomicBool>,
}

impl Errors {
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.into(),
            write_failed: Arc::default(),
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file could not be written when that was last tried.
    pub(super) fn write_failed(&self) -> bool {
        self.write_failed.load(Ordering::Relaxed)
    }

    /// Notes that the file was written.
    pub(super) fn wrote(&self) {
        self.write_failed.store(false, Ordering::Relaxed);
    }

    /// An error of our own making.
    pub(super) fn make(
        &self,
        kind: StoreErrorKind,
        action: &'static str,
        message: impl Into<String>,
    ) -> StoreError {
        StoreError {
            kind,
            store: StoreKind::Sqlite,
            action,
            message: message.into(),
            source: None,
        }
    }

    /// A row that cannot be read.
    pub(super) fn row(&self, action: &'static str, error: RowError) -> StoreError {
        StoreError {
            source: Some(Box::new(error.clone())),
            ..self.make(
                StoreErrorKind::Corrupt,
                action,
                format!("{error} (in {})", self.path.display()),
            )
        }
    }

    /// What the driver reports.
    pub(super) fn driver(&self, action: &'static str, error: sqlx::Error) -> StoreError {
        let (kind, message) = self.explain(&error);
        if kind == StoreErrorKind::NotWritable {
            self.write_failed.store(true, Ordering::Relaxed);
        }
        StoreError {
            source: Some(Box::new(error)),
            ..self.make(kind, action, message)
        }
    }

    fn explain(&self, error: &sqlx::Error) -> (StoreErrorKind, String) {
        let path = self.path.display();
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().and_then(|code| code.parse::<i32>().ok());
                self.explain_code(code.unwrap_or(ERROR), database.message())
            }
            sqlx::Error::PoolTimedOut => (
                StoreErrorKind::Timeout,
                format!(
                    "no free connection to {path} in time: other writers or readers are slow; try again"
                ),
            ),
            sqlx::Error::PoolClosed => (
                StoreErrorKind::Unavailable,
                format!("the connections to {path} are closed: the program is stopping"),
            ),
            sqlx::Error::Io(io) => (
                StoreErrorKind::Unavailable,
                format!(
                    "{path} cannot be read or written: {io}; check the directory and its permissions"
                ),
            ),
            sqlx::Error::ColumnDecode { index, .. } => (
                StoreErrorKind::Corrupt,
                format!("column {index} of a row in {path} holds a value of the wrong type"),
            ),
            // The driver's texts for what remains (a missing column, a worker that died) hold no
            // values of rows.
            other => (StoreErrorKind::Bug, format!("{other} ({path})")),
        }
    }

    /// Messages of SQLite name tables and columns and never hold values of rows.
    fn explain_code(&self, code: i32, message: &str) -> (StoreErrorKind, String) {
        let path = self.path.display();
        if matches!(code, PRIMARY_KEY_TAKEN | RAISED_BY_TRIGGER | UNIQUE_TAKEN) {
            return (StoreErrorKind::Conflict, message.to_owned());
        }
        match code & 0xff {
            BUSY | LOCKED => (
                StoreErrorKind::Conflict,
                format!(
                    "{path} is locked by another program ({message}); try again, or stop the program that holds it"
                ),
            ),
            FULL => (
                StoreErrorKind::NotWritable,
                format!("the disk of {path} is full ({message}); free some space and try again"),
            ),
            READ_ONLY | PERMISSION => (
                StoreErrorKind::NotWritable,
                format!(
                    "{path} cannot be written ({message}); check the permissions of the file and its directory"
                ),
            ),
            CANNOT_OPEN | IO_ERROR => (
                StoreErrorKind::Unavailable,
                format!(
                    "{path} cannot be opened or read ({message}); check the directory, its permissions and the disk"
                ),
            ),
            NOT_A_DATABASE => (
                StoreErrorKind::Schema,
                format!(
                    "{path} is not a SQLite database; name another file, or move this one away"
                ),
            ),
            CORRUPT => (
                StoreErrorKind::Corrupt,
                format!(
                    "{path} is damaged ({message}); restore a copy, or save what can be read with `sqlite3 FILE .recover`"
                ),
            ),
            ERROR if message.starts_with("no such") => (
                StoreErrorKind::Schema,
                format!(
                    "{path} lacks a part of the schema ({message}); run `turngraph migrate up`"
                ),
            ),
            _ => (StoreErrorKind::Bug, format!("{message} ({path})")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_what_a_caller_can_do_and_name_the_file() {
        let errors = Errors::of(Path::new("/data/record.db"));
        for (code, message, kind, advice) in [
            (
                5,
                "database is locked",
                StoreErrorKind::Conflict,
                "try again",
            ),
            (
                517,
                "database is locked",
                StoreErrorKind::Conflict,
                "try again",
            ),
            (6, "table is locked", StoreErrorKind::Conflict, "try again"),
            (
                13,
                "database or disk is full",
                StoreErrorKind::NotWritable,
                "free some space",
            ),
            (
                8,
                "attempt to write",
                StoreErrorKind::NotWritable,
                "permissions",
            ),
            (
                14,
                "unable to open",
                StoreErrorKind::Unavailable,
                "permissions",
            ),
            (
                10,
                "disk I/O error",
                StoreErrorKind::Unavailable,
                "the disk",
            ),
            (
                26,
                "file is not",
                StoreErrorKind::Schema,
                "name another file",
            ),
            (11, "malformed", StoreErrorKind::Corrupt, ".recover"),
            (1, "no such table: x", StoreErrorKind::Schema, "migrate up"),
            (1, "syntax error", StoreErrorKind::Bug, "syntax error"),
            (275, "CHECK constraint failed", StoreErrorKind::Bug, "CHECK"),
        ] {
            let (found, text) = errors.explain_code(code, message);
            assert_eq!(found, kind, "{code}");
            assert!(text.contains(advice), "{code}: {text}");
            assert!(text.contains("/data/record.db"), "{code}: {text}");
        }
        let (kind, _) = errors.explain_code(2067, "UNIQUE constraint failed: steps.idx");
        assert_eq!(kind, StoreErrorKind::Conflict);
    }
}
