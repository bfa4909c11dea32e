//! Types about turngraph itself: where an answer came from, what was erased.

pub(crate) mod erasure;
pub(crate) mod read_info;
