//! Patches as statements with their parameters: whether to set a column, and to what.
//!
//! Runs nothing; the transaction does.

use super::{Query, query, statements as st};
use crate::domain::{Timestamp, Uid};
use crate::stores::record::{SessionPatch, TurnPatch};
use crate::stores::sql::Statement;
use crate::stores::sql::columns::DbTime;
use crate::stores::sql::records::RevRecord;

/// A statement and its query; it answers the new version.
type Update<'q> = (Statement, Query<'q, RevRecord>);

/// The key that a column is set to, if it is set and not to null.
fn key(column: Option<&Option<Uid>>) -> Option<&str> {
    column.and_then(Option::as_ref).map(Uid::as_str)
}

/// Changes a session.
pub(super) fn session<'q>(uid: &'q Uid, patch: &'q SessionPatch, now: Timestamp) -> Update<'q> {
    let query = query(st::SESSION_UPDATE)
        .bind(uid.as_str())
        .bind(patch.title.is_some())
        .bind(patch.title.as_ref().and_then(Option::as_deref))
        .bind(patch.deleted_at.is_some())
        .bind(patch.deleted_at.flatten().map(DbTime))
        .bind(patch.active_root.is_some())
        .bind(key(patch.active_root.as_ref()))
        .bind(patch.next_seq)
        .bind(patch.last_activity_at.map(DbTime))
        .bind(now.0);
    (st::SESSION_UPDATE, query)
}

/// Changes a human turn; vote and progress are an agent turn's only.
pub(super) fn human_turn<'q>(uid: &'q Uid, patch: &'q TurnPatch, now: Timestamp) -> Update<'q> {
    let query = query(st::HUMAN_TURN_UPDATE)
        .bind(uid.as_str())
        .bind(patch.active_child.is_some())
        .bind(key(patch.active_child.as_ref()))
        .bind(patch.deleted_at.is_some())
        .bind(patch.deleted_at.flatten().map(DbTime))
        .bind(now.0);
    (st::HUMAN_TURN_UPDATE, query)
}

/// Changes an agent turn.
pub(super) fn agent_turn<'q>(uid: &'q Uid, patch: &'q TurnPatch, now: Timestamp) -> Update<'q> {
    let progress = patch.progress.as_ref();
    let query = query(st::AGENT_TURN_UPDATE)
        .bind(uid.as_str())
        .bind(patch.active_child.is_some())
        .bind(key(patch.active_child.as_ref()))
        .bind(patch.liked.is_some())
        .bind(patch.liked.flatten())
        .bind(patch.deleted_at.is_some())
        .bind(patch.deleted_at.flatten().map(DbTime))
        .bind(progress.map(|progress| progress.status.as_str()))
        .bind(
            progress
                .and_then(|progress| progress.finished_at)
                .map(DbTime),
        )
        .bind(progress.and_then(|progress| progress.usage.as_deref()))
        .bind(now.0);
    (st::AGENT_TURN_UPDATE, query)
}
