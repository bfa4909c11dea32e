//! Rows that entries of `change_log` name, and their way into changes. Both engines read them by
//! statements of their own with these columns.

use std::collections::HashMap;
use std::hash::Hash;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

use super::columns::DbUid;
use super::record::{RowError, record};
use super::records::{SessionRecord, StepRecord, TurnRecord};
use super::source::PurgeRecord;
use crate::domain::change::{
    Change, Purge, SessionAbsent, SessionChange, StepChange, TurnAbsent, TurnChange,
};
use crate::domain::{SessionRow, Uid};
use crate::stores::change_log::{LogEntry, LogKind, LogRow};
use crate::stores::record::SessionTurn;

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
    inner: TurnRecord,
    prompt: Option<String>,
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
    inner: StepRecord,
    session_uid: Option<DbUid>,
    turn_seq: Option<i32>,
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
    inner: PurgeRecord,
    id: i64,
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

/// What is to be read for some entries.
#[derive(Debug, Default)]
pub struct LogKeys {
    /// Sessions.
    pub sessions: Vec<Uid>,
    /// Turns.
    pub turns: Vec<Uid>,
    /// Steps.
    pub steps: Vec<(Uid, i32)>,
    /// Purges.
    pub purges: Vec<i64>,
    /// Jobs.
    pub jobs: Vec<i64>,
}

/// One row among those that entries name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Session(Uid),
    Turn(Uid),
    Step(Uid, i32),
    Purge(i64),
    Job(i64),
}

impl Key {
    fn of(entry: &LogEntry) -> Option<Self> {
        Some(match entry.kind {
            LogKind::Session => Self::Session(entry.uid.clone()),
            LogKind::Turn => Self::Turn(entry.uid.clone()),
            LogKind::Step => Self::Step(entry.uid.clone(), entry.idx?),
            LogKind::Purge => Self::Purge(entry.reference?),
            LogKind::Numbered => Self::Job(entry.reference?),
            LogKind::Other => return None,
        })
    }
}

/// Rows that were read, to be told in the order of the entries that name them.
#[derive(Debug, Default)]
pub struct LogRows {
    order: HashMap<Key, usize>,
    rows: Vec<(usize, LogRow)>,
}

impl LogRows {
    /// What these entries name, each row once.
    pub fn of(entries: &[LogEntry]) -> (Self, LogKeys) {
        let mut order = HashMap::new();
        for (ix, entry) in entries.iter().enumerate() {
            if let Some(key) = Key::of(entry) {
                order.insert(key, ix);
            }
        }
        let mut keys = LogKeys::default();
        for key in order.keys() {
            match key.clone() {
                Key::Session(uid) => keys.sessions.push(uid),
                Key::Turn(uid) => keys.turns.push(uid),
                Key::Step(uid, idx) => keys.steps.push((uid, idx)),
                Key::Purge(id) => keys.purges.push(id),
                Key::Job(id) => keys.jobs.push(id),
            }
        }
        let rows = Vec::with_capacity(order.len());
        (Self { order, rows }, keys)
    }

    fn push(&mut self, key: &Key, row: LogRow) {
        // A row that was not asked for cannot be there; were it so, it would be told last.
        let place = self.order.get(key).copied().unwrap_or(usize::MAX);
        self.rows.push((place, row));
    }

    /// Takes sessions; `shown` puts a row in its normal form.
    pub fn sessions(&mut self, rows: Vec<SessionRecord>, shown: impl Fn(SessionRow) -> SessionRow) {
        for record in rows {
            let uid = record.uid.0.clone();
            let row = match SessionRow::try_from(record) {
                Ok(row) => LogRow::Change(Change::Session(Box::new(SessionChange {
                    row: shown(row),
                    absent: SessionAbsent::default(),
                }))),
                Err(error) => unreadable(Some(uid.clone()), error),
            };
            self.push(&Key::Session(uid), row);
        }
    }

    /// Takes turns; one without an address is told when it has one.
    pub fn turns(&mut self, rows: Vec<LogTurnRecord>) {
        for LogTurnRecord { inner, prompt } in rows {
            let SessionTurn { session_uid, turn } = inner.into();
            if turn.seq < 0 {
                continue;
            }
            let key = Key::Turn(turn.uid.clone());
            let change = TurnChange {
                session_uid,
                turn,
                prompt,
                absent: TurnAbsent::default(),
            };
            self.push(&key, LogRow::Change(Change::Turn(Box::new(change))));
        }
    }

    /// Takes steps.
    pub fn steps(&mut self, rows: Vec<LogStepRecord>) {
        for record in rows {
            let step: crate::domain::StepRow = record.inner.into();
            let key = Key::Step(step.turn_uid.clone(), step.idx);
            let change = StepChange {
                address: record.session_uid.map(Uid::from).zip(record.turn_seq),
                step,
                content_absent: false,
            };
            self.push(&key, LogRow::Change(Change::Step(Box::new(change))));
        }
    }

    /// Takes purges.
    pub fn purges(&mut self, rows: Vec<LogPurgeRecord>) {
        for LogPurgeRecord { inner, id } in rows {
            let session = inner.session_uid.clone().map(Uid::from);
            let row = match Purge::try_from(inner) {
                Ok(purge) => LogRow::Change(Change::Purge(Box::new(purge))),
                Err(error) => unreadable(session, error),
            };
            self.push(&Key::Purge(id), row);
        }
    }

    /// Takes jobs.
    pub fn jobs(&mut self, rows: Vec<LogJobRecord>) {
        for job in rows {
            let change = Change::Numbered {
                session_uid: job.session_uid.into(),
                from_seq: job.from_seq,
                to_seq: job.to_seq,
            };
            self.push(&Key::Job(job.id), LogRow::Change(change));
        }
    }

    /// All rows in their order.
    pub fn finish(mut self) -> Vec<LogRow> {
        self.rows.sort_by_key(|(place, _)| *place);
        self.rows.into_iter().map(|(_, row)| row).collect()
    }
}

fn unreadable(session_uid: Option<Uid>, error: RowError) -> LogRow {
    LogRow::Unreadable {
        session_uid,
        row: error.row,
        problem: error.reason,
    }
}
