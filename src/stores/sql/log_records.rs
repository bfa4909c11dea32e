//! Records of `change_log` and of the rows that its entries name. Both engines read them by
//! statements of their own with these columns.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

use super::columns::DbUid;
use super::record::record;
use super::records::{StepRecord, TurnRecord};
use super::source::PurgeRecord;
use crate::stores::change_log::{LogEntry, LogKind};

record! {
    /// An entry of `change_log`.
    LogRecord {
        /// Place of its transaction.
        place: i64,
        /// Number.
        seq: i64,
        /// Kind of row.
        entity: String,
        /// Key.
        uid: DbUid,
        /// Index of a step.
        idx: Option<i32>,
        /// Number of a purge or job.
        reference: Option<i64>,
    }
}

impl From<LogRecord> for LogEntry {
    fn from(row: LogRecord) -> Self {
        let kind = match row.entity.as_str() {
            "session" => LogKind::Session,
            "human_turn" | "agent_turn" => LogKind::Turn,
            "step" => LogKind::Step,
            "numbered" => LogKind::Numbered,
            purge if purge.starts_with("purge") => LogKind::Purge,
            _ => LogKind::Other,
        };
        Self {
            place: (row.place, row.seq),
            kind,
            uid: row.uid.into(),
            idx: row.idx,
            reference: row.reference,
        }
    }
}

/// A record and more columns, of either engine.
macro_rules! extended {
    ($name:ident($inner:ident) { $($field:ident: $ty:ty,)* }) => {
        extended!(@from SqliteRow, $name, $inner, $($field),*);
        extended!(@from PgRow, $name, $inner, $($field),*);
    };
    (@from $row:ty, $name:ident, $inner:ident, $($field:ident),*) => {
        impl FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                let inner = $inner::from_row(row)?;
                let mut place = $inner::COLUMNS.len()..;
                let mut next = || place.next().expect("a row has fewer columns than integers");
                Ok(Self { inner, $($field: row.try_get::<_, usize>(next())?,)* })
            }
        }
    };
}

/// A turn with its prompt.
#[derive(Debug)]
pub struct LogTurnRecord {
    pub(super) inner: TurnRecord,
    pub(super) prompt: Option<String>,
}
extended!(LogTurnRecord(TurnRecord) { prompt: Option<String>, });

impl LogTurnRecord {
    /// Names of the columns in their order: those of [`TurnRecord`], and the prompt.
    pub const COLUMNS: &'static [&'static str] = &[
        "session_uid",
        "uid",
        "agent",
        "parent_uid",
        "active_child",
        "seq",
        "created_at",
        "deleted_at",
        "liked",
        "model",
        "status",
        "finished_at",
        "usage",
        "rev",
        "prompt",
    ];
}

/// A step with its address.
#[derive(Debug)]
pub struct LogStepRecord {
    pub(super) inner: StepRecord,
    pub(super) session_uid: Option<DbUid>,
    pub(super) turn_seq: Option<i32>,
}
extended!(LogStepRecord(StepRecord) { session_uid: Option<DbUid>, turn_seq: Option<i32>, });

impl LogStepRecord {
    /// Names of the columns in their order: those of [`StepRecord`], and the address.
    pub const COLUMNS: &'static [&'static str] = &[
        "agent_turn_uid",
        "idx",
        "tpe",
        "content",
        "created_at",
        "rev",
        "session_uid",
        "turn_seq",
    ];
}

/// A purge with its number.
#[derive(Debug)]
pub struct LogPurgeRecord {
    pub(super) inner: PurgeRecord,
    pub(super) id: i64,
}
extended!(LogPurgeRecord(PurgeRecord) { id: i64, });

impl LogPurgeRecord {
    /// Names of the columns in their order: those of [`PurgeRecord`], and the number.
    pub const COLUMNS: &'static [&'static str] = &[
        "kind",
        "session_uid",
        "seq",
        "uid",
        "idx",
        "account_uid",
        "created_at",
        "rev",
        "id",
    ];
}

record! {
    /// A run of numbers that were given.
    LogJobRecord {
        /// Number of the job.
        id: i64,
        /// Session.
        session_uid: DbUid,
        /// First number.
        from_seq: i32,
        /// Last number.
        to_seq: i32,
    }
}
