//! Whether the database can be read and written: what readiness and every write ask first.
//!
//! A disk that is full, a file that must not be written and a file that is gone leave reads as
//! they were, and so would go unnoticed: reads come from what is open, even of a deleted file.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sqlx::Row;

use super::{SqliteRecordStore, migrate, statements as st};
use crate::stores::StoreErrorKind;
use crate::stores::record::{StoreHealth, StoreResult};
use crate::stores::sql::Statement;

/// Which file is open, whatever its path leads to by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let found = path.metadata()?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

impl SqliteRecordStore {
    /// Refuses when the file was deleted or replaced since it was opened: whatever is written to
    /// it now is gone when the last connection closes.
    pub(super) fn require_file(&self, action: &'static str) -> StoreResult<()> {
        let path = self.errors.path();
        if FileId::of(path).is_ok_and(|found| found == self.file) {
            return Ok(());
        }
        let message = format!(
            "{} was deleted or replaced while it was open; put the file back or restore a copy, \
             and start again",
            path.display()
        );
        Err(self
            .errors
            .make(StoreErrorKind::Unavailable, action, message))
    }

    /// Engine and schema. Fails while the file is not the one that was opened, and while it
    /// cannot be written.
    pub(super) async fn look(&self) -> StoreResult<StoreHealth> {
        self.require_file("health")?;
        if self.errors.write_failed() {
            self.try_writing().await?;
        }
        let value = async |statement: Statement| {
            sqlx::query(statement.sql)
                .fetch_one(&self.readers)
                .await
                .map_err(|error| self.errors.driver(statement.name, error))
        };
        let version: String = value(st::ENGINE_VERSION).await?.get(0);
        Ok(StoreHealth {
            engine: format!("SQLite {version}"),
            schema_version: value(st::SCHEMA_VERSION).await?.get(0),
            schema_expected: migrate::VERSION,
            pending_turns: 0,
        })
    }

    /// Takes some room in the file, gives it back and commits, which only works where there is
    /// room and the file may be written.
    async fn try_writing(&self) -> StoreResult<()> {
        let mut transaction = self
            .writer
            .begin_with("begin immediate")
            .await
            .map_err(|error| self.errors.driver("begin", error))?;
        for statement in [st::ROOM_TAKE, st::ROOM_GIVE] {
            let done = sqlx::query(statement.sql).execute(&mut *transaction).await;
            done.map_err(|error| self.errors.driver(statement.name, error))?;
        }
        let done = transaction.commit().await;
        done.map_err(|error| self.errors.driver("commit", error))?;
        self.errors.wrote();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{SystemClock, Timestamp, Uid};
    use crate::stores::RecordStore;
    use crate::stores::record::IdempotencyRecord;
    use crate::stores::sqlite::SqliteOptions;

    async fn store(folder: &Path, pages_max: Option<u32>) -> SqliteRecordStore {
        let options = SqliteOptions {
            pages_max,
            ..SqliteOptions::file(folder.join("record.db"))
        };
        let clock = Arc::new(SystemClock);
        let store = SqliteRecordStore::open_migrated(options, clock);
        store.await.unwrap()
    }

    async fn on_writer(store: &SqliteRecordStore, sql: &'static str) {
        sqlx::query(sql).execute(&store.writer).await.unwrap();
    }

    /// Writes so many bytes.
    async fn write(store: &SqliteRecordStore, key: &str, bytes: usize) -> StoreResult<()> {
        let record = IdempotencyRecord {
            input_hash: "h".to_owned(),
            answer: "x".repeat(bytes),
        };
        let (account, now) = (Uid::stored("a"), Timestamp(0));
        let mut transaction = store.begin().await?;
        transaction
            .idempotency_insert(&account, key, &record, now)
            .await?;
        transaction.commit().await.map(drop)
    }

    #[tokio::test]
    async fn a_full_disk_is_not_ready_until_there_is_room_again() {
        let folder = tempfile::tempdir().unwrap();
        let pages: u32 = sqlx::query_scalar("pragma page_count")
            .fetch_one(&store(folder.path(), None).await.writer)
            .await
            .unwrap();
        let store = store(folder.path(), Some(pages + 40)).await;
        let full = write(&store, "large", 1 << 20).await.unwrap_err();
        assert_eq!(full.kind, StoreErrorKind::NotWritable, "{full}");
        assert!(full.message.contains("free some space"), "{full}");
        store.health().await.expect("there is room for less");
        let mut written = 0;
        let full = loop {
            match write(&store, &format!("k{written}"), 4_000).await {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind, StoreErrorKind::NotWritable, "{full}");
        assert!(written > 0);
        for _ in 0..2 {
            let unready = store.health().await.unwrap_err();
            assert_eq!(unready.kind, StoreErrorKind::NotWritable, "{unready}");
        }
        let read = store.idempotency(&Uid::stored("a"), "k0").await;
        assert!(read.unwrap().is_some(), "reading goes on");
        on_writer(&store, "delete from idempotency_keys").await;
        store.health().await.unwrap();
        write(&store, "again", 4_000).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_must_not_be_written_is_not_ready_until_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), None).await;
        on_writer(&store, "pragma query_only = on").await;
        store.health().await.expect("nobody has tried to write yet");
        let refused = write(&store, "k", 1).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::NotWritable, "{refused}");
        assert!(refused.message.contains("permissions"), "{refused}");
        let unready = store.health().await.unwrap_err();
        assert_eq!(unready.kind, StoreErrorKind::NotWritable, "{unready}");
        on_writer(&store, "pragma query_only = off").await;
        store.health().await.unwrap();
    }

    #[tokio::test]
    async fn a_write_that_works_makes_the_store_ready_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), None).await;
        on_writer(&store, "pragma query_only = on").await;
        write(&store, "k", 1).await.unwrap_err();
        on_writer(&store, "pragma query_only = off").await;
        write(&store, "k", 1).await.unwrap();
        assert!(!store.errors.write_failed());
    }

    #[tokio::test]
    async fn a_file_that_was_deleted_or_replaced_is_noticed_and_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), None).await;
        let (path, away) = (folder.path().join("record.db"), folder.path().join("away"));
        std::fs::rename(&path, &away).unwrap();
        for replaced in [false, true] {
            if replaced {
                std::fs::write(&path, "another file").unwrap();
            }
            let unready = store.health().await.unwrap_err();
            assert_eq!(unready.kind, StoreErrorKind::Unavailable, "{unready}");
            assert!(unready.message.contains("deleted or replaced"), "{unready}");
            let refused = write(&store, "k", 1).await.unwrap_err();
            assert!(refused.message.contains("deleted or replaced"), "{refused}");
        }
        std::fs::rename(&away, &path).unwrap();
        store.health().await.unwrap();
        write(&store, "k", 1).await.unwrap();
    }
}
