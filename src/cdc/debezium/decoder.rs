//! `Decoder`: from the sequence of the connector's messages to what the feed tells.
//!
//! The connector delivers at least once: after a crash it begins again at a place that it noted
//! before, perhaps within a transaction, so a part of the sequence comes twice. A transaction that
//! comes again is told again; what it never does is leave something out, and whether something is
//! missing is checked: events of a transaction are numbered, its end says how many there are, and
//! each event names the commit before its transaction. Pure: no connection and no clock.

use std::collections::VecDeque;

use super::envelope::{Data, End, Message, Op, RawMessage, Snapshot, txid};
use super::lost::{gap, lost, shorter, unreadable};
use super::transaction::{Ended, Open};
use super::values::{Columns, Reading, deleted_uid};
use super::{PLACEHOLDER, failure};
use crate::cdc::rows::{self, Deletes, Mapped, Operation, Table};
use crate::cdc::{FeedError, FeedErrorKind, FeedEvent};
use crate::domain::Timestamp;
use crate::domain::change::Change;

/// See the file.
#[derive(Debug)]
pub struct Decoder {
    placeholder: Box<str>,
    open: Option<Open>,
    deletes: Deletes,
    last: Option<Ended>,
    /// Whether the beginning of a transaction was met, or must come next.
    synchronous: bool,
    /// Whether the place that was reached is that of a snapshot.
    after_snapshot: bool,
}

impl Decoder {
    /// Begins after what was told up to `last`. `synchronous` when the next message is the first
    /// behind the end of a transaction; else a transaction that is cut off is passed over.
    pub fn new(placeholder: Option<&str>, last: Option<Ended>, synchronous: bool) -> Self {
        Self {
            placeholder: placeholder.unwrap_or(PLACEHOLDER).into(),
            open: None,
            deletes: Deletes::default(),
            last,
            synchronous,
            after_snapshot: false,
        }
    }

    /// Takes the next message; what is to be told goes to `out`. The place that is reached when the
    /// message ends a transaction or a snapshot.
    pub fn message(
        &mut self,
        message: RawMessage<'_>,
        now: Timestamp,
        out: &mut VecDeque<FeedEvent>,
    ) -> Result<Option<Ended>, FeedError> {
        let Some(value) = message.value else {
            return Ok(None);
        };
        match Message::parse(value) {
            Ok(Message::Nothing) => Ok(None),
            Ok(Message::Begin { txid }) => {
                self.begin(txid);
                Ok(None)
            }
            Ok(Message::End(end)) => self.end(&end, out),
            Ok(Message::Data(data)) => self.data(&data, (message, now), out),
            Err(problem) => {
                if let Some(open) = &mut self.open {
                    open.garbled();
                }
                self.tell(unreadable(message.offset, problem), out);
                Ok(None)
            }
        }
    }

    fn begin(&mut self, txid: &str) {
        self.synchronous = true;
        match &mut self.open {
            // The connector was started again within this transaction.
            Some(open) if open.is(txid) => open.again(),
            // One that is open is told again from its beginning, later.
            _ => {
                self.deletes.begin();
                self.open = Some(Open::new(txid));
            }
        }
    }

    fn tell(&mut self, event: FeedEvent, out: &mut VecDeque<FeedEvent>) {
        if let Some(open) = &mut self.open {
            open.told = true;
        }
        out.push_back(event);
    }

