//! `ErasureStore` on SQLite: what hangs on a session goes by the triggers of the schema, and the
//! bytes go too.

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use sqlx::{Connection, Transaction};

use super::super::{SqliteRecordStore, batch, statements as st};
use crate::domain::{Position, Timestamp, Uid};
use crate::stores::StoreKind;
use crate::stores::erasure::{Erasure, ErasureStore};
use crate::stores::record::StoreResult;
use crate::stores::source::ProjectionSource;
use crate::stores::sql::Statement;
use crate::stores::sql::columns::{DbTime, DbUid};
use crate::stores::sql::erasure::{self as shared, ErasedInRecord, ErasureRecord};

/// Sessions that go in one transaction.
const BATCH: i64 = 50;

impl SqliteRecordStore {
    /// Runs a statement on a connection; the number of its rows.
    async fn erase_run(
        &self,
        connection: &mut SqliteConnection,
        statement: Statement,
        bind: impl FnOnce(Query<'_, Sqlite, SqliteArguments>) -> Query<'_, Sqlite, SqliteArguments>,
    ) -> StoreResult<u64> {
        let done = bind(sqlx::query(statement.sql)).execute(connection).await;
        done.map(|done| done.rows_affected())
            .map_err(|error| self.errors.driver(statement.name, error))
    }

    /// The connection that writes, with the setting that overwrites what is deleted.
    async fn erasing(&self) -> StoreResult<PoolConnection<Sqlite>> {
        let failed = |error| self.errors.driver("erase", error);
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        sqlx::query("pragma secure_delete = on")
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
        Ok(connection)
    }

    async fn begin_erasing<'c>(
        &self,
        connection: &'c mut SqliteConnection,
    ) -> StoreResult<Transaction<'c, Sqlite>> {
        let begun = connection.begin_with("begin immediate").await;
        begun.map_err(|error| self.errors.driver("begin", error))
    }

    async fn commit_erasing(&self, transaction: Transaction<'_, Sqlite>) -> StoreResult<()> {
        let done = transaction.commit().await;
        done.map_err(|error| self.errors.driver("commit", error))
    }

    async fn begin_receipt(
        &self,
        connection: &mut SqliteConnection,
        (account, receipt): (&Uid, &Uid),
        session: Option<&Uid>,
        now: Timestamp,
    ) -> StoreResult<()> {
        self.erase_run(connection, shared::ERASURE_BEGIN, |q| {
            q.bind(receipt.as_str().to_owned())
                .bind(account.as_str().to_owned())
                .bind(session.map(|uid| uid.as_str().to_owned()))
                .bind(DbTime(now))
        })
        .await?;
        self.erase_run(connection, shared::ERASURE_STORES_BEGIN, |q| {
            q.bind(receipt.as_str().to_owned())
        })
        .await
        .map(drop)
    }

    /// Removes the sessions of `uids` that are the account's; how many there were.
    async fn erase(
        &self,
        connection: &mut SqliteConnection,
        (account, receipt): (&Uid, &Uid),
        uids: &[Uid],
    ) -> StoreResult<u64> {
        let keys = batch::keys(uids);
        let account = account.as_str();
        let count = self
            .erase_run(connection, st::ERASE_SESSIONS, |q| {
                q.bind(keys.clone()).bind(account.to_owned())
            })
            .await?;
        if count > 0 {
            self.erase_run(connection, st::ERASE_ANSWERS, |q| {
                q.bind(keys.clone()).bind(account.to_owned())
            })
            .await?;
            self.erase_run(connection, st::ERASE_LETTERS, |q| q.bind(keys.clone()))
                .await?;
            self.erase_run(connection, shared::ERASURE_COUNT, |q| {
                q.bind(receipt.as_str().to_owned())
                    .bind(count.cast_signed())
            })
            .await?;
        }
        Ok(count)
    }

    /// Writes the place of a receipt whose transaction has committed, moves the log into the file,
    /// where what was deleted is overwritten, and reads the receipt.
    async fn placed(
        &self,
        mut connection: PoolConnection<Sqlite>,
        account: &Uid,
        receipt: &Uid,
    ) -> StoreResult<Erasure> {
        let position = self.position().await?;
        self.erase_run(&mut connection, shared::ERASURE_PLACE, |q| {
            q.bind(receipt.as_str().to_owned())
                .bind(position.store.clone())
                .bind(position.value.cast_signed())
        })
        .await?;
        self.erase_run(&mut connection, shared::ERASURE_REOPEN, |q| {
            q.bind(receipt.as_str().to_owned())
        })
        .await?;
        // A reader that is just looking at an older state keeps the log; it is moved later then.
        for pragma in [
            "pragma wal_checkpoint(truncate)",
            "pragma secure_delete = off",
        ] {
            let done = sqlx::query(pragma).execute(&mut *connection).await;
            done.map_err(|error| self.errors.driver("erase", error))?;
        }
        drop(connection);
        let found = self.erasure(account, receipt).await?;
        Ok(found.expect("the receipt was committed just before, and none is ever removed"))
    }

    async fn with_stores(&self, found: Option<ErasureRecord>) -> StoreResult<Option<Erasure>> {
        let Some(record) = found else { return Ok(None) };
        let stores: Vec<ErasedInRecord> = sqlx::query_as(shared::ERASURE_STORES.sql)
            .bind(record.uid.0.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.errors.driver(shared::ERASURE_STORES.name, error))?;
        Ok(Some(record.with(stores)))
    }
}

