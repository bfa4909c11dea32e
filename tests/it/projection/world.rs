//! A record store in memory that does what real ones do to rows (versions, numbers, purges) and
//! keeps the log of changes that a feed would tell. Fast, so that many random histories can run.

mod served;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;
use turngraph::domain::change::{
    Change, Purge, PurgeKind, SessionAbsent, SessionChange, StepChange, TurnAbsent, TurnChange,
};
use turngraph::domain::{SessionRow, StepRow, Timestamp, Uid};
use turngraph::stores::record::StoreResult;
use turngraph::stores::source::{DeadLetter, ProjectionSource, SourceTurn};
use turngraph::stores::{StoreError, StoreErrorKind, StoreKind};

use crate::support::rows::{agent, human, session, step, uid};
use crate::support::sqlite::START;

/// Identity of the store.
pub(crate) const STORE: &str = "world";

#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) sessions: BTreeMap<Uid, SessionRow>,
    pub(crate) turns: BTreeMap<(Uid, i32), SourceTurn>,
    /// Turns whose number another turn has.
    pub(crate) twins: BTreeMap<(Uid, i32), SourceTurn>,
    pub(crate) purges: Vec<Purge>,
    pub(crate) letters: Vec<DeadLetter>,
    progress: HashMap<String, String>,
    log: Vec<Vec<Change>>,
    acknowledged: u64,
    rev: i64,
    keys: u64,
    /// Calls that fail before one succeeds.
    failures: usize,
    leases: std::collections::HashSet<String>,
    /// Roles that nobody may have.
    taken: std::collections::HashSet<String>,
}

