//! `Teller`: from decoded messages to what the feed tells, one transaction after another.
//!
//! Owns what is known of the tables and of the transaction that is being told; holds no row longer
//! than its message. Pure: no connection and no clock, so it can be fed with any bytes.

use std::collections::{HashMap, VecDeque};

use super::pgoutput::{Datum, Message, Old, Relation, Tuple};
use crate::cdc::rows::{self, Deletes, Mapped, Operation, Row, Skipped, Table, Value};
use crate::cdc::{FeedError, FeedEvent};
use crate::domain::Timestamp;
use crate::domain::change::Change;

use super::failure::setup;

/// Microseconds from 1970 to 2000, where the server begins to count.
const EPOCH: i64 = 946_684_800_000_000;

/// Tables that are remembered; the publication has six, partitions come under their root's name.
const TABLES_MAX: usize = 1_000;

/// A table that the server has described.
#[derive(Debug)]
struct Bound {
    /// None for a table that the feed does not follow.
    table: Option<Table>,
    /// For each column of the message its place in a row, none for those that are not needed.
    places: Vec<Option<u8>>,
}

/// Rows that were not told, since the feed was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that were told, unreadable ones included.
    pub told: u64,
    /// Turns without a number.
    pub unaddressed: u64,
    /// Rows of tables that the feed does not follow, and updates of rows that are told once.
    pub ignored: u64,
}

/// See the file. A feed owns one; it is public so that it can be measured and fed with damage.
#[derive(Debug, Default)]
pub struct Teller {
    tables: HashMap<u32, Bound>,
    /// Whether a transaction is being told.
    open: bool,
    /// Whether anything of it was told.
    told: bool,
    deletes: Deletes,
    as_of: Option<Timestamp>,
    counts: Counts,
}

impl Teller {
    /// Rows told and not told so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A connection begins: tables are described again, a transaction that was cut off is told
    /// again from its beginning.
    pub fn reset(&mut self) {
        self.tables.clear();
        self.open = false;
        self.deletes.begin();
    }

    /// A transaction begins to be told.
    pub fn begin(&mut self) {
        self.deletes.begin();
        self.open = true;
        self.told = false;
    }

    /// The transaction was told. One of which nothing was told (a heartbeat, pending turns) only
    /// moves the place.
    pub fn commit(&mut self, end_lsn: u64, commit_time: i64, out: &mut VecDeque<FeedEvent>) {
        for suspect in self.deletes.suspects() {
            self.tell(FeedEvent::Change(suspect), out);
        }
        self.open = false;
        // Commits reach the log in an order that their clock readings need not have.
        let at = Timestamp(commit_time.saturating_add(EPOCH));
        let as_of = self.as_of.map_or(at, |before| before.max(at));
        self.as_of = Some(as_of);
        out.push_back(if self.told {
            FeedEvent::Commit {
                position: end_lsn,
                committed_at: at,
            }
        } else {
            FeedEvent::Idle {
                position: end_lsn,
                as_of,
            }
        });
    }

    /// The server has read and sent all of its log up to a place. That says nothing of the time:
    /// it may be reading an old part of the log right now, so the time stays that of the last
    /// commit, which the heartbeat moves.
    pub fn keepalive(&self, position: u64, out: &mut VecDeque<FeedEvent>) {
        if let (false, Some(as_of)) = (self.open, self.as_of) {
            out.push_back(FeedEvent::Idle { position, as_of });
        }
    }

    /// Takes one message that is no beginning and no end of a transaction.
    ///
    /// Fails with `Setup` where the stream cannot be understood or a needed column is missing;
    /// nothing may be told after that but by a new connection.
    pub fn message(
        &mut self,
        bytes: &[u8],
        now: Timestamp,
        out: &mut VecDeque<FeedEvent>,
    ) -> Result<(), FeedError> {
        let message = Message::decode(bytes).map_err(|malformed| {
            setup(format!(
                "{malformed}; is something between turngraph and PostgreSQL that changes the \
                 stream?"
            ))
        })?;
        match message {
            Message::Relation(relation) => self.bind(&relation),
            Message::Insert { relation, new } => {
                self.row(relation, Operation::Insert, (new, None), (now, out))
            }
            Message::Update { relation, old, new } => {
                let old = old.map(Old::tuple);
                self.row(relation, Operation::Update, (new, old), (now, out))
            }
            Message::Delete { relation, old } => self.deleted(relation, old.tuple()),
            Message::Truncate { relations } => {
                for id in relations.ids() {
                    let suspect = self.known(id)?.table.and_then(rows::truncated);
                    if let Some(suspect) = suspect {
                        self.tell(FeedEvent::Change(suspect), out);
                    }
                }
                Ok(())
            }
            Message::Begin { .. } => {
                self.begin();
                Ok(())
            }
            Message::Commit {
                end_lsn,
                commit_time,
                ..
            } => {
                self.commit(end_lsn, commit_time, out);
                Ok(())
            }
            Message::Type { .. } | Message::Origin { .. } | Message::Logical { .. } => Ok(()),
        }
    }

