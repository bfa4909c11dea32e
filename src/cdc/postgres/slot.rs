//! `SlotStatus`: how the feed's replication slot is, for `doctor`, metrics and the feed itself.
//!
//! A slot keeps the log of the record store until it is read. Where that is limited
//! (`max_slot_wal_keep_size`), a slot that stays behind is lost; where it is not, the disk fills
//! up. A lost slot shows no lag, so its state must be watched, not only its distance.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

use super::failure::of_statement;
use crate::cdc::FeedError;

/// Whether the log that a slot needs is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WalStatus {
    /// All of it, within `max_wal_size`.
    Reserved,
    /// All of it, beyond `max_wal_size`.
    Extended,
    /// Some of it goes with the next checkpoint: the slot is about to be lost.
    Unreserved,
    /// Some of it is gone: the slot cannot be read any more.
    Lost,
}

impl WalStatus {
    /// The text that the server shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Extended => "extended",
            Self::Unreserved => "unreserved",
            Self::Lost => "lost",
        }
    }

    fn from_shown(text: &str) -> Option<Self> {
        [Self::Reserved, Self::Extended, Self::Unreserved, Self::Lost]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// A replication slot. Positions and sizes are bytes of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotStatus {
    /// Its plugin; `pgoutput` for one of ours.
    pub plugin: String,
    /// Its database.
    pub database: String,
    /// Process of the server that reads it for a client, if one does.
    pub active_pid: Option<i32>,
    /// Whether the log that it needs is there; none for a slot that has never been used.
    pub wal_status: Option<WalStatus>,
    /// Bytes that may still be written before it is in danger; none where there is no limit.
    pub safe_wal_size: Option<i64>,
    /// Everything before this place is acknowledged.
    pub confirmed: u64,
    /// Bytes that were written since then.
    pub behind: u64,
    /// Bytes of log that are kept for it.
    pub kept: u64,
    /// Whether it is copied to standbys, so that it survives a failover; none before version 17.
    pub failover: Option<bool>,
    /// Why the server gave it up, if it did (version 17 and later).
    pub invalidated: Option<String>,
}

impl SlotStatus {
    /// Whether it can be read.
    pub fn is_lost(&self) -> bool {
        self.wal_status == Some(WalStatus::Lost) || self.invalidated.is_some()
    }

    /// Reads the status of a slot; none where there is no slot of that name.
    pub(super) async fn read(
        connection: &mut PgConnection,
        (slot, role): (&str, &str),
    ) -> Result<Option<Self>, FeedError> {
        let failed = |error| of_statement(error, "read the state of its slot", role);
        let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        let row = sqlx::query(AssertSqlSafe(statement(version)))
            .bind(slot)
            .fetch_optional(connection)
            .await
            .map_err(failed)?;
        row.map(|row| Self::from_row(&row))
            .transpose()
            .map_err(failed)
    }

    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let size = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
        Ok(Self {
            plugin: row.try_get("plugin")?,
            database: row.try_get("database")?,
            active_pid: row.try_get("active_pid")?,
            wal_status: row
                .try_get::<Option<&str>, _>("wal_status")?
                .and_then(WalStatus::from_shown),
            safe_wal_size: row.try_get("safe_wal_size")?,
            confirmed: row.try_get::<i64, _>("confirmed")?.cast_unsigned(),
            behind: size(row.try_get("behind")?),
            kept: size(row.try_get("kept")?),
            failover: row.try_get("failover")?,
            invalidated: row.try_get("invalidated")?,
        })
    }
}

/// `$1` is the slot. Columns that a version does not have are null.
fn statement(version: i32) -> String {
    let (failover, invalidated) = if version >= 170_000 {
        ("failover", "invalidation_reason")
    } else {
        ("null::boolean", "null::text")
    };
    // A standby has no place to write at; what it has replayed takes its place.
    format!(
        "select coalesce(plugin, '') as plugin, coalesce(database, '') as database, active_pid,
            wal_status, safe_wal_size,
            coalesce(confirmed_flush_lsn - '0/0', 0)::bigint as confirmed,
            coalesce(here - confirmed_flush_lsn, 0)::bigint as behind,
            coalesce(here - restart_lsn, 0)::bigint as kept,
            {failover} as failover, {invalidated} as invalidated
        from pg_replication_slots, lateral (select case when pg_is_in_recovery()
            then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end as here) place
        where slot_name = $1"
    )
}
