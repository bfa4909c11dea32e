//! `Flights`: of several readers that miss the same session at once, one reads it and the others
//! take its answer. A reader that goes away leaves nobody waiting.
//!
//! Only readers whose misses told the same generation share a read: so nothing of the session was
//! changed since the read began that the reader may know of, and the answer may be entered into
//! the cache as if it were its own. A reader that came after a write has another generation and
//! reads by itself.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use super::{Loaded, Want};
use crate::domain::Uid;
use crate::reads::ReadErrorKind;
use crate::stores::cache::Generation;

/// What is read: answers differ by account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::reads) struct Key {
    pub(super) account: Uid,
    pub(super) session: Uid,
    pub(super) want: Want,
    pub(super) generation: Generation,
}

type Answer = Result<Option<Loaded>, ReadErrorKind>;
type Board = Mutex<HashMap<Key, watch::Receiver<Option<Answer>>>>;

/// The reads under way.
#[derive(Default)]
pub(in crate::reads) struct Flights(Board);

/// The keys that the caller reads; dropping it without an answer sets the others free.
pub(super) struct Lead<'a> {
    board: &'a Board,
    seats: Vec<(Key, watch::Sender<Option<Answer>>)>,
}

/// A read of another caller.
pub(super) struct Flight(watch::Receiver<Option<Answer>>);

impl Flights {
    /// Divides keys into those that the caller must read and those that another one reads.
    pub(super) fn board(&self, keys: impl Iterator<Item = Key>) -> (Lead<'_>, Vec<(Key, Flight)>) {
        let mut lead = Lead {
            board: &self.0,
            seats: Vec::new(),
        };
        let mut followed = Vec::new();
        let mut open = self.0.lock().expect("the board is kept without panic");
        for key in keys {
            if let Some(flight) = open.get(&key) {
                followed.push((key, Flight(flight.clone())));
            } else {
                let (sender, receiver) = watch::channel(None);
                open.insert(key.clone(), receiver);
                lead.seats.push((key, sender));
            }
        }
        (lead, followed)
    }
}

impl Lead<'_> {
    pub(super) fn sessions(&self) -> impl Iterator<Item = &Uid> {
        self.seats.iter().map(|(key, _)| &key.session)
    }

    /// Gives the answers to whoever waits.
    pub(super) fn land(self, read: &Result<HashMap<Uid, Loaded>, ReadErrorKind>) {
        for (key, sender) in &self.seats {
            let answer = match read {
                Ok(found) => Ok(found.get(&key.session).cloned()),
                Err(kind) => Err(*kind),
            };
            sender.send_replace(Some(answer));
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut open = self.board.lock().expect("the board is kept without panic");
        for (key, _) in &self.seats {
            open.remove(key);
        }
    }
}

impl Flight {
    /// The other's answer; `None` when it went away or takes too long.
    pub(super) async fn landed(mut self, wait: Duration) -> Option<Answer> {
        let landed = tokio::time::timeout(wait, self.0.wait_for(Option::is_some)).await;
        landed.ok()?.ok()?.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: &str) -> Key {
        Key {
            account: Uid::stored("a"),
            session: Uid::stored(session),
            want: Want::Row,
            generation: Generation(1),
        }
    }

    #[tokio::test]
    async fn one_reads_and_the_others_get_its_answer_or_are_set_free() {
        let flights = Flights::default();
        let (lead, none) = flights.board(["x", "y"].map(key).into_iter());
        assert!(none.is_empty());
        let (mine, mut followed) = flights.board(["y", "z"].map(key).into_iter());
        let uids: Vec<_> = mine.sessions().map(Uid::as_str).collect();
        assert_eq!((uids, followed.len()), (vec!["z"], 1));
        lead.land(&Err(ReadErrorKind::Timeout));
        let (_, flight) = followed.remove(0);
        let landed = flight.landed(Duration::from_secs(9)).await.unwrap();
        assert_eq!(landed.err(), Some(ReadErrorKind::Timeout));

        let (none, mut followed) = flights.board([key("z")].into_iter());
        assert_eq!(none.sessions().count(), 0);
        drop(mine);
        let (_, flight) = followed.remove(0);
        assert!(flight.landed(Duration::from_secs(9)).await.is_none());
        let (again, _) = flights.board(["x", "y", "z"].map(key).into_iter());
        assert_eq!(again.sessions().count(), 3, "nothing is left on the board");
        let after_a_write = Key {
            generation: Generation(2),
            ..key("x")
        };
        let (own, none) = flights.board([after_a_write].into_iter());
        assert_eq!((own.sessions().count(), none.len()), (1, 0));
    }
}
