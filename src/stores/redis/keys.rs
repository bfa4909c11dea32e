//! Names of keys. What is asked together has one hash tag (the part in braces), so that a cluster
//! keeps it on one server. The format's number is in front: another format has other keys.

use crate::domain::Uid;
use crate::stores::cache::codec::FORMAT;

/// Entry of a session.
pub(super) fn session(uid: &Uid) -> String {
    format!("tg:{FORMAT}:s:{{{uid}}}")
}

/// Its generation.
pub(super) fn generation(uid: &Uid) -> String {
    format!("tg:{FORMAT}:g:{{{uid}}}")
}

/// How far the projector has come.
pub(super) fn watermark() -> String {
    format!("tg:{FORMAT}:w")
}

/// Written, read and dropped by `doctor`.
pub(super) fn probe() -> String {
    format!("tg:{FORMAT}:doctor")
}

/// Pattern of all of them.
pub(super) fn all() -> String {
    format!("tg:{FORMAT}:*")
}
