//! What was committed, and when it is seen in the projections.
//!
//! Two times are taken from the return of a commit. *Known*: the projection's watermark has passed
//! the place in the log that a client's token would have (`atLeast`), for every transaction.
//! *Readable*: a reader finds the last turn of the transaction with all its steps, for a sample.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use turngraph::domain::Uid;
use turngraph::stores::ProjectionStore;
use turngraph::stores::projection::BodyPart;

use crate::times::Times;

/// Time between two looks at the watermark.
const LOOK: Duration = Duration::from_millis(5);
/// Time between two looks for a row.
const PROBE: Duration = Duration::from_millis(2);
/// Time between the beginnings of two probes at least; one is under way at a time a lane.
const PROBE_EVERY: Duration = Duration::from_millis(40);
/// Probes under way at most.
const PROBES: usize = 16;

/// A turn to be looked for.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub(crate) session: Uid,
    pub(crate) seq: i32,
    pub(crate) steps: usize,
}

/// A transaction that was committed.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    /// Place in the log behind the commit.
    pub(crate) place: u64,
    pub(crate) rows: usize,
    pub(crate) probe: Probe,
}

#[derive(Default)]
struct State {
    /// Not known yet, by place.
    open: BTreeMap<(u64, u64), Sent>,
    count: u64,
    rows_known: usize,
    known: Times,
    readable: Times,
    probed: Option<Instant>,
}

/// See the file.
pub(crate) struct Reached {
    state: Mutex<State>,
    probes: mpsc::Sender<(Instant, Probe)>,
}

/// What was seen since the last look.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) known: Times,
    pub(crate) readable: Times,
    pub(crate) rows: usize,
}

impl Reached {
    /// Watches `store` until `stop`.
    pub(crate) fn watch(store: Arc<dyn ProjectionStore>, stop: &CancellationToken) -> Arc<Self> {
        let (probes, mut asked) = mpsc::channel::<(Instant, Probe)>(PROBES);
        let reached = Arc::new(Self {
            state: Mutex::default(),
            probes,
        });
        let (watching, watched) = (Arc::clone(&reached), Arc::clone(&store));
        let ended = stop.clone();
        tokio::spawn(async move {
            while !ended.is_cancelled() {
                // A store that is busy is asked again.
                if let Ok(Some(mark)) = watched.watermark().await {
                    watching.passed(mark.position.value);
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        let (probing, ended) = (Arc::clone(&reached), stop.clone());
        tokio::spawn(async move {
            while let Some((at, probe)) = asked.recv().await {
                let (probing, store, ended) =
                    (Arc::clone(&probing), Arc::clone(&store), ended.clone());
                tokio::spawn(async move {
                    while !ended.is_cancelled() {
                        if is_readable(&*store, &probe).await {
                            probing.state().readable.note(at.elapsed());
                            return;
                        }
                        tokio::time::sleep(PROBE).await;
                    }
                });
            }
        });
        reached
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction was committed.
    pub(crate) fn sent(&self, sent: Sent) {
        let mut state = self.state();
        if state
            .probed
            .is_none_or(|last| last.elapsed() >= PROBE_EVERY)
        {
            state.probed = Some(Instant::now());
            // Where too many are looked for already, this one is left out.
            let _ = self.probes.try_send((sent.at, sent.probe.clone()));
        }
        let count = state.count;
        state.count += 1;
        state.open.insert((sent.place, count), sent);
    }

    fn passed(&self, place: u64) {
        let mut state = self.state();
        while let Some(entry) = state.open.first_entry()
            && entry.key().0 <= place
        {
            let sent = entry.remove();
            state.known.note(sent.at.elapsed());
            state.rows_known += sent.rows;
        }
    }

    /// Age of the oldest transaction that is not known in the projections.
    pub(crate) fn behind(&self) -> Duration {
        let state = self.state();
        let oldest = state.open.values().map(|sent| sent.at).min();
        oldest.map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// What was seen since this was last asked.
    pub(crate) fn take(&self) -> Seen {
        let mut state = self.state();
        Seen {
            known: std::mem::take(&mut state.known),
            readable: std::mem::take(&mut state.readable),
            rows: std::mem::take(&mut state.rows_known),
        }
    }
}

async fn is_readable(store: &dyn ProjectionStore, probe: &Probe) -> bool {
    let graphs = store.graphs(std::slice::from_ref(&probe.session)).await;
    let there = graphs.is_ok_and(|graphs| {
        let mut turns = graphs.iter().flat_map(|graph| &graph.turns);
        turns.any(|turn| turn.seq == probe.seq)
    });
    if !there {
        return false;
    }
    let bodies = store
        .bodies(&probe.session, &[probe.seq], BodyPart::Heads)
        .await;
    bodies.is_ok_and(|bodies| bodies.iter().any(|(_, b)| b.steps.len() >= probe.steps))
}
