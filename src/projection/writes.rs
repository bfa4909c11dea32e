//! From a change to the writes of a projection: the one place where this is decided, for the
//! change feed, dual writes, repair and rebuild alike.
//!
//! Pure: what must be looked up in the record store comes in as [`SourceRows`]. A projection is
//! never read in order to write it, so order and repetition of changes do not matter.

use std::collections::HashMap;

pub(super) use super::facts::{bytes, described, place};
pub use super::facts::{rev, session_of};
use crate::domain::change::{
    Change, Purge, PurgeKind, SessionAbsent, SessionChange, StepChange, TurnAbsent, TurnChange,
};
use crate::domain::{SessionRow, Timestamp, Uid};
use crate::stores::projection::{BUCKET_TURNS, Write};
use crate::stores::source::SourceTurn;

/// A version that is further ahead of the projector's clock is not believed: stores would take
/// it and hide every honest write that follows. One hour, in microseconds.
pub const REV_AHEAD_MAX: i64 = 3_600_000_000;

/// What the record store knows of the turns that changes name without saying where they are.
#[derive(Debug, Clone, Default)]
pub struct SourceRows {
    /// Session and number of turns.
    pub addresses: HashMap<Uid, (Uid, i32)>,
    /// The run of turns that a [`Change::Numbered`] is about.
    pub run: Option<TurnRun>,
}

/// A run of turns of one session, as the record store has them.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnRun {
    /// The session's row.
    pub session: SessionRow,
    /// First number of the run.
    pub from_seq: i32,
    /// Last number of the run (inclusive).
    pub to_seq: i32,
    /// The turns of the run that exist.
    pub turns: Vec<SourceTurn>,
    /// Everything that was purged of the session.
    pub purges: Vec<Purge>,
}

/// A change, or a part of one, that cannot be projected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The session, where known.
    pub session_uid: Option<Uid>,
    /// Table and key of the row; never content.
    pub row: String,
    /// Version of the row, where known.
    pub rev: Option<i64>,
    /// What is wrong, in words without content.
    pub error: String,
}

/// What becomes of a change.
#[derive(Debug, Default, PartialEq)]
pub struct Projected {
    /// To be applied, in any order.
    pub writes: Vec<Write>,
    /// To be put aside.
    pub problems: Vec<Problem>,
}

/// The writes of one change. A change whose address nobody knows (yet) has none: the numbers that
/// its turn gets later are told by [`Change::Numbered`], which brings everything.
pub fn writes(change: &Change, rows: &SourceRows, now: Timestamp) -> Projected {
    let mut projected = Projected::default();
    match change {
        Change::Session(session) => projected.writes = session_writes(session).into(),
        Change::Turn(turn) => projected.writes.push(Write::Turn((**turn).clone())),
        Change::Step(step) => projected.writes.extend(step_write(step, rows)),
        Change::Purge(purge) => projected.writes = purge_writes(purge, rows),
        Change::Numbered { .. } => {
            if let Some(run) = &rows.run {
                let session = whole_session(&run.session);
                projected.writes = session_writes(&session).into();
                projected.writes.extend(run_writes(run));
            }
        }
        Change::Suspect { session_uid, row } => projected.problems.push(Problem {
            session_uid: session_uid.clone(),
            row: row.clone(),
            rev: None,
            error: "the row went without a trace; its session must be compared with the record \
                    store"
                .to_owned(),
        }),
    }
    put_aside_what_is_ahead(&mut projected, now);
    projected
}

/// Header and listing of a session.
pub fn session_writes(session: &SessionChange) -> [Write; 2] {
    [
        Write::Header(session.clone()),
        Write::Listing(session.clone()),
    ]
}

/// A session's row with all its values, as a change.
pub fn whole_session(row: &SessionRow) -> SessionChange {
    SessionChange {
        row: row.clone(),
        absent: SessionAbsent::default(),
    }
}

/// The turns of a run with their bodies, and graves for its numbers that have no turn.
pub fn run_writes(run: &TurnRun) -> Vec<Write> {
    let session_uid = &run.session.uid;
    let mut writes = Vec::new();
    for source in &run.turns {
        writes.push(Write::Turn(TurnChange {
            session_uid: session_uid.clone(),
            turn: source.turn.clone(),
            prompt: source.prompt.clone(),
            absent: TurnAbsent::default(),
        }));
        writes.extend(source.steps.iter().map(|step| Write::Step {
            session_uid: session_uid.clone(),
            seq: source.turn.seq,
            step: step.clone(),
            content_absent: false,
        }));
    }
    writes.extend(graves(run));
    writes
}

