//! Lanes: commands that come while a group is on its way make up the next one.
//!
//! A lane has one group on its way at a time; nobody waits for a group to fill up. All commands
//! of an account go by one lane, in the order in which they came, so that commands on one session
//! or under one idempotency key never run at once in this process, unless one of them runs alone.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::job::{Answer, Job, Ticket, fail_all};
use super::{Engine, Patience, run};
use crate::domain::Uid;

/// How commands are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupOptions {
    /// Groups on their way at once; each takes a connection.
    pub lanes: usize,
    /// Commands in a group at most.
    pub commands_max: usize,
    /// Text of the commands of a group in bytes at most; a command with more than a quarter of it
    /// runs alone.
    pub bytes_max: usize,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self {
            lanes: 2,
            commands_max: 128,
            bytes_max: 4 * 1024 * 1024,
        }
    }
}

/// The lanes of one store.
pub(in crate::commands) struct Lanes {
    lanes: Vec<Lane>,
    options: GroupOptions,
}

#[derive(Default)]
struct Lane(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Ticket>,
    /// A task takes groups from here.
    is_driven: bool,
}

impl Lanes {
    pub(in crate::commands) fn new(options: GroupOptions) -> Self {
        Self {
            lanes: (0..options.lanes.max(1)).map(|_| Lane::default()).collect(),
            options,
        }
    }

    /// How they gather.
    pub(in crate::commands) fn options(&self) -> GroupOptions {
        self.options
    }

    /// Whether a command with so much text must run alone.
    pub(in crate::commands) fn is_large(&self, bytes: usize) -> bool {
        bytes > self.options.bytes_max / 4
    }

    fn of(&self, account: &Uid) -> usize {
        let mut hasher = DefaultHasher::new();
        account.hash(&mut hasher);
        let lanes = self.lanes.len() as u64;
        usize::try_from(hasher.finish() % lanes).expect("there are few lanes")
    }
}

/// Sends a command with the next group of its account's lane.
pub(in crate::commands) fn gather(
    engine: &Arc<Engine>,
    job: &Arc<Job>,
) -> oneshot::Receiver<Answer> {
    let (ticket, answer) = Ticket::new(job);
    let ix = engine.lanes.of(&job.account);
    let mut queue = engine.lanes.lanes[ix].queue();
    queue.waiting.push_back(ticket);
    if !std::mem::replace(&mut queue.is_driven, true) {
        tokio::spawn(drive(Arc::clone(engine), ix));
    }
    answer
}

/// Runs a command in a transaction of its own, which waits for its session. It goes on when the
/// caller has gone.
pub(in crate::commands) fn alone(
    engine: &Arc<Engine>,
    job: &Arc<Job>,
) -> oneshot::Receiver<Answer> {
    let (ticket, answer) = Ticket::new(job);
    let engine = Arc::clone(engine);
    tokio::spawn(async move {
        match engine.record.begin().await {
            Ok(tx) => run(&engine, tx, vec![ticket], Patience::Waits).await,
            Err(error) => ticket.answer(Answer::Failed(error)),
        }
    });
    answer
}

/// Takes group after group until nobody waits. A group is taken when its transaction has begun:
/// who comes while a connection is waited for belongs to it.
async fn drive(engine: Arc<Engine>, ix: usize) {
    let lanes = &engine.lanes;
    let lane = &lanes.lanes[ix];
    let mut driver = Driver { lane, ended: false };
    while lane.goes_on() {
        let begun = engine.record.begin_group().await;
        let tickets = lane.queue().take(&lanes.options);
        match begun {
            Ok(tx) if !tickets.is_empty() => run(&engine, tx, tickets, Patience::None).await,
            Ok(_) => {}
            Err(error) => fail_all(tickets, error),
        }
    }
    driver.ended = true;
}

impl Lane {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody waits; else the next command starts another task.
    fn goes_on(&self) -> bool {
        let mut queue = self.queue();
        queue.waiting.retain(|ticket| !ticket.is_cancelled());
        queue.is_driven = !queue.waiting.is_empty();
        queue.is_driven
    }
}

impl Queue {
    /// The next group. Of commands under one idempotency key only the first is taken: the others
    /// are answered by what it has written.
    fn take(&mut self, options: &GroupOptions) -> Vec<Ticket> {
        let mut taken: Vec<Ticket> = Vec::new();
        let mut held_back = Vec::new();
        let (mut keys, mut bytes) = (HashSet::new(), 0);
        while taken.len() < options.commands_max.max(1)
            && let Some(ticket) = self.waiting.pop_front()
        {
            if ticket.is_cancelled() {
                continue;
            }
            let job = Arc::clone(&ticket.job);
            let twin = job
                .key
                .as_ref()
                .is_some_and(|key| !keys.insert((job.account.clone(), key.text.clone())));
            if twin {
                held_back.push(ticket);
                continue;
            }
            bytes += job.command.bytes();
            if bytes > options.bytes_max && !taken.is_empty() {
                held_back.push(ticket);
                break;
            }
            taken.push(ticket);
        }
        for ticket in held_back.into_iter().rev() {
            self.waiting.push_front(ticket);
        }
        taken
    }
}

/// When the task ends before its time (a defect, or the runtime stops), those who wait learn it,
/// and the next command starts another task.
struct Driver<'a> {
    lane: &'a Lane,
    ended: bool,
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let mut queue = self.lane.queue();
            queue.is_driven = false;
            queue.waiting.clear();
        }
    }
}
