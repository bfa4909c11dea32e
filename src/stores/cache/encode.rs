//! A session's rows to bytes; `decode` reads them back in the same order.

use std::collections::HashMap;

use super::wire::Writer;
use super::{HotBodies, HotSession};
use crate::domain::{SessionRow, StepRow, Timestamp, TurnRole, Uid};

/// The content of a session's entry.
pub(super) fn session(session: &HotSession) -> Vec<u8> {
    let mut out = Writer::default();
    let keys: Keys<'_> = session
        .turns
        .iter()
        .map(|turn| &turn.uid)
        .zip(0..)
        .collect();
    out.count(session.turns.len());
    for turn in &session.turns {
        out.uid(&turn.uid);
    }
    session_row(&mut out, &session.row, &keys);
    out.signed(session.as_of.0.wrapping_sub(session.row.created_at.0));
    turns(&mut out, session, &keys);
    bodies(&mut out, session, &keys);
    out.0
}

/// Places of the turns' keys.
type Keys<'a> = HashMap<&'a Uid, u64>;

/// A key that is mostly a turn's of the session: none 0, another key 1, else its place and two.
fn link(out: &mut Writer, uid: Option<&Uid>, keys: &Keys<'_>) {
    match uid.map(|uid| (uid, keys.get(uid))) {
        None => out.unsigned(0),
        Some((uid, None)) => {
            out.unsigned(1);
            out.uid(uid);
        }
        Some((_, Some(place))) => out.unsigned(place + 2),
    }
}

fn since(out: &mut Writer, at: Timestamp, base: Timestamp) {
    out.signed(at.0.wrapping_sub(base.0));
}

fn session_row(out: &mut Writer, row: &SessionRow, keys: &Keys<'_>) {
    let flags = u64::from(row.title.is_some())
        | u64::from(row.deleted_at.is_some()) << 1
        | u64::from(row.forked_from.is_some()) << 2;
    out.unsigned(flags);
    out.uid(&row.uid);
    out.uid(&row.account_uid);
    out.signed(row.created_at.0);
    if let Some(title) = &row.title {
        out.text(title);
    }
    if let Some(at) = row.deleted_at {
        since(out, at, row.created_at);
    }
    if let Some(origin) = &row.forked_from {
        out.uid(&origin.session_uid);
        out.uid(&origin.turn_uid);
        since(out, origin.at, row.created_at);
    }
    link(out, row.active_root.as_ref(), keys);
    out.signed(row.next_seq.into());
    since(out, row.last_activity_at, row.created_at);
    out.signed(row.rev.wrapping_sub(row.created_at.0));
}

fn turns(out: &mut Writer, session: &HotSession, keys: &Keys<'_>) {
    let mut before = (0, session.row.created_at, None);
    for turn in &session.turns {
        let (seq, at, model) = before;
        let liked = turn.liked.map_or(0, |liked| 1 + u64::from(liked));
        let status = turn.status.map_or(0, |status| 1 + status as u64);
        let flags = u64::from(turn.role == TurnRole::Agent)
            | u64::from(turn.deleted_at.is_some()) << 1
            | liked << 2
            | status << 4
            | u64::from(turn.finished_at.is_some()) << 7
            | u64::from(turn.usage.is_some()) << 8
            | u64::from(turn.model.is_some()) << 9
            // Most answers of a session are by one model.
            | u64::from(turn.model.is_some() && turn.model == model) << 10;
        out.unsigned(flags);
        out.signed(i64::from(turn.seq) - i64::from(seq));
        link(out, turn.parent_uid.as_ref(), keys);
        link(out, turn.active_child.as_ref(), keys);
        since(out, turn.created_at, at);
        out.signed(turn.rev.wrapping_sub(turn.created_at.0));
        for time in [turn.deleted_at, turn.finished_at].into_iter().flatten() {
            since(out, time, turn.created_at);
        }
        if let Some(usage) = &turn.usage {
            out.text(usage);
        }
        if let Some(own) = &turn.model
            && turn.model != model
        {
            out.text(own);
        }
        let model = turn.model.clone().or(model);
        before = (turn.seq, turn.created_at, model);
    }
}

fn bodies(out: &mut Writer, session: &HotSession, keys: &Keys<'_>) {
    out.count(session.bodies.len());
    let mut before = 0;
    for (&seq, body) in &session.bodies {
        out.signed(i64::from(seq) - before);
        before = seq.into();
        match body {
            HotBodies::Prompt(prompt) => {
                out.unsigned(0);
                out.text(prompt);
            }
            HotBodies::Steps(steps) => {
                out.unsigned(1);
                out.count(steps.len());
                let mut last = None;
                for step in steps {
                    write_step(out, step, last, keys);
                    last = Some(step);
                }
            }
        }
    }
}

/// A step against the one before it; the first against nothing.
fn write_step(out: &mut Writer, step: &StepRow, last: Option<&StepRow>, keys: &Keys<'_>) {
    let same = last.is_some_and(|last| last.turn_uid == step.turn_uid);
    // None means the same turn as before: a step always has one.
    link(out, (!same).then_some(&step.turn_uid), keys);
    let (idx, at) = last.map_or((-1, Timestamp(0)), |last| (last.idx, last.created_at));
    out.signed(i64::from(step.idx) - i64::from(idx));
    out.signed(step.tpe.into());
    since(out, step.created_at, at);
    out.signed(step.rev.wrapping_sub(step.created_at.0));
    out.text(&step.content);
}
