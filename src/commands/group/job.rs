//! A command on its way through a group: what was asked, what came of it, and who waits for it.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::commands::Written;
use crate::commands::execute::{Command, Places};
use crate::commands::idempotency::Key;
use crate::commands::outcome::UserError;
use crate::domain::Uid;
use crate::stores::record::IdempotencyRecord;
use crate::stores::{StoreError, StoreErrorKind};

/// A command of an account.
pub(in crate::commands) struct Job {
    pub(in crate::commands) account: Uid,
    pub(in crate::commands) command: Box<dyn Command>,
    pub(in crate::commands) key: Option<Key>,
}

/// What came of a command.
pub(in crate::commands) enum Answer {
    /// It is committed.
    Done(Box<Written<Places>>),
    /// The rules refuse it; nothing was written.
    Refused(Vec<UserError>),
    /// Its idempotency key is known; nothing was written now.
    Known(IdempotencyRecord),
    /// It was not carried out for reasons that may not be its own: it is to run alone.
    Apart,
    /// The store failed.
    Failed(StoreError),
}

/// A job and whoever waits for its answer.
pub(super) struct Ticket {
    pub(super) job: Arc<Job>,
    reply: oneshot::Sender<Answer>,
}

impl Ticket {
    /// A ticket, and where its answer comes.
    pub(super) fn new(job: &Arc<Job>) -> (Self, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        let job = Arc::clone(job);
        (Self { job, reply }, answer)
    }

    /// Whether nobody waits any more.
    pub(super) fn is_cancelled(&self) -> bool {
        self.reply.is_closed()
    }

    /// Gives the answer, if somebody still waits.
    pub(super) fn answer(self, answer: Answer) {
        // Who has gone needs no answer; the command is carried out all the same.
        let _ = self.reply.send(answer);
    }
}

/// Gives an error to each of those who wait for the same thing.
pub(super) fn fail_all(tickets: Vec<Ticket>, error: StoreError) {
    let StoreError {
        kind,
        store,
        action,
        message,
        source,
    } = error;
    let source: Option<Arc<dyn std::error::Error + Send + Sync>> = source.map(Arc::from);
    for ticket in tickets {
        let source = source.clone().map(|shared| Box::new(shared) as _);
        ticket.answer(Answer::Failed(StoreError {
            kind,
            store,
            action,
            message: message.clone(),
            source,
        }));
    }
}

/// Whether an error may be that of one command of a group: the others succeed without it. A store
/// that cannot be reached, or not be written to, fails all of them alike.
pub(super) fn is_of_one(kind: StoreErrorKind) -> bool {
    matches!(
        kind,
        StoreErrorKind::Conflict
            | StoreErrorKind::Timeout
            | StoreErrorKind::Corrupt
            | StoreErrorKind::Bug
    )
}
