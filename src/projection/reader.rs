//! Reads one session of the record store in runs of turns, for numbers that were just given,
//! repair, rebuild and comparison. However long a session is, one run of it is in memory.

use super::writes::TurnRun;
use crate::domain::SessionRow;
use crate::domain::Uid;
use crate::stores::ProjectionSource;
use crate::stores::record::StoreResult;

/// Turns that are read at once.
pub(super) const RUN_TURNS: i32 = 64;

/// The runs of `from_seq..=to_seq`.
pub(super) fn runs(from_seq: i32, to_seq: i32) -> impl Iterator<Item = (i32, i32)> {
    let starts = (from_seq..=to_seq).step_by(RUN_TURNS as usize);
    starts.map(move |from| (from, to_seq.min(from.saturating_add(RUN_TURNS - 1))))
}

/// The session's row, where it exists.
pub(super) async fn session(
    source: &dyn ProjectionSource,
    uid: &Uid,
) -> StoreResult<Option<SessionRow>> {
    let rows = source.session_rows(std::slice::from_ref(uid)).await?;
    Ok(rows.into_iter().next())
}

/// One run of a session whose row was read before. What was purged of it is read only where a
/// number has no turn: then there is a grave to write.
pub(super) async fn run(
    source: &dyn ProjectionSource,
    session: &SessionRow,
    (from_seq, to_seq): (i32, i32),
) -> StoreResult<TurnRun> {
    let turns = source.turns(&session.uid, from_seq, to_seq).await?;
    let last = to_seq.min(session.next_seq - 1);
    let numbers = usize::try_from(last - from_seq + 1).unwrap_or(0);
    let purges = if turns.len() < numbers {
        source.purges(&session.uid).await?
    } else {
        Vec::new()
    };
    Ok(TurnRun {
        session: session.clone(),
        from_seq,
        to_seq,
        turns,
        purges,
    })
}