    fn tell(&mut self, event: FeedEvent, out: &mut VecDeque<FeedEvent>) {
        self.counts.told += 1;
        self.told = true;
        out.push_back(event);
    }

    fn known(&self, relation: u32) -> Result<&Bound, FeedError> {
        self.tables.get(&relation).ok_or_else(|| {
            setup(format!(
                "the server told a row of table {relation} without describing the table before"
            ))
        })
    }

    /// Binds a table's columns by name. Stops where one is missing that is needed: rows would be
    /// told wrong without it.
    fn bind(&mut self, relation: &Relation<'_>) -> Result<(), FeedError> {
        let name = String::from_utf8_lossy(relation.name);
        let table = Table::from_name(&name);
        let names: Vec<_> = relation
            .columns()
            .map(|column| String::from_utf8_lossy(column.name))
            .collect();
        let mut places = Vec::new();
        if let Some(table) = table {
            let missing = table.missing(names.iter().map(AsRef::as_ref));
            if !missing.is_empty() {
                return Err(setup(format!(
                    "table {}.{name} has no column `{}`, or the publication leaves it out; bring \
                     it back under its name (`turngraph migrate plan` says how), the feed goes on \
                     from there",
                    String::from_utf8_lossy(relation.namespace),
                    missing.join("`, `"),
                )));
            }
            places = names
                .iter()
                .map(|name| table.place(name).and_then(|place| u8::try_from(place).ok()))
                .collect();
        }
        if self.tables.len() >= TABLES_MAX {
            self.tables.clear();
        }
        self.tables.insert(relation.id, Bound { table, places });
        Ok(())
    }

    fn deleted(&mut self, relation: u32, old: Tuple<'_>) -> Result<(), FeedError> {
        let bound = self.known(relation)?;
        let Some(table) = bound.table else {
            return Ok(());
        };
        let row = bound.row(table, Operation::Update, old)?;
        self.deletes.deleted(table, key_of(&row));
        Ok(())
    }

    fn row(
        &mut self,
        relation: u32,
        operation: Operation,
        (new, old): (Tuple<'_>, Option<Tuple<'_>>),
        (now, out): (Timestamp, &mut VecDeque<FeedEvent>),
    ) -> Result<(), FeedError> {
        let bound = self.known(relation)?;
        let Some(table) = bound.table else {
            self.counts.ignored += 1;
            return Ok(());
        };
        let mut row = bound.row(table, operation, new)?;
        if let Some(old) = old {
            let old = bound.row(table, operation, old)?;
            row.complete(&old);
            if !row.same_key(&old) {
                // The row is gone under its old key.
                self.deletes.deleted(table, key_of(&old));
            }
        }
        match rows::event(&row, now) {
            Mapped::Event(event) => {
                if let FeedEvent::Change(Change::Purge(purge)) = &event {
                    self.deletes.purged(purge);
                }
                self.tell(event, out);
            }
            Mapped::Skipped(Skipped::Unaddressed) => self.counts.unaddressed += 1,
            Mapped::Skipped(Skipped::Told) => self.counts.ignored += 1,
        }
        Ok(())
    }
}

/// The key of a row of the four given tables; of a step that of its turn.
fn key_of<'a>(row: &Row<'a>) -> &'a str {
    match row.value(0) {
        Value::Text(uid) => uid,
        Value::Garbled | Value::Null | Value::Unchanged => "(a key that cannot be read)",
    }
}

impl Bound {
    fn row<'a>(
        &self,
        table: Table,
        operation: Operation,
        tuple: Tuple<'a>,
    ) -> Result<Row<'a>, FeedError> {
        let values = tuple.values();
        if values.len() != self.places.len() {
            return Err(setup(format!(
                "the server told {} values of a row of {}, which has {} columns",
                values.len(),
                table.name(),
                self.places.len()
            )));
        }
        let mut row = Row::new(table, operation);
        for (place, value) in self.places.iter().zip(values) {
            let Some(place) = place else { continue };
            let value = match value {
                Datum::Null => Value::Null,
                Datum::Unchanged => Value::Unchanged,
                Datum::Text(text) => match std::str::from_utf8(text) {
                    Ok(text) => Value::Text(text),
                    Err(_) => Value::Garbled,
                },
                Datum::Binary(_) => Value::Garbled,
            };
            row.set(usize::from(*place), value);
        }
        Ok(row)
    }
}
