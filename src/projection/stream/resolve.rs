//! `Resolver`: finds the sessions of changes that name only a turn, in batches, and hands every
//! change that must be looked up on to its session's lane.
//!
//! An address is immutable as long as its turn exists, so it is remembered; purges pass through
//! here as well, in the order of the feed, and what they name is forgotten.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use quick_cache::sync::Cache;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::lane::{Item, Lanes};
use super::tracker::Tracker;
use crate::domain::Uid;
use crate::domain::change::{Change, PurgeKind};
use crate::projection::quarantine::Quarantine;
use crate::projection::targets::{Stopped, Targets};
use crate::projection::writes::{Problem, unaddressed};
use crate::stores::ProjectionSource;

/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 100_000;

/// Changes that share one look-up at most.
const BATCH_MAX: usize = 500;

/// Looks addresses up.
pub(super) struct Resolver {
    source: Arc<dyn ProjectionSource>,
    targets: Targets,
    quarantine: Quarantine,
    tracker: Arc<Tracker>,
    known: Cache<Uid, (Uid, i32)>,
}

/// Whether a change must pass the resolver.
pub(super) fn concerns(change: &Change) -> bool {
    unaddressed(change).is_some() || matches!(change, Change::Purge(_))
}

impl Resolver {
    pub(super) fn new(
        source: Arc<dyn ProjectionSource>,
        quarantine: Quarantine,
        tracker: Arc<Tracker>,
    ) -> Self {
        Self {
            source,
            targets: quarantine.targets().clone(),
            quarantine,
            tracker,
            known: Cache::new(ADDRESSES_MAX),
        }
    }

    /// Serves until there is nothing more to come.
    pub(super) async fn run(
        self,
        mut incoming: mpsc::Receiver<Item>,
        lanes: Lanes,
        stop: CancellationToken,
    ) -> Result<(), Stopped> {
        let mut items = Vec::new();
        while incoming.recv_many(&mut items, BATCH_MAX).await > 0 {
            // What was remembered before a purge must not be given to a step after it. What is
            // looked up from now on is newer than every purge of this batch.
            for item in &items {
                self.forget(&item.change);
            }
            let addresses = self.addresses(&items, &stop).await?;
            for mut item in items.drain(..) {
                match unaddressed(&item.change) {
                    None => lanes.send(item).await?,
                    Some(turn) => match addresses.get(turn) {
                        Some(address) => {
                            let found = (turn.clone(), address.clone());
                            item.rows.addresses = HashMap::from([found]);
                            lanes.send(item).await?;
                        }
                        None => {
                            self.targets.counters().unaddressed.fetch_add(1, Relaxed);
                            self.tracker.done([item.ticket]);
                        }
                    },
                }
            }
        }
        Ok(())
    }

    async fn addresses(
        &self,
        items: &[Item],
        stop: &CancellationToken,
    ) -> Result<HashMap<Uid, (Uid, i32)>, Stopped> {
        let mut found = HashMap::new();
        let mut missing = HashSet::new();
        for turn in items.iter().filter_map(|item| unaddressed(&item.change)) {
            match self.known.get(turn) {
                Some(address) => {
                    found.insert(turn.clone(), address);
                }
                None => {
                    missing.insert(turn.clone());
                }
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let missing: Vec<Uid> = missing.into_iter().collect();
        self.targets
            .counters()
            .lookups
            .fetch_add(missing.len() as u64, Relaxed);
        let asked = self
            .targets
            .retried(stop, || self.source.addresses(&missing));
        match asked.await? {
            Ok(addresses) => {
                for address in addresses {
                    let place = (address.session_uid, address.seq);
                    self.known.insert(address.turn_uid.clone(), place.clone());
                    found.insert(address.turn_uid, place);
                }
            }
            Err(error) => {
                let position = self.tracker.mark().map_or(0, |mark| mark.position);
                for turn in missing {
                    let problem = Problem {
                        session_uid: None,
                        row: format!("steps of turn {turn}"),
                        rev: None,
                        error: error.to_string(),
                    };
                    self.quarantine.put_aside(&problem, position, stop).await?;
                }
            }
        }
        Ok(found)
    }

    fn forget(&self, change: &Change) {
        let Change::Purge(purge) = change else { return };
        match purge.kind {
            PurgeKind::Turn | PurgeKind::Address => {
                self.known.remove(&purge.uid);
            }
            // Its turns are not told one by one.
            PurgeKind::Session => self.known.clear(),
            PurgeKind::TurnSteps | PurgeKind::Step | PurgeKind::Listing | PurgeKind::Account => {}
        }
    }
}
