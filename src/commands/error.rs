//! `CommandError`: the store failed; what the caller may do is in its kind.

use crate::stores::{StoreError, StoreErrorKind};

/// A command that could not be carried out for reasons that are not the caller's.
#[derive(Debug, thiserror::Error)]
#[error("{command} failed")]
pub struct CommandError {
    /// Name of the mutation, e.g. `appendHumanTurn`.
    pub command: &'static str,
    /// What the store said. After [`StoreErrorKind::Conflict`] the command was already tried
    /// several times.
    pub source: StoreError,
}

impl CommandError {
    /// What the caller can do.
    pub fn kind(&self) -> StoreErrorKind {
        self.source.kind
    }
}
