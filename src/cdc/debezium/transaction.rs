//! A transaction that is being told: which of its events have come, and whether all have.

use crate::domain::Timestamp;

/// A place up to which everything was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Log sequence number.
    pub position: u64,
    /// When the connector says that this was committed, to the millisecond.
    pub at: Timestamp,
}

/// See the file.
#[derive(Debug)]
pub(super) struct Open {
    txid: Box<str>,
    /// The highest number of an event, where each one below has come.
    events: u64,
    /// Messages that could not be read and may have been its events.
    unreadable: u64,
    /// When it was committed.
    pub(super) at: Option<Timestamp>,
    /// Whether anything of it was told.
    pub(super) told: bool,
}

impl Open {
    pub(super) fn new(txid: &str) -> Self {
        Self {
            txid: txid.into(),
            events: 0,
            unreadable: 0,
            at: None,
            told: false,
        }
    }

    pub(super) fn is(&self, txid: &str) -> bool {
        *self.txid == *txid
    }

    /// It begins once more: its events are counted from the first.
    pub(super) fn again(&mut self) {
        self.events = 0;
    }

    /// A message came that cannot be read.
    pub(super) fn garbled(&mut self) {
        self.unreadable += 1;
    }

    /// An event came; false when one before it did not. Those that come again have old numbers.
    pub(super) fn event(&mut self, order: u64) -> bool {
        let follows = order <= self.events.saturating_add(1 + self.unreadable);
        if follows {
            self.events = self.events.max(order);
        }
        follows
    }

    /// How many of its events have not come.
    pub(super) fn missing(&self, events: u64) -> u64 {
        events.saturating_sub(self.events + self.unreadable)
    }
}