    fn data(
        &mut self,
        data: &Data<'_>,
        (message, now): (RawMessage<'_>, Timestamp),
        out: &mut VecDeque<FeedEvent>,
    ) -> Result<Option<Ended>, FeedError> {
        if data.snapshot == Snapshot::No {
            self.place(data, message.offset)?;
        }
        if let Some(table) = Table::from_name(&data.table) {
            self.row(table, data, (message, now), out);
        }
        match (data.snapshot, data.position, data.at) {
            (Snapshot::Last, Some(position), Some(at)) => {
                let ended = Ended { position, at };
                if self.last.is_some_and(|last| position < last.position) {
                    return Err(shorter());
                }
                self.last = Some(ended);
                self.after_snapshot = true;
                out.push_back(FeedEvent::Commit {
                    position,
                    committed_at: at,
                });
                Ok(Some(ended))
            }
            _ => Ok(None),
        }
    }

    /// Checks that nothing is missing before an event.
    fn place(&mut self, data: &Data<'_>, offset: i64) -> Result<(), FeedError> {
        let Some((id, order)) = &data.transaction else {
            // A message in the log may stand outside of transactions.
            return if data.op == Op::Logical {
                Ok(())
            } else {
                Err(failure(
                    FeedErrorKind::Setup,
                    "the connector does not say where transactions begin and end: set \
                     provide.transaction.metadata=true, give it a new topic \
                     (transforms.one.replacement), and set that topic here, too",
                ))
            };
        };
        self.continues(data, offset)?;
        match &mut self.open {
            Some(open) if open.is(txid(id)) => {
                if !open.event(*order) {
                    return Err(gap(offset, "an event of its transaction is missing"));
                }
                open.at = data.at;
                Ok(())
            }
            // What comes again may begin within a transaction; one that is new is seen at its end.
            _ if self.synchronous && data.position > self.last.map(|last| last.position) => {
                Err(gap(offset, "the beginning of its transaction is missing"))
            }
            _ => Ok(()),
        }
    }

    /// Checks that no transaction is missing before an event.
    fn continues(&self, data: &Data<'_>, offset: i64) -> Result<(), FeedError> {
        let Some(last) = self.last else {
            return Ok(());
        };
        match data.after_commit {
            Some(Some(after)) if after > last.position => {
                Err(gap(offset, "a transaction before it is missing"))
            }
            Some(None) if !self.after_snapshot && data.position > Some(last.position) => Err(gap(
                offset,
                "the connector began anew before it, without its offsets and without a snapshot",
            )),
            _ => Ok(()),
        }
    }

    fn row(
        &mut self,
        table: Table,
        data: &Data<'_>,
        (message, now): (RawMessage<'_>, Timestamp),
        out: &mut VecDeque<FeedEvent>,
    ) {
        let operation = match data.op {
            Op::Create | Op::Read => Operation::Insert,
            Op::Update => Operation::Update,
            Op::Delete => {
                let uid = deleted_uid(table, data.before, message.key);
                self.deletes.deleted(table, &uid);
                return;
            }
            Op::Truncate => {
                if let Some(suspect) = rows::truncated(table) {
                    self.tell(FeedEvent::Change(suspect), out);
                }
                return;
            }
            Op::Logical => return,
        };
        let Some(columns) = data.after.and_then(Columns::parse) else {
            let problem = "it has no row in `after`";
            return self.tell(unreadable(message.offset, problem), out);
        };
        // A row that is new is known whole: the placeholder is then a value like any other.
        let moved = message.has_old_key;
        let may_lack = operation == Operation::Update || moved;
        let reading = Reading {
            placeholder: may_lack.then_some(&self.placeholder),
            now,
        };
        let (mapped, absent) = columns.event((table, operation), reading);
        let Mapped::Event(event) = mapped else {
            return;
        };
        if let FeedEvent::Change(change) = &event {
            if let Change::Purge(purge) = change {
                self.deletes.purged(purge);
            }
            if moved && absent {
                // Nobody has the value under the new key.
                let suspect = Change::Suspect {
                    session_uid: change.session_uid().cloned(),
                    row: format!("{} (a row whose key was changed)", table.name()),
                };
                self.tell(FeedEvent::Change(suspect), out);
            }
        }
        self.tell(event, out);
    }

    fn end(
        &mut self,
        end: &End<'_>,
        out: &mut VecDeque<FeedEvent>,
    ) -> Result<Option<Ended>, FeedError> {
        let Some(mut open) = self.open.take_if(|open| open.is(end.txid)) else {
            return self.end_of_part(end, out);
        };
        let missing = open.missing(end.events);
        if missing > 0 {
            let what = format!(
                "{missing} of {} events of transaction {} are missing",
                end.events, end.txid
            );
            return Err(lost(&what));
        }
        let ended = self.reached(end)?;
        for suspect in self.deletes.suspects() {
            open.told = true;
            out.push_back(FeedEvent::Change(suspect));
        }
        let committed_at = open.at.unwrap_or(end.at);
        out.push_back(if open.told {
            FeedEvent::Commit {
                position: ended.position,
                committed_at,
            }
        } else {
            FeedEvent::Idle {
                position: ended.position,
                as_of: committed_at,
            }
        });
        Ok(Some(ended))
    }

    /// The end of a transaction whose beginning was not met.
    fn end_of_part(
        &mut self,
        end: &End<'_>,
        out: &mut VecDeque<FeedEvent>,
    ) -> Result<Option<Ended>, FeedError> {
        if !self.synchronous {
            // The topic begins within this transaction, or reading does.
            self.synchronous = true;
            return Ok(None);
        }
        if self.last.is_none_or(|last| end.position > last.position) {
            let what = format!("the beginning of transaction {} is missing", end.txid);
            return Err(lost(&what));
        }
        let ended = self.reached(end)?;
        out.push_back(FeedEvent::Commit {
            position: ended.position,
            committed_at: end.at,
        });
        Ok(Some(ended))
    }

    /// The place that is reached by a transaction: its own, or for one that came again the last.
    fn reached(&mut self, end: &End<'_>) -> Result<Ended, FeedError> {
        let ended = match self.last {
            Some(last) if end.position <= last.position => {
                if end.at > last.at {
                    return Err(shorter());
                }
                last
            }
            _ => Ended {
                position: end.position,
                // Commits a moment apart may have their times the other way round.
                at: self.last.map_or(end.at, |last| last.at.max(end.at)),
            },
        };
        self.last = Some(ended);
        self.after_snapshot = false;
        Ok(ended)
    }
}
