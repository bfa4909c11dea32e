//! What `doctor` asks a PostgreSQL server beside its health: its clock, and what this role may not.

use super::PgRecordStore;
use super::error::store_error;
use super::statements::source as st;
use crate::domain::Timestamp;
use crate::stores::record::StoreResult;
use crate::stores::sql::columns::DbTime;

/// Tables that a server or a projector reads and writes.
const TABLES: &[&str] = &[
    "sessions",
    "human_turns",
    "agent_turns",
    "steps",
    "scores",
    "metadata",
    "idempotency_keys",
    "purge_log",
    "projection_jobs",
    "projection_progress",
    "dead_letters",
    "change_log",
    "erasures",
    "erasure_stores",
    "erased_accounts",
    "projection_stores",
];

impl PgRecordStore {
    /// The server's time.
    pub async fn clock(&self) -> StoreResult<Timestamp> {
        let at: DbTime = sqlx::query_scalar(st::CLOCK.sql)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| store_error(st::CLOCK.name, error))?;
        Ok(at.into())
    }

    /// What this role may not do, as `table: privilege, privilege`.
    pub async fn forbidden(&self) -> StoreResult<Vec<String>> {
        sqlx::query_scalar(st::FORBIDDEN.sql)
            .bind(TABLES)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| store_error(st::FORBIDDEN.name, error))
    }
}
