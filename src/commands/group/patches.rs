//! Changes of rows: in memory as in the store, and several of one row as one. Pure.

use crate::domain::{SessionRow, TurnRow, TurnStatus};
use crate::stores::record::{SessionPatch, TurnPatch};

/// Changes a session in memory as the store will.
pub(super) fn apply_to_session(session: &mut SessionRow, patch: &SessionPatch) {
    if let Some(title) = &patch.title {
        session.title = title.as_deref().map(Into::into);
    }
    if let Some(deleted_at) = patch.deleted_at {
        session.deleted_at = deleted_at;
    }
    if let Some(active_root) = &patch.active_root {
        session.active_root.clone_from(active_root);
    }
    if let Some(next_seq) = patch.next_seq {
        session.next_seq = next_seq;
    }
    if let Some(at) = patch.last_activity_at {
        session.last_activity_at = at;
    }
}

/// One change for two that follow each other.
pub(super) fn merge_sessions(patch: &mut SessionPatch, later: SessionPatch) {
    patch.title = later.title.or(patch.title.take());
    patch.deleted_at = later.deleted_at.or(patch.deleted_at);
    patch.active_root = later.active_root.or(patch.active_root.take());
    patch.next_seq = later.next_seq.or(patch.next_seq);
    patch.last_activity_at = later.last_activity_at.or(patch.last_activity_at);
}

/// Changes a turn in memory as the store will.
pub(super) fn apply_to_turn(turn: &mut TurnRow, patch: &TurnPatch) {
    if let Some(active_child) = &patch.active_child {
        turn.active_child.clone_from(active_child);
    }
    if let Some(liked) = patch.liked {
        turn.liked = liked;
    }
    if let Some(deleted_at) = patch.deleted_at {
        turn.deleted_at = deleted_at;
    }
    if let Some(progress) = &patch.progress {
        turn.status = Some(progress.status);
        turn.finished_at = match progress.status {
            TurnStatus::Streaming => None,
            _ => progress.finished_at.or(turn.finished_at),
        };
        if let Some(usage) = &progress.usage {
            turn.usage = Some(usage.as_str().into());
        }
    }
}

/// One change for two that follow each other.
pub(super) fn merge_turns(patch: &mut TurnPatch, later: TurnPatch) {
    patch.active_child = later.active_child.or(patch.active_child.take());
    patch.liked = later.liked.or(patch.liked);
    patch.deleted_at = later.deleted_at.or(patch.deleted_at);
    if let Some(mut progress) = later.progress {
        if let Some(before) = patch.progress.take() {
            progress.usage = progress.usage.or(before.usage);
            // Whoever ends a turn says when, so that no end is left from before it went on.
            progress.finished_at = progress.finished_at.or(before.finished_at);
        }
        patch.progress = Some(progress);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Timestamp, Uid};
    use crate::stores::record::TurnProgress;

    fn progress(status: TurnStatus, at: Option<i64>, usage: Option<&str>) -> TurnPatch {
        TurnPatch {
            progress: Some(TurnProgress {
                status,
                finished_at: at.map(Timestamp),
                usage: usage.map(Into::into),
            }),
            ..TurnPatch::default()
        }
    }

    /// Every order of three changes leaves the row as the merged change does.
    #[test]
    fn merged_changes_do_what_they_do_one_after_another() {
        let liked = TurnPatch {
            liked: Some(Some(true)),
            deleted_at: Some(Some(Timestamp(7))),
            ..TurnPatch::default()
        };
        let back = TurnPatch {
            liked: Some(None),
            active_child: Some(Some(Uid::stored("c"))),
            deleted_at: Some(None),
            ..TurnPatch::default()
        };
        let changes = [
            liked,
            back,
            progress(TurnStatus::Complete, Some(5), Some("{}")),
            progress(TurnStatus::Streaming, None, None),
            progress(TurnStatus::Cancelled, Some(9), None),
        ];
        let turn = crate::commands::turn::human_row(Uid::stored("t"), 0, Timestamp(0), 0);
        for first in &changes {
            for second in &changes {
                for third in &changes {
                    let (mut apart, mut once) = (turn.clone(), turn.clone());
                    let mut merged = TurnPatch::default();
                    for change in [first, second, third] {
                        apply_to_turn(&mut apart, change);
                        merge_turns(&mut merged, change.clone());
                    }
                    apply_to_turn(&mut once, &merged);
                    assert_eq!(once, apart, "{first:?} {second:?} {third:?}");
                }
            }
        }
    }

    #[test]
    fn the_last_change_of_a_column_of_a_session_counts() {
        let mut patch = SessionPatch {
            title: Some(Some("a".into())),
            next_seq: Some(1),
            ..SessionPatch::default()
        };
        merge_sessions(
            &mut patch,
            SessionPatch {
                title: Some(None),
                last_activity_at: Some(Timestamp(3)),
                ..SessionPatch::default()
            },
        );
        let wanted = SessionPatch {
            title: Some(None),
            next_seq: Some(1),
            last_activity_at: Some(Timestamp(3)),
            ..SessionPatch::default()
        };
        assert_eq!(patch, wanted);
    }
}
