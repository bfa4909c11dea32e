//! How values are written in CQL: the sentinels that stand for null, since a null written to CQL is
//! a tombstone, and the places of rows among the partitions.
//!
//! Two programs that write one row at one version must write the same bytes. So whoever changes
//! what this file or `values` makes of a row raises [`ENCODING`]; see `cql/README.md`.

use crate::domain::{ForkOrigin, Timestamp, TurnStatus, Uid};
use crate::stores::projection::BUCKET_TURNS;

/// Number of the form that this program writes.
pub(super) const ENCODING: i32 = 1;

/// `kind` of a human turn, an agent turn, and of a turn that was deleted for good.
pub(super) const HUMAN: i8 = 1;
pub(super) const AGENT: i8 = 2;
pub(super) const GRAVE: i8 = 9;

/// Place of a prompt among the bodies of its turn. Steps of other programs may have negative
/// places, so the lowest of all is taken.
pub(super) const PROMPT_IDX: i32 = i32::MIN;

/// No time.
pub(super) const NEVER: i64 = i64::MIN;

/// No text is empty; a text that is there has this before it, so that an empty one is another.
const PRESENT: char = '=';

pub(super) fn text(value: Option<&str>) -> String {
    value.map_or_else(String::new, |text| format!("{PRESENT}{text}"))
}

/// The reverse of [`text`]; `Err` for what it never makes.
pub(super) fn text_back(stored: &str) -> Result<Option<Box<str>>, ()> {
    match stored.strip_prefix(PRESENT) {
        Some(text) => Ok(Some(text.into())),
        None if stored.is_empty() => Ok(None),
        None => Err(()),
    }
}

/// A key is never empty, so none is the empty text.
pub(super) fn key(value: Option<&Uid>) -> &str {
    value.map_or("", Uid::as_str)
}

pub(super) fn key_back(stored: &str) -> Option<Uid> {
    (!stored.is_empty()).then(|| Uid::stored(stored))
}

pub(super) fn time(value: Option<Timestamp>) -> i64 {
    value.map_or(NEVER, |at| at.0)
}

pub(super) fn time_back(stored: i64) -> Option<Timestamp> {
    (stored != NEVER).then_some(Timestamp(stored))
}

pub(super) fn vote(value: Option<bool>) -> i8 {
    match value {
        None => 0,
        Some(true) => 1,
        Some(false) => 2,
    }
}

pub(super) fn vote_back(stored: i8) -> Result<Option<bool>, ()> {
    match stored {
        0 => Ok(None),
        1 => Ok(Some(true)),
        2 => Ok(Some(false)),
        _ => Err(()),
    }
}

pub(super) fn status(value: Option<TurnStatus>) -> i8 {
    match value {
        None => 0,
        Some(TurnStatus::Streaming) => 1,
        Some(TurnStatus::Complete) => 2,
        Some(TurnStatus::Failed) => 3,
        Some(TurnStatus::Cancelled) => 4,
    }
}

pub(super) fn status_back(stored: i8) -> Result<Option<TurnStatus>, ()> {
    match stored {
        0 => Ok(None),
        1 => Ok(Some(TurnStatus::Streaming)),
        2 => Ok(Some(TurnStatus::Complete)),
        3 => Ok(Some(TurnStatus::Failed)),
        4 => Ok(Some(TurnStatus::Cancelled)),
        _ => Err(()),
    }
}

pub(super) fn fork(value: Option<&ForkOrigin>) -> String {
    value.map_or_else(String::new, |origin| {
        serde_json::to_string(origin).expect("two keys and a time are JSON")
    })
}

pub(super) fn fork_back(stored: &str) -> Result<Option<ForkOrigin>, ()> {
    match stored {
        "" => Ok(None),
        json => serde_json::from_str(json).map(Some).map_err(drop),
    }
}

/// Partition of the bodies of a turn.
pub(super) fn bucket(seq: i32) -> i32 {
    seq.div_euclid(BUCKET_TURNS)
}

/// Months since the year 0 of a creation time; ascends with it.
pub(super) fn month(at: Timestamp) -> i32 {
    use chrono::Datelike;
    let date = at.to_datetime();
    date.year() * 12 + i32::try_from(date.month0()).expect("a year has 12 months")
}

#[cfg(test)]
mod tests;
