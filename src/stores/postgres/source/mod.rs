//! `ProjectionSource` on PostgreSQL: rows of any account, and a lease that dies with its
//! connection.

mod erasure;
mod log;

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use super::connect::Connections;
use super::error::{corrupt, store_error};
use super::read::{sessions, shown};
use super::statements::{reads, source as st};
use super::{PgRecordStore, keys, query};
use crate::domain::change::Purge;
use crate::domain::{Position, SessionRow, Timestamp, Uid};
use crate::stores::ErasureStore;
use crate::stores::record::StoreResult;
use crate::stores::source::{
    Contested, DeadLetter, Lease, Progress, ProjectionSource, SourceTurn, TurnAddress,
};
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::records::{SessionRecord, UidRecord};
use crate::stores::sql::source::{
    self as shared, AddressRecord, ContestedRecord, DeadLetterRecord, PurgeRecord, SourceRecord,
};

/// What the connection of a lease sets: a holder whose machine is gone, without a word, loses the
/// lease within half a minute, and nothing ends a holder that is only quiet.
const LEASE_SETTINGS: &str = "
    set tcp_keepalives_idle = 10;
    set tcp_keepalives_interval = 5;
    set tcp_keepalives_count = 3;
    set idle_session_timeout = 0";

/// How long a lease waits for the server's answer that it is held.
const LEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// A place in the log that is not lower than that of any commit that has returned.
pub(super) async fn position(connections: &Connections) -> StoreResult<Position> {
    let mut connection = connections.acquire(reads::POSITION.name).await?;
    let failed = |error| store_error(reads::POSITION.name, error);
    let row = sqlx::query(reads::POSITION.sql)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let (system, lsn): (i64, i64) = (
        row.try_get(0).map_err(failed)?,
        row.try_get(2).map_err(failed)?,
    );
    let timeline: &str = row.try_get(1).map_err(failed)?;
    let timeline =
        u32::from_str_radix(timeline, 16).map_err(|error| corrupt(&reads::POSITION, error))?;
    Ok(Position {
        // The identifier is an unsigned number that SQL shows as a signed one.
        store: format!("{}.{timeline}", system.cast_unsigned()),
        value: lsn.cast_unsigned(),
    })
}

impl PgRecordStore {
    async fn run(
        &self,
        action: &'static str,
        query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> StoreResult<()> {
        query
            .execute(&self.pool)
            .await
            .map(|_| ())
            .map_err(|error| store_error(action, error))
    }
}

#[async_trait]
impl ProjectionSource for PgRecordStore {
    async fn position(&self) -> StoreResult<Position> {
        position(&self.connections).await
    }

    async fn addresses(&self, turn_uids: &[Uid]) -> StoreResult<Vec<TurnAddress>> {
        let query = query::<AddressRecord>(st::ADDRESSES).bind(keys(turn_uids));
        let rows = self.rows(st::ADDRESSES, query).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn session_rows(&self, uids: &[Uid]) -> StoreResult<Vec<SessionRow>> {
        let query = query::<SessionRecord>(st::SESSION_ROWS).bind(keys(uids));
        let rows = sessions(st::SESSION_ROWS, self.rows(st::SESSION_ROWS, query).await?)?;
        Ok(rows.into_iter().map(shown).collect())
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
            .fetch_one(&self.pool)
            .await
            .map_err(|error| store_error(st::SESSION_COUNT_ESTIMATE.name, error))?;
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
            .map_err(|error| corrupt(&shared::PURGES, error))
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
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| store_error(shared::PROGRESS.name, error))
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

    /// The connection is not one of the pool's, since the lock is the connection's.
    fn receipts(&self) -> Option<&dyn ErasureStore> {
        Some(self)
    }

    async fn forget_jobs(&self, before: Timestamp) -> StoreResult<u64> {
        let done = sqlx::query(st::JOBS_FORGET.sql)
            .bind(DbTime(before))
            .execute(&self.pool)
            .await
            .map_err(|error| store_error(st::JOBS_FORGET.name, error))?;
        Ok(done.rows_affected())
    }

    async fn contested(&self, limit: usize) -> StoreResult<Vec<Contested>> {
        let failed = |error| store_error(shared::CONTESTED.name, error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        // It reads every turn: on a large database it is better not known than waited for.
        sqlx::query("select set_config('statement_timeout', '5s', true)")
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let found: Vec<ContestedRecord> = sqlx::query_as(shared::CONTESTED.sql)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed)?;
        Ok(found.into_iter().map(Contested::from).collect())
    }

    async fn lease(&self, role: &str) -> StoreResult<Option<Box<dyn Lease>>> {
        let failed = |error| store_error(st::LEASE.name, error);
        let options = self.pool.connect_options();
        let options = options
            .as_ref()
            .clone()
            .application_name(&format!("turngraph {role}"));
        let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
        sqlx::raw_sql(LEASE_SETTINGS)
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        let taken: bool = sqlx::query_scalar(st::LEASE.sql)
            .bind(role)
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        if !taken {
            connection.close().await.map_err(failed)?;
            return Ok(None);
        }
        Ok(Some(Box::new(PgLease { connection })))
    }
}

/// A lock of a connection; the server takes it back when the connection ends, however it ends.
struct PgLease {
    connection: PgConnection,
}

#[async_trait]
impl Lease for PgLease {
    async fn held(&mut self) -> bool {
        let asked = sqlx::query_scalar(st::LEASE_HELD.sql).fetch_one(&mut self.connection);
        matches!(
            tokio::time::timeout(LEASE_TIMEOUT, asked).await,
            Ok(Ok(true))
        )
    }
}
