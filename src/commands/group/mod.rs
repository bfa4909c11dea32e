//! Groups: commands that wait for a transaction at the same time share one.
//!
//! A group locks the sessions of all its commands, loads them, carries the commands out in memory
//! in the order in which they came, writes all their rows in few statements and commits once. Then
//! every command is answered by itself. A command that is refused has written nothing. When the
//! store fails for a reason that may be one command's, every command of the group runs alone; a
//! command alone is a group of one that waits for its session.

mod desk;
mod job;
mod lanes;
mod load;
mod patches;
mod save;
mod sheet;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) use self::desk::Desk;
pub(super) use self::job::{Answer, Job};
use self::job::{Ticket, fail_all, is_of_one};
pub use self::lanes::GroupOptions;
pub(super) use self::lanes::{Lanes, alone, gather};
use self::load::Group;
pub(super) use self::sheet::Sheet;
use super::draft::Draft;
use super::outcome::UserError;
use super::{Commit, CommitListener};
use crate::domain::{Clock, Uid, UidSource};
use crate::stores::record::IdempotencyRecord;
use crate::stores::{RecordStore, RecordTransaction, StoreError, StoreErrorKind};

/// What commands run on.
pub(super) struct Engine {
    pub(super) record: Arc<dyn RecordStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) uids: Arc<dyn UidSource>,
    pub(super) listener: Option<Arc<dyn CommitListener>>,
    pub(super) lanes: Lanes,
}

impl Engine {
    /// The same, with lanes of its own.
    pub(super) fn anew(&self) -> Self {
        Self {
            record: Arc::clone(&self.record),
            clock: Arc::clone(&self.clock),
            uids: Arc::clone(&self.uids),
            listener: self.listener.clone(),
            lanes: Lanes::new(self.lanes.options()),
        }
    }
}

/// Whether a group waits for what other transactions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Its commands that would wait are set apart.
    None,
    /// It has one command, and waits.
    Waits,
}

/// What became of a command so far.
enum Fate {
    Open,
    Drafted(Box<Draft>),
    Refused(Vec<UserError>),
    Known(IdempotencyRecord),
    Apart,
}

/// A group that was carried out.
struct Carried {
    /// What listeners are told, by session.
    commits: BTreeMap<Uid, Commit>,
    /// One for each command.
    answers: Vec<Answer>,
}

/// Why a group was not carried out.
struct Failure {
    error: StoreError,
    /// The commit itself failed: it may have happened all the same, unless the store says that
    /// another transaction was in the way.
    at_commit: bool,
}

/// Runs commands in a transaction and answers each of them.
async fn run(
    engine: &Engine,
    tx: Box<dyn RecordTransaction>,
    tickets: Vec<Ticket>,
    patience: Patience,
) {
    let jobs: Vec<Arc<Job>> = tickets.iter().map(|t| Arc::clone(&t.job)).collect();
    match carry_out(engine, tx, &jobs, patience).await {
        Ok(carried) => answer(engine, tickets, carried),
        Err(Failure { error, at_commit }) => {
            let is_of_one = match at_commit {
                true => error.kind == StoreErrorKind::Conflict,
                false => is_of_one(error.kind),
            };
            if tickets.len() > 1 && is_of_one {
                for ticket in tickets {
                    ticket.answer(Answer::Apart);
                }
            } else {
                fail_all(tickets, error);
            }
        }
    }
}

async fn carry_out(
    engine: &Engine,
    mut tx: Box<dyn RecordTransaction>,
    jobs: &[Arc<Job>],
    patience: Patience,
) -> Result<Carried, Failure> {
    let mut group = Group {
        tx: &mut *tx,
        jobs,
        fates: jobs.iter().map(|_| Fate::Open).collect(),
        desk: Desk::default(),
    };
    let saved = group.carry_out(engine.clock.now(), patience).await;
    let Group { fates, desk, .. } = group;
    let is_drafted = fates.iter().any(|fate| matches!(fate, Fate::Drafted(_)));
    let (turns, position) = match saved {
        Ok(turns) if is_drafted => {
            let committed = tx.commit().await;
            let position = committed.map_err(|error| Failure {
                error,
                at_commit: true,
            })?;
            (turns, Some(position))
        }
        // Who comes next must not find these sessions held by nobody. Where even this fails, the
        // connection is gone, and the server takes everything back by itself.
        Ok(turns) => {
            let _ = tx.rollback().await;
            (turns, None)
        }
        Err(error) => {
            let _ = tx.rollback().await;
            return Err(Failure {
                error,
                at_commit: false,
            });
        }
    };
    let listens = engine.listener.is_some();
    Ok(Carried::of((fates, desk), turns, position, listens))
}

/// Answers commands once listeners know of what they wrote; the lane need not wait for that.
fn answer(engine: &Engine, tickets: Vec<Ticket>, mut carried: Carried) {
    let mut telling: BTreeMap<Uid, Vec<(Ticket, Answer)>> = BTreeMap::new();
    for (ticket, answer) in tickets.into_iter().zip(carried.answers) {
        match &answer {
            Answer::Done(written) if carried.commits.contains_key(&written.session.uid) => {
                let session = written.session.uid.clone();
                telling.entry(session).or_default().push((ticket, answer));
            }
            _ => ticket.answer(answer),
        }
    }
    for (session, waiting) in telling {
        let (Some(commit), Some(listener)) = (carried.commits.remove(&session), &engine.listener)
        else {
            continue;
        };
        let listener = Arc::clone(listener);
        tokio::spawn(async move {
            let copied = listener.committed(&commit).await;
            for (ticket, answer) in waiting {
                let answer = match answer {
                    Answer::Done(mut written) => {
                        written.copied = copied;
                        Answer::Done(written)
                    }
                    other => other,
                };
                ticket.answer(answer);
            }
        });
    }
}
