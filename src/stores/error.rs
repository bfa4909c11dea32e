//! `StoreError`: what went wrong in a store, in terms that its callers can act on.

use std::error::Error;
use std::fmt;

use super::StoreKind;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// The store cannot be reached or refuses connections; try again later.
    Unavailable,
    /// The store can be read and not written: its disk is full, or it is read-only. Somebody has to
    /// act before a retry helps.
    NotWritable,
    /// The store did not answer within its deadline.
    Timeout,
    /// Another writer was faster (unique key taken, serialisation failure, busy); a retry helps.
    Conflict,
    /// The schema is older or newer than this program; migrate, or update the program.
    Schema,
    /// A row holds what it must not hold.
    Corrupt,
    /// A defect of turngraph: the statement itself is refused.
    Bug,
}

/// An error of one store.
#[derive(Debug)]
pub struct StoreError {
    /// What a caller can do.
    pub kind: StoreErrorKind,
    /// Which store.
    pub store: StoreKind,
    /// Name of the statement or action, e.g. `turns_by_session`.
    pub action: &'static str,
    /// What happened, in words. Never holds prompts or step content.
    pub message: String,
    /// The driver's error.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.store.name(), self.action, self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
