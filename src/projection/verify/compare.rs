//! Judges the difference of a session between the record store and a projection, without false
//! alarms while both change. Pure.
//!
//! The record is read (`before`), the projector is waited for until it has come that far, the
//! projection is read, and the record is read once more (`after`). Then every row of the projection
//! must be at least as new as `before` and at most as new as `after`.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::image::{Image, Key, Seen};

/// What is wrong with a row of a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The record store has it, the projection has not.
    Missing,
    /// The projection has it, the record store has not.
    Extra,
    /// Older than it was when the projector had already passed it.
    Stale,
    /// The same version with other values.
    Different,
    /// Newer than the record store: the record was restored from a backup, or the row was written
    /// by somebody else.
    Ahead,
    /// A number has neither a turn nor a grave.
    Gap,
    /// Not in its account's list, or listed with another state.
    Unlisted,
}

/// For people.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Extra => "not in the record store",
            Self::Stale => "older than it should be",
            Self::Different => "the same version with other values",
            Self::Ahead => "newer than the record store",
            Self::Gap => "neither a turn nor a grave",
            Self::Unlisted => "not listed as it should be",
        })
    }
}

/// Three readings of one session.
pub(super) struct Readings<'a> {
    pub(super) before: &'a Image,
    pub(super) projection: &'a Image,
    pub(super) after: &'a Image,
    /// The projector had passed `before` when the projection was read.
    pub(super) settled: bool,
}

/// What came out of a comparison.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Judgement {
    pub(super) faults: BTreeSet<(Key, Fault)>,
    /// Rows that the projector has not reached; nothing can be said of them.
    pub(super) behind: u64,
}

/// Judges all rows.
pub(super) fn judge(readings: &Readings<'_>) -> Judgement {
    let Readings {
        before,
        projection,
        after,
        settled,
    } = readings;
    let mut judgement = Judgement::default();
    let keys: BTreeSet<Key> = [before, projection, after]
        .into_iter()
        .flat_map(|image| image.rows.keys().copied())
        .collect();
    for key in keys {
        let of = |image: &Image| image.rows.get(&key).copied();
        match fault(of(before), of(projection), of(after)) {
            None => {}
            Some(Fault::Missing | Fault::Stale | Fault::Extra) if !settled => judgement.behind += 1,
            Some(fault) => {
                judgement.faults.insert((key, fault));
            }
        }
    }
    let as_long = |image: &Image| image.session.as_ref().map(|row| row.next_seq);
    // Numbers given after `before` was read may be on their way.
    if *settled && !projection.complete && as_long(projection) <= as_long(before) {
        judgement.faults.insert((Key::Header, Fault::Gap));
    }
    judgement
}

fn fault(before: Option<Seen>, projection: Option<Seen>, after: Option<Seen>) -> Option<Fault> {
    let Some(seen) = projection else {
        // A row that was there all the time must have arrived.
        return before.and(after).map(|_| Fault::Missing);
    };
    let Some(after) = after else {
        return Some(Fault::Extra);
    };
    if seen.rev == after.rev {
        return (seen.hash != after.hash).then_some(Fault::Different);
    }
    if seen.rev > after.rev {
        return Some(Fault::Ahead);
    }
    let Some(before) = before else {
        // It was made in between, and is at one of its first versions.
        return None;
    };
    if seen.rev < before.rev {
        return Some(Fault::Stale);
    }
    (seen.rev == before.rev && seen.hash != before.hash).then_some(Fault::Different)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(rev: i64, hash: u64) -> Option<Seen> {
        Some(Seen { rev, hash })
    }

    #[test]
    fn a_row_must_lie_between_the_two_readings_of_the_record() {
        let (old, new) = (seen(5, 50), seen(9, 90));
        for fine in [old, new, seen(7, 70)] {
            assert_eq!(fault(old, fine, new), None, "{fine:?}");
        }
        assert_eq!(fault(old, seen(4, 40), new), Some(Fault::Stale));
        assert_eq!(fault(old, seen(5, 51), new), Some(Fault::Different));
        assert_eq!(fault(old, seen(9, 91), new), Some(Fault::Different));
        assert_eq!(fault(old, seen(10, 1), new), Some(Fault::Ahead));
        assert_eq!(fault(old, None, new), Some(Fault::Missing));
    }

    #[test]
    fn rows_that_came_or_went_in_between_are_no_faults() {
        let row = seen(5, 50);
        assert_eq!(fault(None, None, row), None);
        assert_eq!(fault(None, row, row), None);
        assert_eq!(fault(row, None, None), None);
        // It may have gone after the projection was read: the next round tells.
        assert_eq!(fault(row, row, None), Some(Fault::Extra));
    }

    #[test]
    fn behind_is_not_wrong() {
        let image = |rev| Image {
            rows: [(Key::Header, Seen { rev, hash: 0 })].into(),
            session: None,
            complete: true,
        };
        let (record, copy) = (image(5), image(4));
        let judged = |settled| {
            judge(&Readings {
                before: &record,
                projection: &copy,
                after: &record,
                settled,
            })
        };
        assert_eq!((judged(false).faults.len(), judged(false).behind), (0, 1));
        assert!(judged(true).faults.contains(&(Key::Header, Fault::Stale)));
    }
}
