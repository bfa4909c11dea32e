//! A lane: applies the changes of some sessions, in batches grouped by partition.
//!
//! Lanes are bounded: one that waits for a store makes the feed wait. A change is done once it is
//! durable in every projection and its session is dropped from the cache, or once it is put aside.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use super::listed::Listed;
use super::tracker::{Ticket, Tracker};
use crate::domain::change::Change;
use crate::domain::{Clock, Uid};
use crate::projection::quarantine::Quarantine;
use crate::projection::reader;
use crate::projection::targets::{Stopped, Targets};
use crate::projection::writes::{self, Problem, SourceRows};
use crate::stores::ProjectionSource;
use crate::stores::projection::Write;

/// A change on its way.
pub(super) struct Item {
    pub(super) change: Change,
    /// What was looked up for it.
    pub(super) rows: SourceRows,
    pub(super) ticket: Ticket,
    /// Its share of the memory for changes under way.
    pub(super) _memory: OwnedSemaphorePermit,
}

/// The entrances of all lanes.
#[derive(Clone)]
pub(super) struct Lanes(Arc<[mpsc::Sender<Item>]>);

impl Lanes {
    /// As many lanes as asked for, each with room for `capacity` changes.
    pub(super) fn new(lanes: usize, capacity: usize) -> (Self, Vec<mpsc::Receiver<Item>>) {
        let (entrances, exits) = (0..lanes.max(1)).map(|_| mpsc::channel(capacity)).unzip();
        let entrances: Vec<_> = entrances;
        (Self(entrances.into()), exits)
    }

    /// Puts a change into the lane of its session; waits while it is full.
    pub(super) async fn send(&self, item: Item) -> Result<(), Stopped> {
        let looked_up = item.rows.addresses.values().next();
        let session = item
            .change
            .session_uid()
            .or(looked_up.map(|(session, _)| session));
        let lane = session.map_or(0, |uid| self.of(uid));
        self.0[lane].send(item).await.map_err(|_| Stopped)
    }

    /// A look at each lane that does not keep it open.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let lanes = self.0.iter();
        lanes.map(|lane| Waiting(lane.downgrade())).collect()
    }

    fn of(&self, session: &Uid) -> usize {
        let mut hasher = DefaultHasher::new();
        session.hash(&mut hasher);
        usize::try_from(hasher.finish() % self.0.len() as u64).expect("below the number of lanes")
    }
}

/// Tells how many changes wait in a lane.
pub(super) struct Waiting(mpsc::WeakSender<Item>);

impl Waiting {
    /// None when the lane is closed.
    pub(super) fn changes(&self) -> Option<usize> {
        let lane = self.0.upgrade()?;
        Some(lane.max_capacity() - lane.capacity())
    }
}

/// How much is applied at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLimits {
    pub(super) writes: usize,
    pub(super) bytes: usize,
    pub(super) linger: Duration,
}

/// What a lane works with.
#[derive(Clone)]
pub(super) struct Lane {
    pub(super) source: Arc<dyn ProjectionSource>,
    pub(super) targets: Targets,
    pub(super) quarantine: Quarantine,
    pub(super) tracker: Arc<Tracker>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: BatchLimits,
    pub(super) stop: CancellationToken,
}

impl Lane {
    /// Serves until there is nothing more to come.
    pub(super) async fn run(self, mut incoming: mpsc::Receiver<Item>) -> Result<(), Stopped> {
        let mut items = Vec::new();
        let mut listed = Listed::new();
        let most = self.limits.writes;
        while incoming.recv_many(&mut items, most).await > 0 {
            // Companions that are just arriving share the batch.
            let linger = tokio::time::sleep(self.limits.linger);
            tokio::pin!(linger);
            while items.len() < most {
                let room = most - items.len();
                tokio::select! {
                    () = &mut linger => break,
                    got = incoming.recv_many(&mut items, room) => if got == 0 { break },
                }
            }
            self.apply(&mut items, &mut listed).await?;
        }
        Ok(())
    }

