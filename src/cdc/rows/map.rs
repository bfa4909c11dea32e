//! The mapping itself: a row of each table becomes a `Change`, by the rules of the record's reads.
//!
//! Those rules: a session without creation time is the oldest there is, a turn or step without one
//! was written when it arrived (`rev`); empty links are none; null content and prompt are empty;
//! an unknown type is -1; an unknown status is none; a session that nobody has looked at yet was
//! last active when it was created.

use super::field::{Field, Large, Problem, fields};
use super::table::{Operation, Row, Table, Value};
use super::{Mapped, Skipped};
use crate::cdc::FeedEvent;
use crate::domain::change::{
    Change, Purge, PurgeKind, SessionAbsent, SessionChange, StepChange, TurnAbsent, TurnChange,
};
use crate::domain::{SessionRow, StepRow, Timestamp, TurnRole, TurnRow, TurnStatus, Uid};
use crate::stores::sql::columns::{DbTime, DbUid};
use crate::stores::sql::records::SessionRecord;

/// How far ahead of the clock a `rev` may be, in microseconds (one hour). A row with a later one
/// would stand above every write of that time to come.
pub const REV_AHEAD_MAX: i64 = 3_600_000_000;

/// A session without a creation time is listed as the oldest there is.
const OLDEST: Timestamp = Timestamp(0);

/// What a row amounts to. `now` is the present, against which its `rev` is held.
pub fn event(row: &Row<'_>, now: Timestamp) -> Mapped {
    if row.operation() == Operation::Update
        && matches!(row.table(), Table::PurgeLog | Table::ProjectionJobs)
    {
        return Mapped::Skipped(Skipped::Told);
    }
    match change(row, now) {
        Ok(Some(change)) => Mapped::Event(FeedEvent::Change(change)),
        Ok(None) => Mapped::Skipped(Skipped::Unaddressed),
        Err(problem) => Mapped::Event(FeedEvent::Unreadable {
            session_uid: session_of(row),
            row: name_of(row),
            problem,
        }),
    }
}

/// What the truncation of a table amounts to: none of the four given tables may be truncated.
pub fn truncated(table: Table) -> Option<Change> {
    match table {
        Table::PurgeLog | Table::ProjectionJobs => None,
        table => Some(Change::Suspect {
            session_uid: None,
            row: format!("{} (all rows: the table was truncated)", table.name()),
        }),
    }
}

fn change(row: &Row<'_>, now: Timestamp) -> Result<Option<Change>, Problem> {
    let change = match row.table() {
        Table::Sessions => Change::Session(Box::new(session(row, now)?)),
        Table::HumanTurns => match human_turn(row, now)? {
            Some(turn) => Change::Turn(Box::new(turn)),
            None => return Ok(None),
        },
        Table::AgentTurns => match agent_turn(row, now)? {
            Some(turn) => Change::Turn(Box::new(turn)),
            None => return Ok(None),
        },
        Table::Steps => Change::Step(Box::new(step(row, now)?)),
        Table::PurgeLog => Change::Purge(Box::new(purge(row, now)?)),
        Table::ProjectionJobs => numbered(row)?,
    };
    Ok(Some(change))
}

fn checked_rev(field: Field<'_>, now: Timestamp) -> Result<i64, Problem> {
    let rev = field.bigint()?;
    let ahead = rev.saturating_sub(now.0);
    if ahead <= REV_AHEAD_MAX {
        return Ok(rev);
    }
    Err(format!(
        "`rev` is {} s ahead of the clock, more than {} s: set the clocks right, then bring `rev` \
         back below the present",
        ahead / 1_000_000,
        REV_AHEAD_MAX / 1_000_000
    ))
}

fn session(row: &Row<'_>, now: Timestamp) -> Result<SessionChange, Problem> {
    let [uid, account_uid, title, created_at, deleted_at, rest @ ..] = fields::<10>(row);
    let [active_root, next_seq, last_activity_at, forked_from, rev] = rest;
    let title = title.large()?;
    let forked_from = forked_from.large()?;
    let created_at = created_at.time()?.unwrap_or(OLDEST);
    let record = SessionRecord {
        uid: DbUid(uid.key()?),
        account_uid: DbUid(account_uid.key()?),
        title: title.known().map(Into::into),
        created_at: DbTime(created_at),
        deleted_at: deleted_at.time()?.map(DbTime),
        active_root: active_root.link()?.map(DbUid),
        next_seq: next_seq.integer()?,
        last_activity_at: DbTime(last_activity_at.time()?.unwrap_or(created_at)),
        forked_from: forked_from.known().map(Into::into),
        rev: checked_rev(rev, now)?,
    };
    Ok(SessionChange {
        row: SessionRow::try_from(record).map_err(|error| error.reason)?,
        absent: SessionAbsent {
            title: title.is_absent(),
            forked_from: forked_from.is_absent(),
        },
    })
}

