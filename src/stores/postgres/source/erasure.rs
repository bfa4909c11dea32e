//! `ErasureStore` on PostgreSQL: sessions go in batches, each under its locks.

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgConnection, Postgres};
use sqlx::query::Query;

use super::super::error::store_error;
use super::super::statements::erasure as st;
use super::super::{BEGIN, PgRecordStore};
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

/// Runs a statement on a connection; the number of its rows.
async fn run(
    connection: &mut PgConnection,
    statement: Statement,
    bind: impl FnOnce(Query<'_, Postgres, PgArguments>) -> Query<'_, Postgres, PgArguments>,
) -> StoreResult<u64> {
    let done = bind(sqlx::query(statement.sql)).execute(connection).await;
    done.map(|done| done.rows_affected())
        .map_err(|error| store_error(statement.name, error))
}

impl PgRecordStore {
    /// Removes the sessions of `uids` that are the account's, with everything of them, and counts
    /// them in the receipt; those that were there.
    async fn erase(
        &self,
        connection: &mut PgConnection,
        account: &Uid,
        receipt: &Uid,
        uids: &[&str],
    ) -> StoreResult<Vec<String>> {
        let failed = |error| store_error(st::ERASE_LOCK.name, error);
        let locked: Vec<(String, String)> = sqlx::query_as(st::ERASE_LOCK.sql)
            .bind(uids)
            .bind(account.as_str())
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
        let found: Vec<String> = locked.into_iter().map(|(uid, _)| uid).collect();
        if found.is_empty() {
            return Ok(found);
        }
        remove_rows(connection, account, &found).await?;
        let count = run(connection, st::ERASE_SESSIONS, |q| q.bind(&found)).await?;
        run(connection, shared::ERASURE_COUNT, |q| {
            q.bind(receipt.as_str()).bind(count.cast_signed())
        })
        .await?;
        Ok(found)
    }

    /// Writes the place of a receipt whose transaction has committed, and reads it.
    async fn placed(&self, account: &Uid, receipt: &Uid) -> StoreResult<Erasure> {
        let position = self.position().await?;
        let mut transaction = self.writing().await?;
        run(&mut transaction, shared::ERASURE_PLACE, |q| {
            q.bind(receipt.as_str())
                .bind(&position.store)
                .bind(position.value.cast_signed())
        })
        .await?;
        run(&mut transaction, shared::ERASURE_REOPEN, |q| {
            q.bind(receipt.as_str())
        })
        .await?;
        commit(transaction).await?;
        let found = self.erasure(account, receipt).await?;
        Ok(found.expect("the receipt was committed just before, and none is ever removed"))
    }

    async fn with_stores(&self, found: Option<ErasureRecord>) -> StoreResult<Option<Erasure>> {
        let Some(record) = found else { return Ok(None) };
        let stores: Vec<ErasedInRecord> = sqlx::query_as(shared::ERASURE_STORES.sql)
            .bind(record.uid.0.as_str())
            .fetch_all(&self.pool)
            .await
            .map_err(|error| store_error(shared::ERASURE_STORES.name, error))?;
        Ok(Some(record.with(stores)))
    }

    /// A transaction that writes.
    async fn writing(&self) -> StoreResult<sqlx::Transaction<'static, Postgres>> {
        let begun = self.pool.begin_with(BEGIN).await;
        begun.map_err(|error| store_error("begin", error))
    }
}

/// Removes what hangs on sessions, which are locked or gone.
async fn remove_rows(
    connection: &mut PgConnection,
    account: &Uid,
    uids: &[String],
) -> StoreResult<()> {
    for statement in [
        st::ERASE_STEPS,
        st::ERASE_AGENT_TURNS,
        st::ERASE_HUMAN_TURNS,
    ] {
        run(connection, statement, |q| q.bind(uids)).await?;
    }
    run(connection, st::ERASE_REST, |q| {
        q.bind(uids).bind(account.as_str())
    })
    .await
    .map(drop)
}

async fn commit(transaction: sqlx::Transaction<'static, Postgres>) -> StoreResult<()> {
    let done = transaction.commit().await;
    done.map_err(|error| store_error("commit", error))
}

async fn begin_receipt(
    connection: &mut PgConnection,
    (account, receipt): (&Uid, &Uid),
    session: Option<&Uid>,
    now: Timestamp,
) -> StoreResult<()> {
    run(connection, shared::ERASURE_BEGIN, |q| {
        q.bind(receipt.as_str())
            .bind(account.as_str())
            .bind(session.map(Uid::as_str))
            .bind(DbTime(now))
    })
    .await?;
    run(connection, shared::ERASURE_STORES_BEGIN, |q| {
        q.bind(receipt.as_str())
    })
    .await
    .map(drop)
}

