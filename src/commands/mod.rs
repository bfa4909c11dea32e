//! Commands: everything that changes the record store on behalf of an account.
//!
//! A command checks its input, locks the one session it is about, loads its graph once, checks
//! the rules that need it, writes in the same transaction and answers with the session as it is
//! after the write. It sees the store through [`RecordStore`] alone and knows no transport.
//!
//! - What the caller did wrong is an [`Outcome::Refused`] with the path into the mutation's
//!   arguments; what went wrong in the store is a [`CommandError`].
//! - Statements of a command: look-up, lock, graph, one insert for each table, one update for
//!   each row changed, commit; their number does not depend on the length of the session.
//! - A write that lost against another one ([`StoreErrorKind::Conflict`]) is tried again.

mod attempt;
mod commit;
pub mod erasure;
mod error;
mod execute;
mod idempotency;
mod outcome;
pub mod rules;
pub mod session;
pub mod step;
pub mod turn;

use std::sync::Arc;

pub use commit::{Commit, CommitListener, WrittenRows};
pub use error::CommandError;
pub use outcome::{Outcome, StepsOf, UserError, UserErrorCode, Written};

use crate::domain::{Clock, Uid, UidSource};
use crate::stores::RecordStore;
#[cfg(doc)]
use crate::stores::StoreErrorKind;

/// Answer of a command whose subject is `T`.
pub type CommandResult<T> = Result<Outcome<Written<T>>, CommandError>;

/// The commands on one record store. Cheap to clone.
#[derive(Clone)]
pub struct Commands {
    /// Where sessions are kept.
    pub record: Arc<dyn RecordStore>,
    /// Tells when something was written.
    pub clock: Arc<dyn Clock>,
    /// Makes the keys that clients do not bring themselves.
    pub uids: Arc<dyn UidSource>,
    /// Told of every commit, where somebody keeps copies.
    pub listener: Option<Arc<dyn CommitListener>>,
}

impl Commands {
    /// The key that the client chose at `input.uid`, or a fresh one.
    fn uid_or_new(&self, faults: &mut rules::Faults, given: Option<&str>) -> Uid {
        given
            .and_then(|text| rules::uid(faults, &["input", "uid"], text))
            .unwrap_or_else(|| self.uids.next())
    }
}
