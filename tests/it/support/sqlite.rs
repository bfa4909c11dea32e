//! A SQLite record store on a scratch file, with a clock that the test moves.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use turngraph::domain::Timestamp;
use turngraph::domain::clock::ManualClock;
use turngraph::stores::sqlite::{SqliteOptions, SqliteRecordStore};

use crate::stores::contract::{Engine, Fixture};

/// The instant at which every test begins: 2026-01-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000_000);

/// A migrated store in its own directory, which goes when this is dropped.
pub(crate) struct SqliteFixture {
    pub(crate) store: Arc<SqliteRecordStore>,
    pub(crate) clock: Arc<ManualClock>,
    directory: TempDir,
}

impl SqliteFixture {
    pub(crate) async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let options = SqliteOptions::file(directory.path().join("record.db"));
        let store = SqliteRecordStore::open_migrated(options, Arc::<ManualClock>::clone(&clock))
            .await
            .unwrap();
        Self {
            store: Arc::new(store),
            clock,
            directory,
        }
    }

    /// Another process's store on the same file.
    pub(crate) async fn second(&self) -> SqliteRecordStore {
        let clock = Arc::<ManualClock>::clone(&self.clock);
        SqliteRecordStore::open(SqliteOptions::file(self.path()), clock)
            .await
            .unwrap()
    }

    /// The database file, for a second connection beside the store's.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("record.db")
    }
}

/// The fixture of the contract suite.
pub(crate) async fn contract_fixture() -> Fixture {
    let sqlite = SqliteFixture::new().await;
    Fixture {
        store: Arc::<SqliteRecordStore>::clone(&sqlite.store),
        clock: Arc::clone(&sqlite.clock),
        engine: Box::new(sqlite),
    }
}

/// The fixture of the contract suite and the database that it is on; the latter must be kept.
pub(crate) async fn contract_fixture_beside() -> (SqliteFixture, Fixture) {
    let sqlite = SqliteFixture::new().await;
    let fixture = Fixture {
        store: Arc::<SqliteRecordStore>::clone(&sqlite.store),
        clock: Arc::clone(&sqlite.clock),
        engine: Box::new(Shell(sqlite.path())),
    };
    (sqlite, fixture)
}

/// Another program with the database file open.
struct Shell(PathBuf);

#[async_trait::async_trait]
impl Engine for Shell {
    async fn run(&self, sql: &'static str) {
        let options = SqliteConnectOptions::new().filename(&self.0);
        let mut connection = options.connect().await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Writers wait inside the store, where it cannot be seen; they have time to get there.
    async fn writer_waits(&self) {
        for _ in 0..20 {
            self.run("select count(*) from sessions").await;
        }
    }
}

#[async_trait::async_trait]
impl Engine for SqliteFixture {
    async fn run(&self, sql: &'static str) {
        Shell(self.path()).run(sql).await;
    }

    async fn writer_waits(&self) {
        Shell(self.path()).writer_waits().await;
    }
}