#[async_trait]
impl ErasureStore for SqliteRecordStore {
    async fn erase_session(
        &self,
        account: &Uid,
        session: &Uid,
        receipt: &Uid,
        now: Timestamp,
    ) -> StoreResult<Option<Erasure>> {
        let mut connection = self.erasing().await?;
        let mut transaction = self.begin_erasing(&mut connection).await?;
        self.begin_receipt(&mut transaction, (account, receipt), Some(session), now)
            .await?;
        let uids = std::slice::from_ref(session);
        if self
            .erase(&mut transaction, (account, receipt), uids)
            .await?
            == 0
        {
            return Ok(None);
        }
        self.commit_erasing(transaction).await?;
        self.placed(connection, account, receipt).await.map(Some)
    }

    async fn erase_account(
        &self,
        account: &Uid,
        receipt: &Uid,
        now: Timestamp,
        block: bool,
    ) -> StoreResult<Erasure> {
        let mut connection = self.erasing().await?;
        let mut transaction = self.begin_erasing(&mut connection).await?;
        self.begin_receipt(&mut transaction, (account, receipt), None, now)
            .await?;
        if block {
            self.erase_run(&mut transaction, shared::ACCOUNT_BLOCK, |q| {
                q.bind(account.as_str().to_owned()).bind(DbTime(now))
            })
            .await?;
        }
        self.commit_erasing(transaction).await?;
        loop {
            let mut transaction = self.begin_erasing(&mut connection).await?;
            let next: Vec<DbUid> = sqlx::query_scalar(st::ERASE_NEXT.sql)
                .bind(account.as_str())
                .bind(BATCH)
                .fetch_all(&mut *transaction)
                .await
                .map_err(|error| self.errors.driver(st::ERASE_NEXT.name, error))?;
            let uids: Vec<Uid> = next.into_iter().map(Uid::from).collect();
            if self
                .erase(&mut transaction, (account, receipt), &uids)
                .await?
                == 0
            {
                for statement in [
                    shared::ACCOUNT_ANSWERS,
                    shared::PURGE_ACCOUNT,
                    shared::ACCOUNT_SURVIVORS,
                ] {
                    let account = account.as_str().to_owned();
                    self.erase_run(&mut transaction, statement, |q| q.bind(account))
                        .await?;
                }
                self.commit_erasing(transaction).await?;
                break;
            }
            self.commit_erasing(transaction).await?;
        }
        self.placed(connection, account, receipt).await
    }

    async fn erasure(&self, account: &Uid, receipt: &Uid) -> StoreResult<Option<Erasure>> {
        let found = sqlx::query_as(shared::ERASURE_READ.sql)
            .bind(account.as_str())
            .bind(receipt.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.errors.driver(shared::ERASURE_READ.name, error))?;
        self.with_stores(found).await
    }

    async fn last_erasure(
        &self,
        account: &Uid,
        session: Option<&Uid>,
    ) -> StoreResult<Option<Erasure>> {
        let found = sqlx::query_as(shared::ERASURE_LAST.sql)
            .bind(account.as_str())
            .bind(session.map_or("", Uid::as_str))
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.errors.driver(shared::ERASURE_LAST.name, error))?;
        self.with_stores(found).await
    }

    async fn account_blocked(&self, account: &Uid) -> StoreResult<bool> {
        let found: Option<DbUid> = sqlx::query_scalar(shared::ACCOUNT_BLOCKED.sql)
            .bind(account.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.errors.driver(shared::ACCOUNT_BLOCKED.name, error))?;
        Ok(found.is_some())
    }

    async fn set_projection_stores(&self, stores: &[StoreKind]) -> StoreResult<()> {
        let failed = |error| self.errors.driver("begin", error);
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let mut transaction = self.begin_erasing(&mut connection).await?;
        self.erase_run(&mut transaction, shared::PROJECTION_STORES_CLEAR, |q| q)
            .await?;
        for store in stores {
            self.erase_run(&mut transaction, shared::PROJECTION_STORE_ADD, |q| {
                q.bind(store.name())
            })
            .await?;
        }
        self.commit_erasing(transaction).await
    }

    async fn erasures_open(&self) -> StoreResult<bool> {
        let open: Option<i32> = sqlx::query_scalar(shared::ERASURES_OPEN.sql)
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.errors.driver(shared::ERASURES_OPEN.name, error))?;
        Ok(open.is_some())
    }

    async fn erasures_applied(
        &self,
        stores: &[StoreKind],
        position: &Position,
        at: Timestamp,
    ) -> StoreResult<u64> {
        let here = self.position().await?;
        let failed = |error| self.errors.driver("begin", error);
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        let mut transaction = self.begin_erasing(&mut connection).await?;
        self.erase_run(&mut transaction, shared::ERASURE_PLACES, |q| {
            q.bind(here.store.clone()).bind(here.value.cast_signed())
        })
        .await?;
        let mut done = 0;
        for store in stores {
            done += self
                .erase_run(&mut transaction, shared::ERASURE_APPLIED, |q| {
                    q.bind(position.store.clone())
                        .bind(position.value.cast_signed())
                        .bind(DbTime(at))
                        .bind(store.name())
                })
                .await?;
        }
        self.commit_erasing(transaction).await?;
        Ok(done)
    }
}
