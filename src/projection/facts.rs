//! What is known of a single write: version, session, place, size, and how it is said to people.

use crate::domain::Uid;
use crate::stores::projection::Write;

/// Version of a write.
pub fn rev(write: &Write) -> i64 {
    match write {
        Write::Header(session) | Write::Listing(session) => session.row.rev,
        Write::Turn(turn) => turn.turn.rev,
        Write::Step { step, .. } => step.rev,
        Write::ListingGone { rev, .. }
        | Write::Grave { rev, .. }
        | Write::StepsGone { rev, .. }
        | Write::SessionGone { rev, .. }
        | Write::AccountGone { rev, .. } => *rev,
    }
}

/// The session that a write is about; the account of one that is about a whole account.
pub fn session_of(write: &Write) -> &Uid {
    match write {
        Write::Header(session) | Write::Listing(session) => &session.row.uid,
        Write::Turn(turn) => &turn.session_uid,
        Write::Step { session_uid, .. }
        | Write::ListingGone { session_uid, .. }
        | Write::Grave { session_uid, .. }
        | Write::StepsGone { session_uid, .. }
        | Write::SessionGone { session_uid, .. } => session_uid,
        Write::AccountGone { account_uid, .. } => account_uid,
    }
}

/// Place of a write in its session, for grouping by partition: graph, then bodies by bucket.
pub(super) fn place(write: &Write) -> (u8, i32) {
    match write {
        Write::SessionGone { .. } => (0, 0),
        Write::Listing(_) | Write::ListingGone { .. } | Write::AccountGone { .. } => (1, 0),
        Write::Header(_) => (2, 0),
        Write::Turn(turn) => (3, turn.turn.seq),
        Write::Grave { seq, .. } => (3, *seq),
        Write::Step { seq, .. } | Write::StepsGone { seq, .. } => (4, *seq),
    }
}

/// Bytes of text that a write carries, about.
pub(super) fn bytes(write: &Write) -> usize {
    let text = match write {
        Write::Turn(turn) => turn.prompt.as_ref().map_or(0, String::len),
        Write::Step { step, .. } => step.content.len(),
        _ => 0,
    };
    text + 128
}

/// A write in words, without content.
pub(super) fn described(write: &Write) -> String {
    let session = session_of(write);
    match write {
        Write::Header(_) => format!("sessions {session}"),
        Write::Listing(_) | Write::ListingGone { .. } => format!("listing of session {session}"),
        Write::Turn(turn) => format!("turn {} ({session}, {})", turn.turn.uid, turn.turn.seq),
        Write::Grave { seq, .. } => format!("purge of turn ({session}, {seq})"),
        Write::Step { seq, step, .. } => {
            format!("steps {} {} ({session}, {seq})", step.turn_uid, step.idx)
        }
        Write::StepsGone { seq, idx, .. } => match idx {
            Some(idx) => format!("purge of step {idx} of turn ({session}, {seq})"),
            None => format!("purge of the steps of turn ({session}, {seq})"),
        },
        Write::SessionGone { .. } => format!("purge of session {session}"),
        Write::AccountGone { .. } => format!("purge of account {session}"),
    }
}