/// A number below `next_seq` without a row was given to a turn that is gone: numbers and
/// `next_seq` are committed together, and the session was read before the turns.
fn graves(run: &TurnRun) -> impl Iterator<Item = Write> {
    let living: std::collections::HashSet<i32> = run.turns.iter().map(|t| t.turn.seq).collect();
    let last = run.to_seq.min(run.session.next_seq - 1);
    (run.from_seq..=last)
        .filter(move |seq| !living.contains(seq))
        .map(|seq| Write::Grave {
            session_uid: run.session.uid.clone(),
            seq,
            rev: grave_rev(run, seq),
        })
}

/// Above every version that the turn had: that of its purge where it is logged.
fn grave_rev(run: &TurnRun, seq: i32) -> i64 {
    let purged = run
        .purges
        .iter()
        .filter(|p| p.seq == Some(seq) && matches!(p.kind, PurgeKind::Turn | PurgeKind::Address));
    let purged = purged.map(|purge| purge.rev).max().unwrap_or(i64::MIN);
    purged.max(run.session.rev + 1)
}

fn step_write(change: &StepChange, rows: &SourceRows) -> Option<Write> {
    let address = change.address.as_ref();
    let (session_uid, seq) = address.or_else(|| rows.addresses.get(&change.step.turn_uid))?;
    Some(Write::Step {
        session_uid: session_uid.clone(),
        seq: *seq,
        step: change.step.clone(),
        content_absent: change.content_absent,
    })
}

/// The turn that a change names without an address, which must be looked up.
pub fn unaddressed(change: &Change) -> Option<&Uid> {
    match change {
        Change::Step(step) if step.address.is_none() => Some(&step.step.turn_uid),
        Change::Purge(purge) if purge.idx.is_some() || purge.kind == PurgeKind::TurnSteps => {
            let known = purge.session_uid.is_some() && purge.seq.is_some();
            (!known).then_some(&purge.uid)
        }
        _ => None,
    }
}

/// Writes of a row of `purge_log`.
pub fn purge_writes(purge: &Purge, rows: &SourceRows) -> Vec<Write> {
    let rev = purge.rev;
    if purge.kind == PurgeKind::Session {
        let gone = Write::SessionGone {
            session_uid: purge.uid.clone(),
            // A session whose last number is not known had its turns in one bucket at least.
            next_seq: purge.seq.unwrap_or(BUCKET_TURNS),
            rev,
        };
        return std::iter::once(gone).chain(unlisted(purge)).collect();
    }
    if purge.kind == PurgeKind::Listing {
        return unlisted(purge).into_iter().collect();
    }
    if purge.kind == PurgeKind::Account {
        let account_uid = purge.uid.clone();
        return vec![Write::AccountGone { account_uid, rev }];
    }
    let known = purge.session_uid.clone().zip(purge.seq);
    // The uid names the turn; where the address is not told it may still be known by that.
    let found = || rows.addresses.get(&purge.uid).cloned();
    let by_steps = purge.idx.is_some() || purge.kind == PurgeKind::TurnSteps;
    let address = known.or_else(|| by_steps.then(found).flatten());
    let Some((session_uid, seq)) = address else {
        return Vec::new();
    };
    let whole_turn = matches!(purge.kind, PurgeKind::Turn | PurgeKind::Address);
    vec![if whole_turn && purge.idx.is_none() {
        Write::Grave {
            session_uid,
            seq,
            rev,
        }
    } else {
        Write::StepsGone {
            session_uid,
            seq,
            idx: purge.idx,
            rev,
        }
    }]
}

fn unlisted(purge: &Purge) -> Option<Write> {
    Some(Write::ListingGone {
        account_uid: purge.account_uid.clone()?,
        created_at: purge.created_at?,
        session_uid: purge.uid.clone(),
        rev: purge.rev,
    })
}

fn put_aside_what_is_ahead(projected: &mut Projected, now: Timestamp) {
    let latest = now.0.saturating_add(REV_AHEAD_MAX);
    let (kept, ahead) = std::mem::take(&mut projected.writes)
        .into_iter()
        .partition(|write| rev(write) <= latest);
    projected.writes = kept;
    for write in &ahead {
        // Header and listing come from one row, which is told once.
        if matches!(write, Write::Listing(_)) {
            continue;
        }
        let rev = rev(write);
        projected.problems.push(Problem {
            session_uid: Some(session_of(write).clone()),
            row: described(write),
            rev: Some(rev),
            error: format!(
                "rev {rev} is {} s ahead of the projector's clock; set the clock of the record \
                 store's host right",
                (rev - now.0) / 1_000_000
            ),
        });
    }
}
