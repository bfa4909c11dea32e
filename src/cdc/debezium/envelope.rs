//! `Message`: one message of the connector's topic, with or without its schema around it.
//!
//! Reads the parts that the feed needs and leaves rows as JSON text. Bytes of any kind are read or
//! refused with words that hold none of them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::Timestamp;

/// A message as it lies in the topic.
#[derive(Debug, Clone, Copy)]
pub struct RawMessage<'a> {
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none for a tombstone.
    pub value: Option<&'a [u8]>,
    /// Whether it has a header `__debezium.oldkey`: the row is there under a new key.
    pub has_old_key: bool,
    /// Number of the message in its topic.
    pub offset: i64,
}

/// A message.
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// A transaction begins.
    Begin {
        /// Its number.
        txid: &'a str,
    },
    /// A transaction has been told.
    End(End<'a>),
    /// A row, a truncation, or a message in the log.
    Data(Box<Data<'a>>),
    /// A heartbeat of the connector, or a tombstone.
    Nothing,
}

/// The end of a transaction.
#[derive(Debug)]
pub(super) struct End<'a> {
    /// Its number.
    pub(super) txid: &'a str,
    /// Log sequence number behind its commit.
    pub(super) position: u64,
    /// How many events it has.
    pub(super) events: u64,
    /// When it was committed, to the millisecond.
    pub(super) at: Timestamp,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Create,
    Update,
    Delete,
    Truncate,
    /// A row as a snapshot found it.
    Read,
    /// `pg_logical_emit_message`
    Logical,
}

/// Where the event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Snapshot {
    /// From the log.
    No,
    /// From a snapshot.
    Yes,
    /// From a snapshot, whose last event it is.
    Last,
}

/// An event with its place.
#[derive(Debug)]
pub(super) struct Data<'a> {
    pub(super) op: Op,
    pub(super) table: Cow<'a, str>,
    pub(super) snapshot: Snapshot,
    /// Log sequence number of the event itself.
    pub(super) position: Option<u64>,
    /// Log sequence number behind the commit before its transaction; an inner none where the
    /// connector knows of no commit, because it began anew.
    pub(super) after_commit: Option<Option<u64>>,
    /// When its transaction was committed.
    pub(super) at: Option<Timestamp>,
    /// Number of the transaction, and of the event in it.
    pub(super) transaction: Option<(Cow<'a, str>, u64)>,
    pub(super) before: Option<&'a RawValue>,
    pub(super) after: Option<&'a RawValue>,
}

/// Why a message cannot be read, without anything of it.
pub(super) type Malformed = &'static str;

#[derive(Deserialize)]
struct WithSchema<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Flat<'a> {
    #[serde(borrow)]
    op: Option<&'a str>,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<Source<'a>>,
    #[serde(borrow)]
    transaction: Option<Place<'a>>,
    #[serde(borrow)]
    status: Option<&'a str>,
    #[serde(borrow)]
    id: Option<&'a str>,
    event_count: Option<u64>,
    ts_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    connector: Option<Cow<'a, str>>,
    #[serde(borrow)]
    table: Option<Cow<'a, str>>,
    /// A text; older connectors write `true` and `false`.
    snapshot: Option<serde_json::Value>,
    lsn: Option<u64>,
    ts_us: Option<i64>,
    ts_ms: Option<i64>,
    sequence: Option<String>,
}

#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    total_order: u64,
}

/// The part of a message or of its key that is not schema.
pub(super) fn payload(text: &[u8]) -> Result<&str, Malformed> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
    let outer: WithSchema<'_> = serde_json::from_str(text).map_err(|_| "it is no JSON object")?;
    Ok(match (outer.schema, outer.payload) {
        (Some(_), Some(payload)) => payload.get(),
        _ => text,
    })
}

impl<'a> Message<'a> {
    /// Reads a message.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let text = payload(bytes)?;
        if text == "null" {
            return Ok(Self::Nothing);
        }
        let flat: Flat<'a> = serde_json::from_str(text)
            .map_err(|_| "it is no envelope of Debezium: a field has another type")?;
        match (flat.op, flat.status) {
            (Some(_), _) => Ok(Self::Data(Box::new(data(flat)?))),
            (None, Some("BEGIN")) => {
                let id = flat.id.ok_or("a transaction begins without `id`")?;
                Ok(Self::Begin { txid: txid(id) })
            }
            (None, Some("END")) => Ok(Self::End(end(&flat)?)),
            (None, Some(_)) => Err("its `status` is neither BEGIN nor END"),
            (None, None) if flat.ts_ms.is_some() => Ok(Self::Nothing),
            (None, None) => Err(
                "it has no `op`: is it an envelope of Debezium, not changed by a transformation?",
            ),
        }
    }
}

/// `822:23071576` is transaction 822, at a place that is another in each of its messages.
pub(super) fn txid(id: &str) -> &str {
    id.split_once(':').map_or(id, |(txid, _)| txid)
}

fn end<'a>(flat: &Flat<'a>) -> Result<End<'a>, Malformed> {
    let id = flat.id.ok_or("a transaction ends without `id`")?;
    let (txid, position) = id
        .split_once(':')
        .and_then(|(txid, position)| Some((txid, position.parse().ok()?)))
        .ok_or("the `id` of a transaction is not `number:position`")?;
    Ok(End {
        txid,
        position,
        events: flat.event_count.ok_or("it has no `event_count`")?,
        at: millis(flat.ts_ms.ok_or("it has no `ts_ms`")?),
    })
}

fn millis(ms: i64) -> Timestamp {
    Timestamp(ms.saturating_mul(1_000))
}

fn data(flat: Flat<'_>) -> Result<Data<'_>, Malformed> {
    let source = flat.source.ok_or("it has no `source`")?;
    if source.connector.as_deref() != Some("postgresql") {
        return Err("its `source` is not the connector for PostgreSQL");
    }
    let op = match flat.op {
        Some("c") => Op::Create,
        Some("u") => Op::Update,
        Some("d") => Op::Delete,
        Some("t") => Op::Truncate,
        Some("r") => Op::Read,
        Some("m") => Op::Logical,
        _ => return Err("its `op` is none that is known"),
    };
    let snapshot = match &source.snapshot {
        None | Some(serde_json::Value::Null | serde_json::Value::Bool(false)) => Snapshot::No,
        Some(serde_json::Value::String(text)) if text == "false" => Snapshot::No,
        Some(serde_json::Value::String(text)) if text == "last" => Snapshot::Last,
        Some(_) => Snapshot::Yes,
    };
    let after_commit = source.sequence.as_deref().and_then(|sequence| {
        let (commit, _) =
            serde_json::from_str::<(Option<String>, Option<String>)>(sequence).ok()?;
        commit
            .map(|commit| commit.parse().ok())
            .map_or(Some(None), |c| c.map(Some))
    });
    Ok(Data {
        op,
        table: source.table.unwrap_or_default(),
        snapshot,
        position: source.lsn,
        after_commit,
        at: source.ts_us.map(Timestamp).or(source.ts_ms.map(millis)),
        transaction: flat.transaction.map(|place| (place.id, place.total_order)),
        before: flat.before,
        after: flat.after,
    })
}
