//! Where a database file is and how it is opened.
//!
//! Makes driver options out of ours; knows no statement but the connection's settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

/// How sure a commit is on disk when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Survives a crash of the program; a power failure may take the last commits, and leaves the
    /// database whole.
    #[default]
    Normal,
    /// Survives a power failure too, for a disk flush with every commit.
    Full,
}

/// A database file and how it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteOptions {
    /// The file; it and its directory are created when they are missing.
    pub path: PathBuf,
    /// How sure a commit is.
    pub synchronous: Synchronous,
    /// How long a statement waits for another process that writes.
    pub busy_timeout: Duration,
    /// Connections that read at once.
    pub readers: u32,
    /// Pages that the file may have (of 4 KiB, unless it was made with others); beyond it counts
    /// as full. None for as many as the disk has room for.
    pub pages_max: Option<u32>,
}

impl SqliteOptions {
    /// The usual options for a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            synchronous: Synchronous::Normal,
            busy_timeout: Duration::from_secs(5),
            readers: 4,
            pages_max: None,
        }
    }

    /// Options of the connection that writes.
    pub(super) fn writer(&self) -> SqliteConnectOptions {
        let writer = self
            .connection()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        match self.pages_max {
            Some(pages) => writer.pragma("max_page_count", pages.to_string()),
            None => writer,
        }
    }

    /// Options of connections that only read.
    pub(super) fn reader(&self) -> SqliteConnectOptions {
        self.connection().pragma("query_only", "on")
    }

    fn connection(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .foreign_keys(true)
            .busy_timeout(self.busy_timeout)
            .synchronous(match self.synchronous {
                Synchronous::Normal => SqliteSynchronous::Normal,
                Synchronous::Full => SqliteSynchronous::Full,
            })
            // Statements are logged by the layers above, with the request that they belong to.
            .disable_statement_logging()
    }

    /// The directory of the file, where it has one.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.path
            .parent()
            .filter(|path| !path.as_os_str().is_empty())
    }
}