#[async_trait]
impl ErasureStore for PgRecordStore {
    async fn erase_session(
        &self,
        account: &Uid,
        session: &Uid,
        receipt: &Uid,
        now: Timestamp,
    ) -> StoreResult<Option<Erasure>> {
        let mut transaction = self.writing().await?;
        begin_receipt(&mut transaction, (account, receipt), Some(session), now).await?;
        let uids = [session.as_str()];
        let found = self
            .erase(&mut transaction, account, receipt, &uids)
            .await?;
        if found.is_empty() {
            return Ok(None);
        }
        commit(transaction).await?;
        self.placed(account, receipt).await.map(Some)
    }

    async fn erase_account(
        &self,
        account: &Uid,
        receipt: &Uid,
        now: Timestamp,
        block: bool,
    ) -> StoreResult<Erasure> {
        let mut transaction = self.writing().await?;
        begin_receipt(&mut transaction, (account, receipt), None, now).await?;
        if block {
            run(&mut transaction, shared::ACCOUNT_BLOCK, |q| {
                q.bind(account.as_str()).bind(DbTime(now))
            })
            .await?;
        }
        commit(transaction).await?;
        loop {
            let mut transaction = self.writing().await?;
            let next: Vec<DbUid> = sqlx::query_scalar(st::ERASE_NEXT.sql)
                .bind(account.as_str())
                .bind(BATCH)
                .fetch_all(&mut *transaction)
                .await
                .map_err(|error| store_error(st::ERASE_NEXT.name, error))?;
            if next.is_empty() {
                break;
            }
            let uids: Vec<&str> = next.iter().map(|uid| uid.0.as_str()).collect();
            self.erase(&mut transaction, account, receipt, &uids)
                .await?;
            commit(transaction).await?;
        }
        let mut transaction = self.writing().await?;
        let left: Vec<DbUid> = sqlx::query_scalar(st::ERASE_LEFT.sql)
            .bind(account.as_str())
            .fetch_all(&mut *transaction)
            .await
            .map_err(|error| store_error(st::ERASE_LEFT.name, error))?;
        let left: Vec<String> = left.into_iter().map(|uid| uid.0.into()).collect();
        remove_rows(&mut transaction, account, &left).await?;
        for statement in [
            shared::ACCOUNT_ANSWERS,
            shared::PURGE_ACCOUNT,
            shared::ACCOUNT_SURVIVORS,
        ] {
            run(&mut transaction, statement, |q| q.bind(account.as_str())).await?;
        }
        commit(transaction).await?;
        self.placed(account, receipt).await
    }

    async fn erasure(&self, account: &Uid, receipt: &Uid) -> StoreResult<Option<Erasure>> {
        let found = sqlx::query_as(shared::ERASURE_READ.sql)
            .bind(account.as_str())
            .bind(receipt.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| store_error(shared::ERASURE_READ.name, error))?;
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
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| store_error(shared::ERASURE_LAST.name, error))?;
        self.with_stores(found).await
    }

    async fn account_blocked(&self, account: &Uid) -> StoreResult<bool> {
        let found: Option<DbUid> = sqlx::query_scalar(shared::ACCOUNT_BLOCKED.sql)
            .bind(account.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| store_error(shared::ACCOUNT_BLOCKED.name, error))?;
        Ok(found.is_some())
    }

    async fn set_projection_stores(&self, stores: &[StoreKind]) -> StoreResult<()> {
        let mut transaction = self.writing().await?;
        run(&mut transaction, shared::PROJECTION_STORES_CLEAR, |q| q).await?;
        for store in stores {
            run(&mut transaction, shared::PROJECTION_STORE_ADD, |q| {
                q.bind(store.name())
            })
            .await?;
        }
        commit(transaction).await
    }

    async fn erasures_open(&self) -> StoreResult<bool> {
        let open: Option<i32> = sqlx::query_scalar(shared::ERASURES_OPEN.sql)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| store_error(shared::ERASURES_OPEN.name, error))?;
        Ok(open.is_some())
    }

    async fn erasures_applied(
        &self,
        stores: &[StoreKind],
        position: &Position,
        at: Timestamp,
    ) -> StoreResult<u64> {
        let here = self.position().await?;
        let mut transaction = self.writing().await?;
        run(&mut transaction, shared::ERASURE_PLACES, |q| {
            q.bind(&here.store).bind(here.value.cast_signed())
        })
        .await?;
        let mut done = 0;
        for store in stores {
            done += run(&mut transaction, shared::ERASURE_APPLIED, |q| {
                q.bind(&position.store)
                    .bind(position.value.cast_signed())
                    .bind(DbTime(at))
                    .bind(store.name())
            })
            .await?;
        }
        commit(transaction).await?;
        Ok(done)
    }
}
