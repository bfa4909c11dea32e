//! `Gate`: the projection is filled only while a feed is open that tells everything from before
//! the first row was read.
//!
//! A feed takes its time to open (a replication slot waits for every transaction that runs). What
//! changed between the reading of a row and the place where the feed begins would be told by
//! nobody, and a copy would keep it for good.

use tokio::sync::{Mutex, MutexGuard, watch};
use tokio_util::sync::CancellationToken;

/// Lets the filling in while a feed is open.
#[derive(Default)]
pub(super) struct Gate {
    /// Cancelled when the feed that is open turns out to have lost changes.
    open: watch::Sender<Option<CancellationToken>>,
    filling: Mutex<()>,
}

/// Leave to fill; while it is held the gate does not close.
pub(super) struct Leave<'a> {
    /// Cancelled when the filling is to end.
    pub(super) stop: CancellationToken,
    _filling: MutexGuard<'a, ()>,
}

impl Gate {
    /// A feed is open until `lost` at most. A feed that was open before goes on in it.
    pub(super) fn open(&self, lost: &CancellationToken) {
        self.open.send_if_modified(|open| {
            let new = open.as_ref().is_none_or(CancellationToken::is_cancelled);
            if new {
                *open = Some(lost.child_token());
            }
            new
        });
    }

    /// Whether a feed was opened that has lost nothing since.
    pub(super) fn is_open(&self) -> bool {
        let open = self.open.borrow();
        open.as_ref().is_some_and(|open| !open.is_cancelled())
    }

    /// Changes were lost: ends a filling, and returns when it has ended.
    pub(super) async fn close(&self) {
        if let Some(open) = self.open.send_replace(None) {
            open.cancel();
        }
        drop(self.filling.lock().await);
    }

    /// Waits until a feed is open.
    pub(super) async fn enter(&self) -> Leave<'_> {
        let mut open = self.open.subscribe();
        loop {
            let filling = self.filling.lock().await;
            let stop = open.borrow_and_update().clone();
            if let Some(stop) = stop.filter(|stop| !stop.is_cancelled()) {
                return Leave {
                    stop,
                    _filling: filling,
                };
            }
            drop(filling);
            open.changed().await.expect("the gate holds the sender");
        }
    }
}
