//! Commands: everything that changes the record store on behalf of an account.
//!
//! A command checks its input and says which session it is about. Commands that come at the same
//! time share a transaction (`group`), which locks their sessions, loads each graph once, lets
//! every command check the rules that need it, writes, and answers with the session as it is after
//! the write. It sees the store through [`RecordStore`] alone and knows no transport.
//!
//! - What the caller did wrong is an [`Outcome::Refused`] with the path into the mutation's
//!   arguments; what went wrong in the store is a [`CommandError`].
//! - Statements of a group: look-up, lock, graphs, one insert and one update for each table,
//!   commit; their number depends neither on the number of commands nor on the length of sessions.
//! - A write that lost against another one ([`StoreErrorKind::Conflict`]) is tried again.

mod attempt;
mod commit;
mod draft;
pub mod erasure;
mod error;
mod execute;
mod group;
mod idempotency;
mod outcome;
pub mod rules;
pub mod session;
pub mod step;
pub mod turn;

use std::sync::Arc;

pub use commit::{Commit, CommitListener, WrittenRows};
pub use error::CommandError;
pub use group::GroupOptions;
pub use outcome::{Outcome, StepsOf, UserError, UserErrorCode, Written};

use self::group::{Engine, Lanes};
use crate::domain::{Clock, Uid, UidSource};
use crate::stores::RecordStore;
#[cfg(doc)]
use crate::stores::StoreErrorKind;

/// Answer of a command whose subject is `T`.
pub type CommandResult<T> = Result<Outcome<Written<T>>, CommandError>;

/// The commands on one record store. Cheap to clone; clones share their groups.
#[derive(Clone)]
pub struct Commands {
    engine: Arc<Engine>,
}

impl Commands {
    /// On the store where sessions are kept. The clock tells when something was written, and
    /// `uids` makes the keys that clients do not bring themselves.
    pub fn new(
        record: Arc<dyn RecordStore>,
        clock: Arc<dyn Clock>,
        uids: Arc<dyn UidSource>,
    ) -> Self {
        Self::on(Engine {
            record,
            clock,
            uids,
            listener: None,
            lanes: Lanes::new(GroupOptions::default()),
        })
    }

    /// The same with somebody who keeps copies and is told of every commit.
    pub fn telling(&self, listener: Arc<dyn CommitListener>) -> Self {
        Self::on(Engine {
            listener: Some(listener),
            ..self.engine.anew()
        })
    }

    /// The same, with commands gathered in another way.
    pub fn gathered(&self, options: GroupOptions) -> Self {
        Self::on(Engine {
            lanes: Lanes::new(options),
            ..self.engine.anew()
        })
    }

    fn on(engine: Engine) -> Self {
        Self {
            engine: Arc::new(engine),
        }
    }

    /// The key that the client chose at `input.uid`, or a fresh one.
    fn uid_or_new(&self, faults: &mut rules::Faults, given: Option<&str>) -> Uid {
        given
            .and_then(|text| rules::uid(faults, &["input", "uid"], text))
            .unwrap_or_else(|| self.next_uid())
    }

    fn next_uid(&self) -> Uid {
        self.engine.uids.next()
    }
}