    async fn apply(&self, items: &mut Vec<Item>, listed: &mut Listed) -> Result<(), Stopped> {
        let now = self.clock.now();
        let (mut writes, mut problems) = (Vec::new(), Vec::new());
        let mut sessions = BTreeSet::new();
        let projected = !self.targets.stores().is_empty();
        for item in items.iter() {
            let looked_up = item.rows.addresses.values().next();
            let session = item.change.session_uid().or(looked_up.map(|(uid, _)| uid));
            sessions.extend(session.cloned());
            if projected {
                let mut of_change = writes::writes(&item.change, &item.rows, now);
                writes.append(&mut of_change.writes);
                problems.append(&mut of_change.problems);
            }
        }
        self.take_contested(&mut writes, &mut problems).await?;
        listed.take_known(&mut writes, self.targets.epoch());
        self.apply_writes(writes, &mut problems).await?;
        if projected {
            for item in items.iter() {
                self.read_numbered(&item.change, &mut problems).await?;
            }
        }
        if !problems.is_empty() {
            listed.forget();
        }
        let position = self.tracker.mark().map_or(0, |mark| mark.position);
        for problem in &problems {
            self.quarantine
                .put_aside(problem, position, &self.stop)
                .await?;
        }
        self.targets.invalidate(sessions, &self.stop).await?;
        self.tracker.done(items.drain(..).map(|item| item.ticket));
        Ok(())
    }

    /// Takes out turns that share one number in the record store itself: applied, they would become
    /// one row made of both.
    async fn take_contested(
        &self,
        writes: &mut Vec<Write>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Stopped> {
        for (session, seq) in contested(writes) {
            let ask = || self.source.turns(&session, seq, seq);
            let twins = self.targets.retried(&self.stop, ask).await?;
            if !twins.is_ok_and(|twins| twins.len() > 1) {
                continue;
            }
            writes.retain(|write| match write {
                Write::Turn(turn) => turn.turn.seq != seq || turn.session_uid != session,
                _ => true,
            });
            problems.push(Problem {
                row: format!("turns ({session}, {seq})"),
                session_uid: Some(session),
                rev: None,
                error: "two turns have this number; delete one of them and insert it anew"
                    .to_owned(),
            });
        }
        Ok(())
    }

    /// Applies writes partition by partition, in batches of bounded size.
    async fn apply_writes(
        &self,
        mut writes: Vec<Write>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Stopped> {
        writes.sort_by(|a, b| {
            let key = |write| (writes::session_of(write), writes::place(write));
            key(a).cmp(&key(b))
        });
        let mut rest = &writes[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |write: &&Write| {
                bytes += writes::bytes(write);
                bytes <= self.limits.bytes
            };
            let count = rest
                .iter()
                .take(self.limits.writes)
                .take_while(fits)
                .count();
            let (batch, later) = rest.split_at(count.max(1));
            problems.append(&mut self.targets.apply(batch, &self.stop).await?);
            rest = later;
        }
        Ok(())
    }

    /// Reads turns that other programs wrote and that have numbers now.
    async fn read_numbered(
        &self,
        change: &Change,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Stopped> {
        let Change::Numbered {
            session_uid,
            from_seq,
            to_seq,
        } = change
        else {
            return Ok(());
        };
        let refused = |error: crate::stores::StoreError| Problem {
            session_uid: Some(session_uid.clone()),
            row: format!("turns {from_seq} to {to_seq} of session {session_uid}"),
            rev: None,
            error: error.to_string(),
        };
        let source = &*self.source;
        let read = || reader::session(source, session_uid);
        let session = match self.targets.retried(&self.stop, read).await? {
            Ok(Some(session)) => session,
            // It is gone again; its purge says so, too.
            Ok(None) => return Ok(()),
            Err(error) => {
                problems.push(refused(error));
                return Ok(());
            }
        };
        for range in reader::runs(*from_seq, *to_seq) {
            let read = || reader::run(source, &session, range);
            match self.targets.retried(&self.stop, read).await? {
                Ok(run) => {
                    let rows = SourceRows {
                        run: Some(run),
                        ..SourceRows::default()
                    };
                    let mut found = writes::writes(change, &rows, self.clock.now());
                    problems.append(&mut found.problems);
                    self.apply_writes(found.writes, problems).await?;
                }
                Err(error) => problems.push(refused(error)),
            }
        }
        Ok(())
    }
}

/// Numbers that turns with two keys claim. Most often one of them is of an earlier life of the
/// session, which was purged and has given its numbers anew.
fn contested(writes: &[Write]) -> BTreeSet<(Uid, i32)> {
    let mut holders: HashMap<(&Uid, i32), &Uid> = HashMap::new();
    let mut contested = BTreeSet::new();
    for write in writes {
        let Write::Turn(turn) = write else { continue };
        match holders.entry((&turn.session_uid, turn.turn.seq)) {
            Entry::Vacant(free) => {
                free.insert(&turn.turn.uid);
            }
            Entry::Occupied(taken) if *taken.get() != &turn.turn.uid => {
                contested.insert((turn.session_uid.clone(), turn.turn.seq));
            }
            Entry::Occupied(_) => {}
        }
    }
    contested
}
