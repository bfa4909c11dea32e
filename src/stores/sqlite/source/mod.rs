//! `ProjectionSource` on SQLite: rows of any account, and a lease that is a lock on a file beside
//! the database, which the system takes back when its process ends.

mod erasure;
mod log;

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use async_trait::async_trait;

use super::{SqliteRecordStore, batch, query, statements as st};
use crate::domain::change::Purge;
use crate::domain::{Position, SessionRow, Uid};
use crate::stores::record::StoreResult;
use crate::stores::source::{
    Contested, DeadLetter, Lease, Progress, ProjectionSource, SourceTurn, TurnAddress,
};
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::records::{SessionRecord, UidRecord};
use crate::stores::sql::source::{
    self as shared, AddressRecord, ContestedRecord, DeadLetterRecord, PurgeRecord, SourceRecord,
};
use crate::stores::{ErasureStore, StoreErrorKind};

impl SqliteRecordStore {
    async fn run(
        &self,
        action: &'static str,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> StoreResult<()> {
        query
            .execute(&self.writer)
            .await
            .map(|_| ())
            .map_err(|error| self.errors.driver(action, error))
    }
}

#[async_trait]
impl ProjectionSource for SqliteRecordStore {
    async fn position(&self) -> StoreResult<Position> {
        let last: i64 = sqlx::query_scalar(st::LAST_CHANGE.sql)
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.errors.driver(st::LAST_CHANGE.name, error))?;
        Ok(Position {
            store: self.id.clone(),
            value: u64::try_from(last).expect("change numbers begin at 1"),
        })
    }

    async fn addresses(&self, turn_uids: &[Uid]) -> StoreResult<Vec<TurnAddress>> {
        let query = query::<AddressRecord>(st::ADDRESSES).bind(batch::keys(turn_uids));
        let rows = self.rows(st::ADDRESSES, query).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn session_rows(&self, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        let query = query::<SessionRecord>(st::SESSION_ROWS).bind(batch::keys(uids));
        let rows = self.rows(st::SESSION_ROWS, query).await?;
        rows.into_iter()
            .map(|row| row.try_into())
            .collect::<Result<_, _>>()
            .map_err(|error| self.errors.row(st::SESSION_ROWS.name, error))
    }

    async fn turns(
        &self,
        session_uid: &Uid,
        from_seq: i32,
        to_seq: i32,
    ) -> StoreResult<Vec<SourceTurn>> {
        let query = query::<SourceRecord>(st::SOURCE_TURNS)
            .bind(session_uid.as_str())
            .bind(from_seq)
            .bind(to_seq);
        let rows = self.rows(st::SOURCE_TURNS, query).await?;
        Ok(shared::source_turns(rows))
    }

    async fn session_uids(&self, after: Option<&Uid>, limit: usize) -> StoreResult<Vec<Uid>> {
        let query = query::<UidRecord>(st::SESSION_UIDS)
            .bind(after.map_or("", Uid::as_str))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.rows(st::SESSION_UIDS, query).await?;
        Ok(rows.into_iter().map(|row| row.uid.into()).collect())
    }

    async fn session_count_estimate(&self) -> StoreResult<u64> {
        let count: i64 = sqlx::query_scalar(st::SESSION_COUNT_ESTIMATE.sql)
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.errors.driver(st::SESSION_COUNT_ESTIMATE.name, error))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn touch(&self, session_uid: &Uid) -> StoreResult<()> {
        for statement in shared::TOUCH {
            let query = sqlx::query(statement.sql).bind(session_uid.as_str());
            self.run(statement.name, query).await?;
        }
        Ok(())
    }

    async fn purges(&self, session_uid: &Uid) -> StoreResult<Vec<Purge>> {
        let query = query::<PurgeRecord>(shared::PURGES).bind(session_uid.as_str());
        let rows = self.rows(shared::PURGES, query).await?;
        rows.into_iter()
            .map(|row| row.try_into())
            .collect::<Result<_, _>>()
            .map_err(|error| self.errors.row(shared::PURGES.name, error))
    }

    async fn dead_letter_insert(&self, letter: &DeadLetter) -> StoreResult<()> {
        let query = sqlx::query(shared::DEAD_LETTER_INSERT.sql)
            .bind(letter.session_uid.as_ref().map(Uid::as_str))
            .bind(shared::row_key(&letter.row))
            .bind(letter.rev)
            .bind(&letter.error)
            .bind(letter.position.cast_signed())
            .bind(DbTime(letter.at))
            .bind(letter.attempts);
        self.run(shared::DEAD_LETTER_INSERT.name, query).await
    }

    async fn dead_letters(&self, limit: usize) -> StoreResult<Vec<DeadLetter>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = query::<DeadLetterRecord>(shared::DEAD_LETTERS).bind(limit);
        let rows = self.rows(shared::DEAD_LETTERS, query).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn dead_letters_resolve(&self, session_uid: &Uid, up_to_id: i64) -> StoreResult<()> {
        let query = sqlx::query(shared::DEAD_LETTERS_RESOLVE.sql)
            .bind(session_uid.as_str())
            .bind(up_to_id);
        self.run(shared::DEAD_LETTERS_RESOLVE.name, query).await
    }

    async fn dead_letter_tried(&self, id: i64) -> StoreResult<()> {
        let query = sqlx::query(shared::DEAD_LETTER_TRIED.sql).bind(id);
        self.run(shared::DEAD_LETTER_TRIED.name, query).await
    }

    async fn progress(&self, job: &str) -> StoreResult<Option<Progress>> {
        sqlx::query_scalar(shared::PROGRESS.sql)
            .bind(job)
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.errors.driver(shared::PROGRESS.name, error))
    }

    async fn set_progress(&self, job: &str, progress: Option<&str>) -> StoreResult<()> {
        match progress {
            Some(text) => {
                let query = sqlx::query(shared::PROGRESS_SET.sql).bind(job).bind(text);
                self.run(shared::PROGRESS_SET.name, query).await
            }
            None => {
                let query = sqlx::query(shared::PROGRESS_FORGET.sql).bind(job);
                self.run(shared::PROGRESS_FORGET.name, query).await
            }
        }
    }

    fn receipts(&self) -> Option<&dyn ErasureStore> {
        Some(self)
    }

    async fn contested(&self, limit: usize) -> StoreResult<Vec<Contested>> {
        let found: Vec<ContestedRecord> = sqlx::query_as(shared::CONTESTED.sql)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.errors.driver(shared::CONTESTED.name, error))?;
        Ok(found.into_iter().map(Contested::from).collect())
    }

    async fn lease(&self, role: &str) -> StoreResult<Option<Box<dyn Lease>>> {
        let failed = |path: &PathBuf, error: std::io::Error| {
            let message = format!(
                "the file {} that shows who has the role {role} cannot be locked: {error}; check \
                 the directory and its permissions",
                path.display()
            );
            self.errors
                .make(StoreErrorKind::Unavailable, "lease", message)
        };
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!("-{role}.lock"));
        let path = PathBuf::from(name);
        let open = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path);
        let file = open.map_err(|error| failed(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(FileLease { file, path }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(&path, error)),
        }
    }
}

/// A locked file.
struct FileLease {
    file: File,
    path: PathBuf,
}

#[async_trait]
impl Lease for FileLease {
    /// The lock stays until the file is closed; but a file that was removed or replaced is another
    /// file to the next process, which would get the role too.
    async fn held(&mut self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let inode = |found: std::fs::Metadata| (found.dev(), found.ino());
            let ours = self.file.metadata().map(inode);
            let there = std::fs::metadata(&self.path).map(inode);
            matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
        }
        #[cfg(not(unix))]
        {
            // Windows does not let an open file be removed.
            self.file.metadata().is_ok() && self.path.exists()
        }
    }
}
