//! `Tracker`: which transactions are applied in full, and so how far the projections have come.
//!
//! Changes of a transaction go through several lanes and are done in any order. The low-water mark
//! is the last transaction before which nothing is under way. Knows no stores and no time of its
//! own.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use crate::domain::Timestamp;

/// A transaction under way, as [`Tracker`] counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ticket(u64);

/// A place that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Place in the feed.
    pub(super) position: u64,
    /// Everything committed until then is applied.
    pub(super) as_of: Timestamp,
}

#[derive(Debug, Default)]
struct Transaction {
    /// Changes that are not applied yet.
    under_way: u64,
    /// Set once the feed has told everything of it.
    end: Option<Mark>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the first transaction in the queue.
    first: u64,
    queue: VecDeque<Transaction>,
    mark: Option<Mark>,
    /// Whether the last transaction of the queue is still being told.
    open: bool,
}

/// Counts what is under way.
#[derive(Debug, Default)]
pub(super) struct Tracker(Mutex<State>);

impl Tracker {
    /// One more change of the transaction that is being told.
    pub(super) fn begin_change(&self) -> Ticket {
        let mut state = self.state();
        if !state.open {
            state.queue.push_back(Transaction::default());
            state.open = true;
        }
        let last = state.queue.len() - 1;
        state.queue[last].under_way += 1;
        Ticket(state.first + last as u64)
    }

    /// The transaction that is being told has ended there; or, when none is being told, everything
    /// before that place was told.
    pub(super) fn end_transaction(&self, mark: Mark) {
        let mut state = self.state();
        // Places that are told while nothing happens need no entry of their own.
        let idle = state.queue.back().is_some_and(|last| last.under_way == 0);
        if !state.open && !idle {
            state.queue.push_back(Transaction::default());
        }
        state.open = false;
        if let Some(last) = state.queue.back_mut() {
            last.end = Some(mark);
        }
        state.settle();
    }

    /// Changes are applied: one for each ticket.
    pub(super) fn done(&self, tickets: impl IntoIterator<Item = Ticket>) {
        let mut state = self.state();
        for ticket in tickets {
            let place = usize::try_from(ticket.0 - state.first).expect("the queue fits in memory");
            state.queue[place].under_way -= 1;
        }
        state.settle();
    }

    /// How far everything is applied; none before the first place was reached.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.state().mark
    }

    /// Whether a transaction is being told.
    pub(super) fn in_transaction(&self) -> bool {
        self.state().open
    }

    /// Changes that are not applied yet.
    #[cfg(test)]
    fn under_way(&self) -> u64 {
        self.state().queue.iter().map(|t| t.under_way).sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    fn settle(&mut self) {
        while let Some(first) = self.queue.front()
            && first.under_way == 0
            && let Some(end) = first.end
        {
            let mark = self.mark.get_or_insert(end);
            // A feed that connects again tells places for a second time.
            mark.position = mark.position.max(end.position);
            mark.as_of = mark.as_of.max(end.as_of);
            self.queue.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(position: u64) -> Mark {
        Mark {
            position,
            as_of: Timestamp(position as i64 * 10),
        }
    }

    #[test]
    fn a_transaction_counts_once_all_before_it_are_applied() {
        let tracker = Tracker::default();
        let first = [tracker.begin_change(), tracker.begin_change()];
        tracker.end_transaction(mark(1));
        let second = tracker.begin_change();
        tracker.end_transaction(mark(2));
        tracker.end_transaction(mark(3));
        tracker.done([second, first[1]]);
        assert_eq!((tracker.mark(), tracker.under_way()), (None, 1));
        tracker.done([first[0]]);
        assert_eq!((tracker.mark(), tracker.under_way()), (Some(mark(3)), 0));
    }

    #[test]
    fn a_transaction_that_is_being_told_holds_the_mark_back() {
        let tracker = Tracker::default();
        tracker.end_transaction(mark(1));
        let change = tracker.begin_change();
        assert!(tracker.in_transaction());
        tracker.done([change]);
        assert_eq!(tracker.mark(), Some(mark(1)));
        tracker.end_transaction(mark(2));
        assert_eq!(tracker.mark(), Some(mark(2)));
        assert!(!tracker.in_transaction());
    }

    proptest! {
        #[test]
        fn the_mark_is_the_end_of_the_longest_applied_prefix(
            sizes in prop::collection::vec(0..4usize, 1..30), order in any::<u64>(),
        ) {
            let tracker = Tracker::default();
            let mut pending = Vec::new();
            for (n, size) in sizes.iter().enumerate() {
                pending.extend((0..*size).map(|_| (n, tracker.begin_change())));
                tracker.end_transaction(mark(n as u64 + 1));
            }
            let mut left = sizes.clone();
            let mut random = order;
            while !pending.is_empty() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (random >> 33) as usize % pending.len();
                let (n, ticket) = pending.swap_remove(at);
                tracker.done([ticket]);
                left[n] -= 1;
                let prefix = left.iter().take_while(|&&size| size == 0).count() as u64;
                prop_assert_eq!(tracker.mark(), (prefix > 0).then(|| mark(prefix)));
            }
        }
    }
}
