//! Changes of rows as columns of arrays: whether to set a column, and to what.

use crate::domain::Uid;
use crate::stores::postgres::batch::columns;
use crate::stores::record::{SessionPatch, TurnEdit};
use crate::stores::sql::columns::DbTime;

columns! {
    /// Changes of turns; human ones have but some of them.
    TurnEditColumns<'a> {
        uid: &'a str,
        set_child: bool,
        active_child: Option<&'a str>,
        set_liked: bool,
        liked: Option<bool>,
        set_deleted: bool,
        deleted_at: Option<DbTime>,
        status: Option<&'a str>,
        finished_at: Option<DbTime>,
        usage: Option<&'a str>,
    }
}

columns! {
    /// Changes of sessions.
    SessionEditColumns<'a> {
        uid: &'a str,
        set_title: bool,
        title: Option<&'a str>,
        set_deleted: bool,
        deleted_at: Option<DbTime>,
        set_root: bool,
        active_root: Option<&'a str>,
        next_seq: Option<i32>,
        last_activity_at: Option<DbTime>,
    }
}

fn text(uid: Option<&Uid>) -> Option<&str> {
    uid.map(Uid::as_str)
}

/// Changes of turns of one kind.
pub(super) fn turn_edits<'a>(edits: &[TurnEdit<'a>]) -> TurnEditColumns<'a> {
    let mut columns = TurnEditColumns::default();
    for TurnEdit { uid, patch, .. } in edits {
        let progress = patch.progress.as_ref();
        columns.uid.push(uid.as_str());
        columns.set_child.push(patch.active_child.is_some());
        columns
            .active_child
            .push(text(patch.active_child.iter().flatten().next()));
        columns.set_liked.push(patch.liked.is_some());
        columns.liked.push(patch.liked.flatten());
        columns.set_deleted.push(patch.deleted_at.is_some());
        columns
            .deleted_at
            .push(patch.deleted_at.flatten().map(DbTime));
        columns.status.push(progress.map(|p| p.status.as_str()));
        columns
            .finished_at
            .push(progress.and_then(|p| p.finished_at).map(DbTime));
        columns
            .usage
            .push(progress.and_then(|p| p.usage.as_deref()));
    }
    columns
}

/// Changes of sessions.
pub(super) fn session_edits<'a>(edits: &[(&'a Uid, &'a SessionPatch)]) -> SessionEditColumns<'a> {
    let mut columns = SessionEditColumns::default();
    for (uid, patch) in edits {
        columns.uid.push(uid.as_str());
        columns.set_title.push(patch.title.is_some());
        columns
            .title
            .push(patch.title.as_ref().and_then(Option::as_deref));
        columns.set_deleted.push(patch.deleted_at.is_some());
        columns
            .deleted_at
            .push(patch.deleted_at.flatten().map(DbTime));
        columns.set_root.push(patch.active_root.is_some());
        columns
            .active_root
            .push(text(patch.active_root.iter().flatten().next()));
        columns.next_seq.push(patch.next_seq);
        columns
            .last_activity_at
            .push(patch.last_activity_at.map(DbTime));
    }
    columns
}