/// The columns that both kinds of turn have; none for a turn that has no number yet.
fn turn(row: &Row<'_>, role: TurnRole, now: Timestamp) -> Result<Option<(Uid, TurnRow)>, Problem> {
    let [uid, session_uid, parent_uid, active_child, rest @ ..] = fields::<8>(row);
    let [seq, created_at, deleted_at, rev] = rest;
    let Some(seq) = seq.integer_or_null()? else {
        return Ok(None);
    };
    let rev = checked_rev(rev, now)?;
    let turn = TurnRow {
        uid: uid.key()?,
        role,
        parent_uid: parent_uid.link()?,
        active_child: active_child.link()?,
        seq,
        created_at: created_at.time()?.unwrap_or(Timestamp(rev)),
        deleted_at: deleted_at.time()?,
        liked: None,
        model: None,
        status: None,
        finished_at: None,
        usage: None,
        rev,
    };
    Ok(Some((session_uid.key()?, turn)))
}

fn human_turn(row: &Row<'_>, now: Timestamp) -> Result<Option<TurnChange>, Problem> {
    let [.., prompt] = fields::<9>(row);
    let Some((session_uid, turn)) = turn(row, TurnRole::Human, now)? else {
        return Ok(None);
    };
    Ok(Some(TurnChange {
        session_uid,
        turn,
        prompt: match prompt.large()? {
            Large::Known(text) => Some(text.unwrap_or_default().to_owned()),
            Large::Absent => None,
        },
        absent: TurnAbsent::default(),
    }))
}

fn agent_turn(row: &Row<'_>, now: Timestamp) -> Result<Option<TurnChange>, Problem> {
    let [
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        liked,
        model,
        status,
        finished_at,
        usage,
    ] = fields::<13>(row);
    let Some((session_uid, mut turn)) = turn(row, TurnRole::Agent, now)? else {
        return Ok(None);
    };
    let model = model.large()?;
    let usage = usage.large()?;
    turn.liked = liked.boolean()?;
    turn.model = model.known().map(Into::into);
    // A status that is too large to be repeated is none that we know.
    turn.status = status.large()?.known().and_then(TurnStatus::from_stored);
    turn.finished_at = finished_at.time()?;
    turn.usage = usage.known().map(Into::into);
    Ok(Some(TurnChange {
        session_uid,
        turn,
        prompt: None,
        absent: TurnAbsent {
            model: model.is_absent(),
            usage: usage.is_absent(),
        },
    }))
}

fn step(row: &Row<'_>, now: Timestamp) -> Result<StepChange, Problem> {
    let [
        turn_uid,
        idx,
        tpe,
        content,
        created_at,
        session_uid,
        turn_seq,
        rev,
    ] = fields::<8>(row);
    let content = content.large()?;
    let rev = checked_rev(rev, now)?;
    Ok(StepChange {
        address: session_uid.link()?.zip(turn_seq.integer_or_null()?),
        step: StepRow {
            turn_uid: turn_uid.key()?,
            idx: idx.integer()?,
            tpe: tpe.integer_or_null()?.unwrap_or(-1),
            content: content.known().unwrap_or_default().into(),
            created_at: created_at.time()?.unwrap_or(Timestamp(rev)),
            rev,
        },
        content_absent: content.is_absent(),
    })
}

fn purge(row: &Row<'_>, now: Timestamp) -> Result<Purge, Problem> {
    let [
        kind,
        session_uid,
        seq,
        uid,
        idx,
        account_uid,
        created_at,
        rev,
    ] = fields::<8>(row);
    let kind = kind.text()?.and_then(PurgeKind::from_stored);
    Ok(Purge {
        kind: kind.ok_or(
            "`kind` is none that this program knows; a newer one wrote it: update this program",
        )?,
        session_uid: session_uid.link()?,
        seq: seq.integer_or_null()?,
        uid: uid.key()?,
        idx: idx.integer_or_null()?,
        account_uid: account_uid.link()?,
        created_at: created_at.time()?,
        rev: checked_rev(rev, now)?,
    })
}

fn numbered(row: &Row<'_>) -> Result<Change, Problem> {
    let [session_uid, from_seq, to_seq] = fields::<3>(row);
    Ok(Change::Numbered {
        session_uid: session_uid.key()?,
        from_seq: from_seq.integer()?,
        to_seq: to_seq.integer()?,
    })
}

/// The session of a row that cannot be read, as far as it goes.
fn session_of(row: &Row<'_>) -> Option<Uid> {
    let column = match row.table() {
        Table::Sessions => "uid",
        _ => "session_uid",
    };
    text_of(row, column)
        .filter(|uid| !uid.is_empty())
        .map(Uid::stored)
}

/// Table and key of a row, for people.
fn name_of(row: &Row<'_>) -> String {
    let table = row.table();
    let key: &[&str] = match table {
        Table::Steps => &["agent_turn_uid", "idx"],
        Table::PurgeLog => &["kind", "uid", "rev"],
        Table::ProjectionJobs => &["session_uid", "from_seq"],
        Table::Sessions | Table::HumanTurns | Table::AgentTurns => &["uid"],
    };
    let mut name = table.name().to_owned();
    for column in key {
        name.push(' ');
        // A key of any length may stand here; it is for people, so its beginning is enough.
        name.extend(text_of(row, column).unwrap_or("?").chars().take(200));
    }
    name
}

fn text_of<'a>(row: &Row<'a>, column: &str) -> Option<&'a str> {
    match row.value(row.table().place(column)?) {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