/// The record. Cheap to clone.
#[derive(Clone)]
pub(crate) struct World {
    rows: Arc<Mutex<Rows>>,
    logged: Arc<watch::Sender<u64>>,
    acknowledged: Arc<watch::Sender<u64>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            rows: Arc::default(),
            logged: Arc::new(watch::Sender::new(0)),
            acknowledged: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(crate) fn shared(&self) -> Arc<dyn ProjectionSource> {
        Arc::new(self.clone())
    }

    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }

    /// A feed that begins after what was acknowledged.
    pub(crate) fn feed(&self) -> WorldFeed {
        let acknowledged = self.rows().acknowledged;
        WorldFeed {
            world: self.clone(),
            transaction: acknowledged,
            change: 0,
            idle_at: None,
            doubtful: false,
        }
    }

    /// Position of the last transaction.
    pub(crate) fn end(&self) -> u64 {
        self.rows().log.len() as u64
    }

    /// Waits until everything up to `position` is acknowledged.
    pub(crate) async fn acknowledged(&self, position: u64) {
        let mut acknowledged = self.acknowledged.subscribe();
        acknowledged.wait_for(|at| *at >= position).await.unwrap();
    }

    pub(crate) fn acknowledged_now(&self) -> u64 {
        self.rows().acknowledged
    }

    /// Every change so far, without the order of transactions.
    pub(crate) fn changes(&self) -> Vec<Change> {
        self.rows().log.concat()
    }

    /// Appends a transaction to the log as it is.
    pub(crate) fn log(&self, changes: Vec<Change>) -> u64 {
        let mut rows = self.rows();
        rows.log.push(changes);
        let end = rows.log.len() as u64;
        drop(rows);
        self.logged.send_replace(end);
        end
    }

    /// A role is taken away from whoever has it.
    pub(crate) fn take_lease(&self, role: &str) {
        let mut rows = self.rows();
        rows.leases.remove(role);
        rows.taken.insert(role.to_owned());
    }

    /// It may be had again.
    pub(crate) fn give_lease(&self, role: &str) {
        self.rows().taken.remove(role);
    }

    pub(crate) fn fail_reads(&self, times: usize) {
        self.rows().failures = times;
    }

    /// A session with turns: human and agent in turn, each answer with two steps.
    pub(crate) fn conversation(&self, account: &str, key: &str, turns: i32) -> Uid {
        let mut changes = vec![self.create(account, key)];
        for _ in 0..turns {
            changes.extend(self.append(&uid(key)));
        }
        self.log(changes);
        uid(key)
    }

    pub(crate) fn create(&self, account: &str, key: &str) -> Change {
        let mut rows = self.rows();
        let rev = rows.next_rev();
        let row = SessionRow {
            created_at: Timestamp(START.0 + rev % 1_000),
            rev,
            ..session(account, key)
        };
        rows.sessions.insert(row.uid.clone(), row.clone());
        session_change(row)
    }

    /// Appends a turn; a human one first.
    pub(crate) fn append(&self, of: &Uid) -> Vec<Change> {
        let mut rows = self.rows();
        let rev = rows.next_rev();
        rows.keys += 1;
        let key = format!("t{}", rows.keys);
        let row = rows.sessions.get_mut(of).unwrap();
        let seq = row.next_seq;
        row.next_seq += 1;
        row.rev = rev;
        let header = session_change(row.clone());
        let mut new = if seq % 2 == 0 {
            human(&key, None, seq, &format!("prompt of {key}"))
        } else {
            agent(&key, None, seq)
        };
        new.turn.rev = rev;
        let steps = match new.prompt {
            Some(_) => Vec::new(),
            None => (0..2)
                .map(|idx| StepRow {
                    rev,
                    ..step(&key, idx, &format!(r#"{{"text":"{key} {idx}"}}"#))
                })
                .collect(),
        };
        let turn = SourceTurn {
            turn: new.turn,
            prompt: new.prompt,
            steps,
        };
        rows.turns.insert((of.clone(), seq), turn.clone());
        let mut changes = vec![header, turn_change(of, &turn)];
        changes.extend(
            turn.steps
                .iter()
                .map(|s| step_change(Some((of.clone(), seq)), s)),
        );
        changes
    }

    /// Changes a turn's row; prompt and model are not repeated by the feed.
    pub(crate) fn edit(&self, of: &Uid, seq: i32, edit: impl FnOnce(&mut SourceTurn)) -> Change {
        let mut rows = self.rows();
        let rev = rows.next_rev();
        let turn = rows.turns.get_mut(&(of.clone(), seq)).unwrap();
        edit(turn);
        turn.turn.rev = rev;
        let Change::Turn(mut change) = turn_change(of, turn) else {
            unreachable!()
        };
        change.prompt = None;
        change.turn.model = None;
        change.absent.model = true;
        Change::Turn(change)
    }

    /// Changes a session's row; the title is not repeated where it stays.
    pub(crate) fn edit_session(&self, of: &Uid, edit: impl FnOnce(&mut SessionRow)) -> Vec<Change> {
        let mut rows = self.rows();
        let rev = rows.next_rev();
        let row = rows.sessions.get_mut(of).unwrap();
        let before = row.clone();
        edit(row);
        row.rev = rev;
        let mut shown = row.clone();
        let same_title = shown.title == before.title;
        if same_title {
            shown.title = None;
        }
        let moved = (shown.account_uid != before.account_uid
            || shown.created_at != before.created_at)
            .then(|| purge(PurgeKind::Listing, &before.uid, before.rev + 1));
        let moved = moved.map(|mut purge| {
            purge.account_uid = Some(before.account_uid.clone());
            purge.created_at = Some(before.created_at);
            purge
        });
        rows.purges.extend(moved.clone());
        let absent = SessionAbsent {
            title: same_title,
            ..SessionAbsent::default()
        };
        let change = SessionChange { row: shown, absent };
        let mut changes = vec![Change::Session(Box::new(change))];
        changes.extend(moved.map(|purge| Change::Purge(Box::new(purge))));
        changes
    }

    /// Changes a step; the content is not repeated where it stays. Rows of other programs have no
    /// address.
    pub(crate) fn edit_step(
        &self,
        (of, seq, at): (&Uid, i32, usize),
        content: Option<&str>,
        addressed: bool,
    ) -> Change {
        let mut rows = self.rows();
        let rev = rows.next_rev();
        let turn = rows.turns.get_mut(&(of.clone(), seq)).unwrap();
        let step = &mut turn.steps[at];
        step.rev = rev;
        match content {
            Some(text) => step.content = text.into(),
            None => step.tpe = (step.tpe + 1) % 13,
        }
        let mut step = step.clone();
        if content.is_none() {
            step.content = "".into();
        }
        Change::Step(Box::new(StepChange {
            address: addressed.then(|| (of.clone(), seq)),
            step,
            content_absent: content.is_none(),
        }))
    }

    /// A turn of another program: its changes come without an address, then it is numbered.
    pub(crate) fn foreign_turn(&self, of: &Uid) -> Vec<Change> {
        let appended = self.append(of);
        let mut seq = 0;
        let mut changes: Vec<Change> = Vec::new();
        for change in appended {
            match change {
                Change::Turn(turn) => seq = turn.turn.seq,
                Change::Step(mut step) => {
                    step.address = None;
                    changes.push(Change::Step(step));
                }
                other => changes.push(other),
            }
        }
        changes.push(Change::Numbered {
            session_uid: of.clone(),
            from_seq: seq,
            to_seq: seq,
        });
        changes
    }

    /// Every row of a session gets a new version.
    fn touched(&self, of: &Uid) -> Vec<Change> {
        let mut rows = self.rows();
        let rev = rows.next_rev();
        let mut changes = Vec::new();
        if let Some(row) = rows.sessions.get_mut(of) {
            row.rev = rev;
            changes.push(session_change(row.clone()));
        }
        for (_, turn) in rows
            .turns
            .range_mut((of.clone(), 0)..=(of.clone(), i32::MAX))
        {
            turn.turn.rev = rev;
            for step in &mut turn.steps {
                step.rev = rev;
            }
            changes.push(turn_change(of, turn));
            let address = Some((of.clone(), turn.turn.seq));
            changes.extend(turn.steps.iter().map(|s| step_change(address.clone(), s)));
        }
        changes
    }

    /// A turn is deleted for good, with its steps.
    pub(crate) fn purge_turn(&self, of: &Uid, seq: i32) -> Vec<Change> {
        let mut rows = self.rows();
        let gone = rows.turns.remove(&(of.clone(), seq)).unwrap();
        let mut purges = Vec::new();
        if let Some(rev) = gone.steps.iter().map(|step| step.rev).max() {
            purges.push(purge(PurgeKind::TurnSteps, &gone.turn.uid, rev + 1));
        }
        purges.push(purge(PurgeKind::Turn, &gone.turn.uid, gone.turn.rev + 1));
        for purge in &mut purges {
            (purge.session_uid, purge.seq) = (Some(of.clone()), Some(seq));
        }
        rows.note(purges)
    }

    /// One step is deleted for good; its purge may lack the address.
    pub(crate) fn purge_step(&self, of: &Uid, seq: i32, addressed: bool) -> Vec<Change> {
        let mut rows = self.rows();
        let turn = rows.turns.get_mut(&(of.clone(), seq)).unwrap();
        let gone = turn.steps.pop().unwrap();
        let mut purge = purge(PurgeKind::Step, &gone.turn_uid, gone.rev + 1);
        purge.idx = Some(gone.idx);
        purge.session_uid = addressed.then(|| of.clone());
        purge.seq = addressed.then_some(seq);
        rows.note(vec![purge])
    }

    /// A session is deleted for good.
    pub(crate) fn purge_session(&self, of: &Uid) -> Vec<Change> {
        let mut rows = self.rows();
        let row = rows.sessions.remove(of).unwrap();
        rows.turns.retain(|(session, _), _| session != of);
        let mut purge = purge(PurgeKind::Session, of, rows.next_rev());
        purge.seq = Some(row.next_seq);
        purge.account_uid = Some(row.account_uid);
        purge.created_at = Some(row.created_at);
        rows.note(vec![purge])
    }
}

impl Rows {
    fn next_rev(&mut self) -> i64 {
        self.rev = self.rev.max(START.0) + 1;
        self.rev
    }

    /// Time goes by: later versions are this much higher.
    pub(crate) fn advance(&mut self, micros: i64) {
        self.rev = self.rev.max(START.0) + micros;
    }

    /// The feed begins after this transaction.
    pub(crate) fn skip_to(&mut self, position: u64) {
        self.acknowledged = position;
    }

    fn note(&mut self, purges: Vec<Purge>) -> Vec<Change> {
        self.purges.extend(purges.iter().cloned());
        purges
            .into_iter()
            .map(|p| Change::Purge(Box::new(p)))
            .collect()
    }

    fn answer(&mut self) -> StoreResult<()> {
        if self.failures == 0 {
            return Ok(());
        }
        self.failures -= 1;
        Err(StoreError {
            kind: StoreErrorKind::Unavailable,
            store: StoreKind::Postgres,
            action: "world",
            message: "as the test ordered".to_owned(),
            source: None,
        })
    }
}

fn purge(kind: PurgeKind, key: &Uid, rev: i64) -> Purge {
    Purge {
        kind,
        session_uid: Some(key.clone()),
        seq: None,
        uid: key.clone(),
        idx: None,
        account_uid: None,
        created_at: None,
        rev,
    }
}

pub(crate) fn session_change(row: SessionRow) -> Change {
    Change::Session(Box::new(SessionChange {
        row,
        absent: SessionAbsent::default(),
    }))
}

pub(crate) fn turn_change(session: &Uid, turn: &SourceTurn) -> Change {
    Change::Turn(Box::new(TurnChange {
        session_uid: session.clone(),
        turn: turn.turn.clone(),
        prompt: turn.prompt.clone(),
        absent: TurnAbsent::default(),
    }))
}

pub(crate) fn step_change(address: Option<(Uid, i32)>, step: &StepRow) -> Change {
    Change::Step(Box::new(StepChange {
        address,
        step: step.clone(),
        content_absent: false,
    }))
}

/// Tells the log of a [`World`].
pub(crate) struct WorldFeed {
    world: World,
    /// Transactions told in full.
    transaction: u64,
    /// Changes told of the next one.
    change: usize,
    idle_at: Option<u64>,
    doubtful: bool,
}

impl WorldFeed {
    /// One after which copies must be compared.
    pub(crate) fn doubtful(mut self, doubtful: bool) -> Self {
        self.doubtful = doubtful;
        self
    }
}
