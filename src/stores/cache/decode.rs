//! A session's rows from bytes, in the order in which `encode` wrote them. Anything that does not
//! fit is `None`.

use std::collections::BTreeMap;

use super::wire::Reader;
use super::{HotBodies, HotSession};
use crate::domain::{
    ForkOrigin, SessionRow, StepRow, Timestamp, TurnRole, TurnRow, TurnStatus, Uid,
};

/// A session from the content of its entry.
pub(super) fn session(from: &mut Reader<'_>) -> Option<HotSession> {
    let count = from.count(2)?;
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        keys.push(from.uid()?);
    }
    let row = session_row(from, &keys)?;
    let as_of = since(from, row.created_at)?;
    Some(HotSession {
        turns: turns(from, &row, &keys)?,
        bodies: bodies(from, &keys)?,
        row,
        as_of,
    })
}

fn link(from: &mut Reader<'_>, keys: &[Uid]) -> Option<Option<Uid>> {
    Some(match from.unsigned()? {
        0 => None,
        1 => Some(from.uid()?),
        place => Some(keys.get(usize::try_from(place - 2).ok()?)?.clone()),
    })
}

fn since(from: &mut Reader<'_>, base: Timestamp) -> Option<Timestamp> {
    Some(Timestamp(base.0.wrapping_add(from.signed()?)))
}

fn session_row(from: &mut Reader<'_>, keys: &[Uid]) -> Option<SessionRow> {
    let flags = from.unsigned()?;
    let uid = from.uid()?;
    let account_uid = from.uid()?;
    let created_at = Timestamp(from.signed()?);
    let title = match flags & 1 {
        0 => None,
        _ => Some(from.text()?.into()),
    };
    let deleted_at = match flags & 2 {
        0 => None,
        _ => Some(since(from, created_at)?),
    };
    let forked_from = match flags & 4 {
        0 => None,
        _ => Some(ForkOrigin {
            session_uid: from.uid()?,
            turn_uid: from.uid()?,
            at: since(from, created_at)?,
        }),
    };
    Some(SessionRow {
        uid,
        account_uid,
        title,
        created_at,
        deleted_at,
        active_root: link(from, keys)?,
        next_seq: from.small()?,
        last_activity_at: since(from, created_at)?,
        forked_from,
        rev: created_at.0.wrapping_add(from.signed()?),
    })
}

fn turns(from: &mut Reader<'_>, row: &SessionRow, keys: &[Uid]) -> Option<Vec<TurnRow>> {
    let mut turns: Vec<TurnRow> = Vec::with_capacity(keys.len());
    let mut model: Option<Box<str>> = None;
    for uid in keys {
        let flags = from.unsigned()?;
        let (seq, at) = turns
            .last()
            .map_or((0, row.created_at), |turn| (turn.seq, turn.created_at));
        let seq = i32::try_from(i64::from(seq).checked_add(from.signed()?)?).ok()?;
        let parent_uid = link(from, keys)?;
        let active_child = link(from, keys)?;
        let created_at = since(from, at)?;
        let rev = created_at.0.wrapping_add(from.signed()?);
        let mut time = |bit: u64| match flags & bit {
            0 => Some(None),
            _ => Some(Some(since(from, created_at)?)),
        };
        let (deleted_at, finished_at) = (time(1 << 1)?, time(1 << 7)?);
        let usage = match flags & 1 << 8 {
            0 => None,
            _ => Some(from.text()?.into()),
        };
        let own = match (flags >> 9) & 3 {
            0 => None,
            1 => Some(from.text()?.into()),
            3 => Some(model.clone()?),
            _ => return None,
        };
        model = own.clone().or(model);
        turns.push(TurnRow {
            uid: uid.clone(),
            role: match flags & 1 {
                0 => TurnRole::Human,
                _ => TurnRole::Agent,
            },
            parent_uid,
            active_child,
            seq,
            created_at,
            deleted_at,
            liked: match (flags >> 2) & 3 {
                0 => None,
                1 => Some(false),
                2 => Some(true),
                _ => return None,
            },
            model: own,
            status: match (flags >> 4) & 7 {
                0 => None,
                place => Some(*TurnStatus::ALL.get(place as usize - 1)?),
            },
            finished_at,
            usage,
            rev,
        });
    }
    Some(turns)
}

fn step(from: &mut Reader<'_>, last: Option<&StepRow>, keys: &[Uid]) -> Option<StepRow> {
    let turn_uid = match link(from, keys)? {
        Some(uid) => uid,
        None => last?.turn_uid.clone(),
    };
    let (idx, at) = last.map_or((-1, Timestamp(0)), |last| (last.idx, last.created_at));
    let idx = i32::try_from(i64::from(idx).checked_add(from.signed()?)?).ok()?;
    let tpe = from.small()?;
    let created_at = since(from, at)?;
    Some(StepRow {
        turn_uid,
        idx,
        tpe,
        created_at,
        rev: created_at.0.wrapping_add(from.signed()?),
        content: from.text()?.into(),
    })
}

fn bodies(from: &mut Reader<'_>, keys: &[Uid]) -> Option<BTreeMap<i32, HotBodies>> {
    let mut bodies = BTreeMap::new();
    let mut before = 0i64;
    for _ in 0..from.count(3)? {
        before = before.checked_add(from.signed()?)?;
        let body = match from.unsigned()? {
            0 => HotBodies::Prompt(from.text()?.to_owned()),
            1 => {
                let count = from.count(6)?;
                let mut steps: Vec<StepRow> = Vec::with_capacity(count);
                for _ in 0..count {
                    let step = step(from, steps.last(), keys)?;
                    steps.push(step);
                }
                HotBodies::Steps(steps)
            }
            _ => return None,
        };
        bodies.insert(i32::try_from(before).ok()?, body);
    }
    Some(bodies)
}
