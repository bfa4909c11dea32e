//! Columns as they are read, and the rows that they stand for. A row of which some cells have not
//! arrived is told apart from one that cannot be.

use scylla::DeserializeRow;
use scylla::response::query_result::QueryRowsResult;

use super::encode::{
    AGENT, GRAVE, HUMAN, PROMPT_IDX, fork_back, key_back, status_back, text_back, time_back,
    vote_back,
};
use super::error::{corrupt, failure};
use crate::domain::{SessionRow, StepRow, Timestamp, TurnRole, TurnRow, Uid};
use crate::stores::StoreErrorKind;
use crate::stores::projection::{BodyPart, ProjectedBodies};
use crate::stores::record::StoreResult;

/// The header's columns.
#[derive(DeserializeRow)]
#[scylla(flavor = "enforce_order", skip_name_checks)]
pub(super) struct HeaderCells<'a> {
    _session_uid: Option<&'a str>,
    account_uid: Option<&'a str>,
    title: Option<&'a str>,
    begun_us: Option<i64>,
    removed_us: Option<i64>,
    active_root: Option<&'a str>,
    next_seq: Option<i32>,
    last_activity_us: Option<i64>,
    forked_from: Option<&'a str>,
    session_rev: Option<i64>,
}

/// A turn's columns.
#[derive(DeserializeRow)]
#[scylla(flavor = "enforce_order", skip_name_checks)]
pub(super) struct TurnCells<'a> {
    pub(super) seq: Option<i32>,
    uid: Option<&'a str>,
    kind: Option<i8>,
    parent_uid: Option<&'a str>,
    active_child: Option<&'a str>,
    liked: Option<i8>,
    created_us: Option<i64>,
    deleted_us: Option<i64>,
    model: Option<&'a str>,
    status: Option<i8>,
    finished_us: Option<i64>,
    usage: Option<&'a str>,
    rev: Option<i64>,
}

/// Both.
#[derive(DeserializeRow)]
#[scylla(flavor = "enforce_order", skip_name_checks)]
pub(super) struct GraphCells<'a> {
    account_uid: Option<&'a str>,
    title: Option<&'a str>,
    begun_us: Option<i64>,
    removed_us: Option<i64>,
    active_root: Option<&'a str>,
    next_seq: Option<i32>,
    last_activity_us: Option<i64>,
    forked_from: Option<&'a str>,
    session_rev: Option<i64>,
    seq: Option<i32>,
    uid: Option<&'a str>,
    kind: Option<i8>,
    parent_uid: Option<&'a str>,
    active_child: Option<&'a str>,
    liked: Option<i8>,
    created_us: Option<i64>,
    deleted_us: Option<i64>,
    model: Option<&'a str>,
    status: Option<i8>,
    finished_us: Option<i64>,
    usage: Option<&'a str>,
    rev: Option<i64>,
}

impl<'a> GraphCells<'a> {
    pub(super) fn split(self) -> (HeaderCells<'a>, TurnCells<'a>) {
        let header = HeaderCells {
            _session_uid: None,
            account_uid: self.account_uid,
            title: self.title,
            begun_us: self.begun_us,
            removed_us: self.removed_us,
            active_root: self.active_root,
            next_seq: self.next_seq,
            last_activity_us: self.last_activity_us,
            forked_from: self.forked_from,
            session_rev: self.session_rev,
        };
        let turn = TurnCells {
            seq: self.seq,
            uid: self.uid,
            kind: self.kind,
            parent_uid: self.parent_uid,
            active_child: self.active_child,
            liked: self.liked,
            created_us: self.created_us,
            deleted_us: self.deleted_us,
            model: self.model,
            status: self.status,
            finished_us: self.finished_us,
            usage: self.usage,
            rev: self.rev,
        };
        (header, turn)
    }
}

/// A body without its text.
#[derive(DeserializeRow)]
#[scylla(flavor = "enforce_order", skip_name_checks)]
pub(super) struct HeadCells<'a> {
    seq: i32,
    idx: i32,
    turn_uid: Option<&'a str>,
    tpe: Option<i32>,
    bytes: Option<i32>,
    created_us: Option<i64>,
    rev: Option<i64>,
}

/// A body.
#[derive(DeserializeRow)]
#[scylla(flavor = "enforce_order", skip_name_checks)]
pub(super) struct BodyCells<'a> {
    pub(super) seq: i32,
    idx: i32,
    turn_uid: Option<&'a str>,
    tpe: Option<i32>,
    bytes: Option<i32>,
    created_us: Option<i64>,
    rev: Option<i64>,
    content: Option<&'a str>,
}

/// What a row of the graph is.
pub(super) enum Place {
    Turn(Box<TurnRow>),
    Grave,
    /// Some of its cells have not arrived.
    Torn,
}

fn unreadable(action: &'static str, column: &str) -> crate::stores::StoreError {
    failure(
        StoreErrorKind::Corrupt,
        action,
        format!("`{column}` holds what no turngraph of this encoding writes"),
    )
}

