//! How a comparison is made, and what it found.

use std::time::Duration;

use serde::Serialize;

use super::compare::Fault;
use crate::domain::Uid;

/// How a comparison is made.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Mend what is wrong.
    pub repair: bool,
    /// Compare prompts and contents too, not only versions, types and times.
    pub contents: bool,
    /// Sessions that are read at once.
    pub chunk: usize,
    /// Rest between two chunks, for the stores' other work.
    pub pause: Duration,
    /// How long the projector is waited for; after that, what is missing counts as behind.
    pub settle: Duration,
    /// Time before the second look.
    pub recheck_after: Duration,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            repair: false,
            contents: true,
            chunk: 50,
            pause: Duration::from_millis(10),
            settle: Duration::from_secs(5),
            recheck_after: Duration::from_secs(1),
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The session.
    pub session_uid: Uid,
    /// The row in words, e.g. `step 2 of turn 7`; never content.
    pub row: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Sessions compared.
    pub sessions: u64,
    /// Sessions of the record store, about; for progress.
    pub sessions_estimate: u64,
    /// Sessions with something wrong.
    pub wrong: u64,
    /// Those of them that are right now.
    pub mended: u64,
    /// Those of them that are quarantined, since mending did not help.
    pub quarantined: u64,
    /// Rows that the projector had not reached.
    pub behind: u64,
    /// What is wrong, the first 1,000.
    pub findings: Vec<Finding>,
    /// It went to the end; else it was stopped.
    pub finished: bool,
}
