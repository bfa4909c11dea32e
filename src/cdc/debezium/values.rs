//! Rows in JSON: from the columns of an envelope to what the row amounts to.
//!
//! Values come as the connector's JSON converter writes them: numbers and booleans as such, text
//! and JSON as strings, instants as ISO 8601 (`io.debezium.time.ZonedTimestamp`), infinities by
//! name, and a placeholder for what the log does not repeat.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::envelope::payload;
use crate::cdc::FeedEvent;
use crate::cdc::rows::{self, Mapped, Operation, Row, Table, Value};
use crate::domain::{Timestamp, Uid};

/// The columns of a row, in the order of the message.
pub(super) struct Columns<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Columns<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Columns<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((Text(name), value)) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Columns(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value of which the text is at hand.
enum Cell<'a> {
    Null,
    Unchanged,
    Garbled,
    Text(Cow<'a, str>),
}

impl Cell<'_> {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Unchanged => Value::Unchanged,
            Self::Garbled => Value::Garbled,
            Self::Text(text) => Value::Text(text),
        }
    }
}

/// What to know beside the row itself.
#[derive(Clone, Copy)]
pub(super) struct Reading<'r> {
    /// Stands for a value that the log did not repeat; none where every value is known.
    pub(super) placeholder: Option<&'r str>,
    /// The present.
    pub(super) now: Timestamp,
}

impl<'a> Columns<'a> {
    /// Reads a row; `None` when it is none.
    pub(super) fn parse(json: &'a RawValue) -> Option<Self> {
        serde_json::from_str(json.get()).ok()
    }

    /// A value as text; `None` where it is not there, null, or no text.
    pub(super) fn text(&self, column: &str) -> Option<Cow<'a, str>> {
        let (_, value) = self.0.iter().find(|(name, _)| name == column)?;
        match cell(column, value, None) {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What the row amounts to, and whether a value of it was not repeated.
    pub(super) fn event(
        &self,
        (table, operation): (Table, Operation),
        reading: Reading<'_>,
    ) -> (Mapped, bool) {
        let missing = table.missing(self.0.iter().map(|(name, _)| name.as_ref()));
        if !missing.is_empty() {
            return (self.incomplete(table, &missing), false);
        }
        let cells: Vec<(usize, Cell<'_>)> = self
            .0
            .iter()
            .filter_map(|(name, value)| {
                let place = table.place(name)?;
                Some((place, cell(name, value, reading.placeholder)))
            })
            .collect();
        let mut row = Row::new(table, operation);
        for (place, cell) in &cells {
            row.set(*place, cell.value());
        }
        let absent = cells
            .iter()
            .any(|(_, cell)| matches!(cell, Cell::Unchanged));
        (rows::event(&row, reading.now), absent)
    }

    /// A row without a column that is needed. Messages stay as they are, so there is nothing to
    /// wait for: the row is put aside, and read from the record store.
    fn incomplete(&self, table: Table, missing: &[&str]) -> Mapped {
        let (key, session) = match table {
            Table::Sessions => ("uid", "uid"),
            Table::Steps => ("agent_turn_uid", "session_uid"),
            Table::ProjectionJobs => ("session_uid", "session_uid"),
            Table::HumanTurns | Table::AgentTurns | Table::PurgeLog => ("uid", "session_uid"),
        };
        let key = self.text(key).unwrap_or(Cow::Borrowed("?"));
        let session = self.text(session).filter(|uid| !uid.is_empty());
        Mapped::Event(FeedEvent::Unreadable {
            session_uid: session.map(|uid| Uid::stored(&*uid)),
            row: format!("{} {}", table.name(), shortened(&key)),
            problem: format!(
                "the message has no column `{}`; was it renamed, or left out by the connector \
                 (column.include.list, column.exclude.list) or a transformation?",
                missing.join("`, `")
            ),
        })
    }
}

/// Key of a row that went (of a step that of its turn): from the row as it was, or else from the
/// message's key.
pub(super) fn deleted_uid(table: Table, before: Option<&RawValue>, key: Option<&[u8]>) -> String {
    let column = match table {
        Table::Steps => "agent_turn_uid",
        _ => "uid",
    };
    let of = |json: &RawValue| Columns::parse(json)?.text(column).map(Cow::into_owned);
    before
        .and_then(of)
        .or_else(|| {
            let key = payload(key?).ok()?;
            of(serde_json::from_str(key).ok()?)
        })
        .unwrap_or_else(|| "(a key that cannot be read)".to_owned())
}

fn shortened(key: &str) -> Cow<'_, str> {
    match key.char_indices().nth(200) {
        Some((end, _)) => Cow::Borrowed(&key[..end]),
        None => Cow::Borrowed(key),
    }
}

fn cell<'a>(column: &str, json: &'a RawValue, placeholder: Option<&str>) -> Cell<'a> {
    let json = json.get();
    if json == "null" {
        return Cell::Null;
    }
    if !json.starts_with('"') {
        // A number or a boolean; what else it may be is refused by the column's type.
        return Cell::Text(Cow::Borrowed(json));
    }
    match serde_json::from_str::<Text<'a>>(json) {
        Err(_) => Cell::Garbled,
        Ok(Text(text)) if placeholder == Some(&*text) => Cell::Unchanged,
        Ok(Text(text)) if column.ends_with("_at") => Cell::Text(before_christ(text)),
        Ok(Text(text)) => Cell::Text(text),
    }
}

/// ISO 8601 counts years before Christ from 0 downwards, PostgreSQL from 1 upwards.
fn before_christ(text: Cow<'_, str>) -> Cow<'_, str> {
    let year = text
        .strip_prefix('-')
        .and_then(|rest| rest.split_once('-'))
        .and_then(|(year, rest)| Some((year.parse::<u32>().ok()?.checked_add(1)?, rest)));
    match year {
        Some((year, rest)) => Cow::Owned(format!("{year:04}-{rest} BC")),
        None => text,
    }
}
