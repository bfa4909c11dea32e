//! From the rows that entries of `change_log` name to changes, in the order of the entries.

use std::collections::HashMap;

pub use super::log_records::{
    LogJobRecord, LogPurgeRecord, LogRecord, LogStepRecord, LogTurnRecord,
};
use super::record::RowError;
use super::records::SessionRecord;
use crate::domain::change::{
    Change, Purge, SessionAbsent, SessionChange, StepChange, TurnAbsent, TurnChange,
};
use crate::domain::{SessionRow, Uid};
use crate::stores::change_log::{LogEntry, LogKind, LogRow};
use crate::stores::record::SessionTurn;

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
