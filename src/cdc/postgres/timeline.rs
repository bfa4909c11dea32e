//! Who the server is, and whether its history may follow what was read before.
//!
//! A promoted standby goes on with a timeline of its own from the place up to which it had the log
//! of the old one. What was read of the old log beyond that place never happened on the new. Where
//! the fork was says the `.history` file that a promotion writes.

use std::time::Duration;

use pgwire_replication::ReplicationClient;
use sqlx::postgres::PgConnection;

use super::Start;
use super::failure::{gap, of_statement, of_stream, retry};
use crate::cdc::FeedError;
use crate::domain::Position;

/// Longest time between two answers to the server.
const FEEDBACK: Duration = Duration::from_secs(1);

/// Who the server is and how far its log goes.
pub(super) struct Server {
    pub(super) system: u64,
    pub(super) timeline: u32,
    here: u64,
    /// Time between two answers to it.
    pub(super) feedback: Duration,
    pub(super) version: i32,
}

/// Its columns are those of the record store's positions, so that both name the server alike.
const SERVER: &str = "select (select system_identifier from pg_control_system()),
    substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
    (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint,
    (select setting::bigint from pg_settings where name = 'wal_sender_timeout'),
    current_setting('server_version_num')::int";

impl Server {
    pub(super) async fn read(connection: &mut PgConnection, role: &str) -> Result<Self, FeedError> {
        let failed = |error| of_statement(error, "read who the server is", role);
        let (system, timeline, here, timeout, version): (i64, String, i64, i64, i32) =
            sqlx::query_as(SERVER)
                .fetch_one(connection)
                .await
                .map_err(failed)?;
        let timeline = u32::from_str_radix(&timeline, 16)
            .map_err(|_| retry("the server's timeline cannot be read"))?;
        // A third of the server's patience (0 is endless), so that two answers may be late; and
        // often enough for the slot to show where the reader is.
        let patience = Duration::from_millis(timeout.unsigned_abs()) / 3;
        let feedback = if patience.is_zero() {
            FEEDBACK
        } else {
            patience
        };
        Ok(Self {
            system: system.cast_unsigned(),
            timeline,
            here: here.cast_unsigned(),
            feedback: feedback.clamp(Duration::from_millis(50), FEEDBACK),
            version,
        })
    }

    /// Its name in positions.
    pub(super) fn store(&self) -> String {
        format!("{}.{}", self.system, self.timeline)
    }

    /// What the stream is to what was read before, if it may follow it.
    pub(super) async fn follows(
        &self,
        before: &Position,
        (client, role): (&mut ReplicationClient, &str),
    ) -> Result<Start, FeedError> {
        let rebuild = "projections must be rebuilt (`turngraph rebuild`)";
        let (system, timeline) = before.store.split_once('.').unwrap_or((&before.store, ""));
        if system != self.system.to_string() {
            return Err(gap(format!(
                "this is another database cluster (system identifier {}) than the one that was \
                 read before ({system}); {rebuild}",
                self.system
            )));
        }
        if before.value > self.here {
            return Err(gap(format!(
                "the server's log ends at {}, before {}, which was read already: it was restored \
                 from a backup; {rebuild}",
                shown(self.here),
                shown(before.value)
            )));
        }
        if timeline == self.timeline.to_string() {
            return Ok(Start::Resumed);
        }
        let history = client
            .timeline_history(self.timeline)
            .await
            .map_err(|error| of_stream(error, role))?;
        let left = timeline
            .parse()
            .ok()
            .and_then(|timeline| left_at(&history.content, self.timeline, timeline));
        match left {
            Some(left) if before.value <= left => Ok(Start::Promoted),
            Some(left) => Err(gap(format!(
                "a standby was promoted at {}, but changes up to {} had been read from the server \
                 before: those in between never happened on this one; {rebuild}",
                shown(left),
                shown(before.value)
            ))),
            None => Err(gap(format!(
                "timeline {timeline}, which was read before, is no part of the history of this \
                 server (timeline {}); {rebuild}",
                self.timeline
            ))),
        }
    }
}

/// The place at which the history left `timeline`; none where `timeline` is no part of it, and
/// `u64::MAX` where it never left it.
pub(super) fn left_at(history: &[u8], current: u32, timeline: u32) -> Option<u64> {
    if timeline == current {
        return Some(u64::MAX);
    }
    let text = String::from_utf8_lossy(history);
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let of: u32 = words.next()?.parse().ok()?;
        (of == timeline).then(|| words.next().and_then(parse_lsn))?
    })
}

/// Reads `16/B374D848`.
pub(super) fn parse_lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let part = |hex| u32::from_str_radix(hex, 16).ok().map(u64::from);
    Some(part(high)? << 32 | part(low)?)
}

/// A position as the server writes it.
pub(super) fn shown(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_where_a_timeline_was_left_is_found() {
        let history =
            b"1\t0/3000000\tno recovery target specified\n\n# a note\n2\t1/A0\tbefore x\n";
        assert_eq!(left_at(history, 3, 1), Some(0x300_0000));
        assert_eq!(left_at(history, 3, 2), Some(0x1_0000_00A0));
        assert_eq!(left_at(history, 3, 3), Some(u64::MAX));
        assert_eq!(left_at(history, 3, 7), None);
        assert_eq!(left_at(&[0xff, b'\n', b'1'], 3, 1), None);
        assert_eq!(shown(0x1_0000_00A0), "1/A0");
        assert_eq!(parse_lsn("16/b374d848"), Some(0x16_B374_D848));
        assert_eq!(parse_lsn("x"), None);
    }
}