impl HeaderCells<'_> {
    /// The session's row; `None` while a part of it has not arrived.
    pub(super) fn row(&self, uid: &Uid) -> StoreResult<Option<SessionRow>> {
        let bad = |column| move |()| unreadable("header", column);
        let (Some(account_uid), Some(title), Some(begun_us), Some(removed_us), Some(active_root)) = (
            self.account_uid,
            self.title,
            self.begun_us,
            self.removed_us,
            self.active_root,
        ) else {
            return Ok(None);
        };
        let (Some(next_seq), Some(last_activity_us), Some(forked_from), Some(rev)) = (
            self.next_seq,
            self.last_activity_us,
            self.forked_from,
            self.session_rev,
        ) else {
            return Ok(None);
        };
        Ok(Some(SessionRow {
            uid: uid.clone(),
            account_uid: Uid::stored(account_uid),
            title: text_back(title).map_err(bad("title"))?,
            created_at: Timestamp(begun_us),
            deleted_at: time_back(removed_us),
            active_root: key_back(active_root),
            next_seq,
            last_activity_at: Timestamp(last_activity_us),
            forked_from: fork_back(forked_from).map_err(bad("forked_from"))?,
            rev,
        }))
    }
}

impl TurnCells<'_> {
    pub(super) fn place(&self, seq: i32) -> StoreResult<Place> {
        let bad = |column| move |()| unreadable("graph", column);
        let role = match self.kind {
            None => return Ok(Place::Torn),
            Some(GRAVE) => return Ok(Place::Grave),
            Some(HUMAN) => TurnRole::Human,
            Some(AGENT) => TurnRole::Agent,
            Some(_) => return Err(unreadable("graph", "kind")),
        };
        let (Some(uid), Some(parent_uid), Some(active_child), Some(liked), Some(created_us)) = (
            self.uid,
            self.parent_uid,
            self.active_child,
            self.liked,
            self.created_us,
        ) else {
            return Ok(Place::Torn);
        };
        let (Some(deleted_us), Some(model), Some(status), Some(finished_us)) =
            (self.deleted_us, self.model, self.status, self.finished_us)
        else {
            return Ok(Place::Torn);
        };
        let (Some(usage), Some(rev)) = (self.usage, self.rev) else {
            return Ok(Place::Torn);
        };
        Ok(Place::Turn(Box::new(TurnRow {
            uid: Uid::stored(uid),
            role,
            parent_uid: key_back(parent_uid),
            active_child: key_back(active_child),
            seq,
            created_at: Timestamp(created_us),
            deleted_at: time_back(deleted_us),
            liked: vote_back(liked).map_err(bad("liked"))?,
            model: text_back(model).map_err(bad("model"))?,
            status: status_back(status).map_err(bad("status"))?,
            finished_at: time_back(finished_us),
            usage: text_back(usage).map_err(bad("usage"))?,
            rev,
        })))
    }
}

/// Hands over each body of a page.
pub(super) fn gather_bodies(
    page: &QueryRowsResult,
    part: BodyPart,
    each: &mut dyn FnMut(BodyCells<'_>),
) -> StoreResult<()> {
    const ACTION: &str = "bodies";
    match part {
        BodyPart::Whole => {
            let rows = page.rows::<BodyCells<'_>>();
            for cells in rows.map_err(|error| corrupt(ACTION, error))? {
                each(cells.map_err(|error| corrupt(ACTION, error))?);
            }
        }
        BodyPart::Heads => {
            let rows = page.rows::<HeadCells<'_>>();
            for cells in rows.map_err(|error| corrupt(ACTION, error))? {
                let head = cells.map_err(|error| corrupt(ACTION, error))?;
                each(BodyCells {
                    seq: head.seq,
                    idx: head.idx,
                    turn_uid: head.turn_uid,
                    tpe: head.tpe,
                    bytes: head.bytes,
                    created_us: head.created_us,
                    rev: head.rev,
                    content: None,
                });
            }
        }
    }
    Ok(())
}

/// Adds a body to those of its turn.
pub(super) fn add_body(bodies: &mut ProjectedBodies, cells: &BodyCells<'_>, part: BodyPart) {
    let (Some(turn_uid), Some(tpe), Some(created_us), Some(rev)) =
        (cells.turn_uid, cells.tpe, cells.created_us, cells.rev)
    else {
        bodies.partial = true;
        return;
    };
    let content = match (part, cells.content, cells.bytes) {
        (BodyPart::Heads, ..) => Some(""),
        (BodyPart::Whole, Some(content), Some(bytes))
            if usize::try_from(bytes) == Ok(content.len()) =>
        {
            Some(content)
        }
        // Too long to be here, or it has not arrived.
        _ => None,
    };
    bodies.partial |= content.is_none();
    match (cells.idx, part) {
        (PROMPT_IDX, BodyPart::Heads) => {}
        (PROMPT_IDX, BodyPart::Whole) => bodies.prompt = content.map(str::to_owned),
        (idx, _) => bodies.steps.push(StepRow {
            turn_uid: Uid::stored(turn_uid),
            idx,
            tpe,
            content: content.unwrap_or_default().into(),
            created_at: Timestamp(created_us),
            rev,
        }),
    }
}
