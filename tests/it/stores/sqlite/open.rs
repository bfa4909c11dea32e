//! Opening: what goes wrong is said with the path and what to do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};
use tempfile::TempDir;
use turngraph::domain::clock::ManualClock;
use turngraph::stores::sqlite::{SqliteOptions, SqliteRecordStore, Synchronous};
use turngraph::stores::{RecordStore, StoreError, StoreErrorKind};

use crate::support::sqlite::START;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(START))
}

async fn refused(path: &Path) -> StoreError {
    let mut options = SqliteOptions::file(path);
    options.busy_timeout = Duration::from_millis(20);
    let opened = SqliteRecordStore::open_migrated(options, clock()).await;
    let error = opened.err().expect("the store must not open");
    let text = error.to_string();
    assert!(text.contains(&*path.to_string_lossy()), "no path in {text}");
    error
}

#[tokio::test]
async fn missing_directories_are_created_and_the_file_is_in_wal_mode() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("a/b c/record.db");
    let mut options = SqliteOptions::file(&path);
    options.synchronous = Synchronous::Full;
    let store = SqliteRecordStore::open_migrated(options, clock());
    let store = store.await.unwrap();
    let options = SqliteConnectOptions::new().filename(&path);
    let mut connection = options.connect().await.unwrap();
    let mode = sqlx::query("pragma journal_mode").fetch_one(&mut connection);
    assert_eq!(mode.await.unwrap().get::<String, _>(0), "wal");
    connection.close().await.unwrap();
    store.close().await;
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["record.db"], "closing moves the log into the file");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_as_it_is() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("notes.txt");
    let text = "These are notes. ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = refused(&path).await;
    assert_eq!(error.kind, StoreErrorKind::Schema);
    assert!(
        error.message.contains("is not a SQLite database"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn the_database_of_another_program_is_left_as_it_is() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("other.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let create = sqlx::query("create table sessions (cookie text)");
    create.execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let error = refused(&path).await;
    assert_eq!(error.kind, StoreErrorKind::Schema);
    assert!(error.message.contains("another program"), "{error}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let scratch = TempDir::new().unwrap();
    let file = scratch.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = refused(&file.join("below/record.db")).await;
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    let error = refused(scratch.path()).await;
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_database_that_another_program_holds_is_a_conflict() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("record.db");
    let mut options = SqliteOptions::file(&path);
    options.busy_timeout = Duration::from_millis(20);
    let store = SqliteRecordStore::open_migrated(options, clock()).await;
    let store = store.unwrap();
    let options = SqliteConnectOptions::new().filename(&path);
    let mut holder = options.connect().await.unwrap();
    let begin = sqlx::query("begin immediate");
    begin.execute(&mut holder).await.unwrap();
    let error = store.begin().await.err().expect("the lock is held");
    assert_eq!(error.kind, StoreErrorKind::Conflict, "{error}");
    assert!(
        error.message.contains("is locked by another program"),
        "{error}"
    );
    // Readers go on, and so does the writer once the other has ended.
    let health = store.health().await.unwrap();
    assert_eq!(health.schema_version, health.schema_expected);
    let rollback = sqlx::query("rollback");
    rollback.execute(&mut holder).await.unwrap();
    store.begin().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn a_damaged_database_is_reported_as_damaged() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("record.db");
    let store = SqliteRecordStore::open_migrated(SqliteOptions::file(&path), clock());
    store.await.unwrap().close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    // The header stays, so that it is still a SQLite database; the schema's first page does not.
    bytes[100..4096].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let error = refused(&path).await;
    assert_eq!(error.kind, StoreErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn a_missing_database_is_not_created_unless_it_is_migrated() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("typo.db");
    let opened = SqliteRecordStore::open(SqliteOptions::file(&path), clock()).await;
    let error = opened.err().expect("there is nothing to open");
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(error.message.contains("turngraph migrate up"), "{error}");
    assert!(!path.exists());
}
