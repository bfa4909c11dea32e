//! When a place is written, and when it is known.

use super::*;
use crate::domain::SessionRow;
use crate::projection::writes::{session_writes, whole_session};

fn row(rev: i64) -> SessionRow {
    SessionRow {
        uid: Uid::stored("s"),
        account_uid: Uid::stored("a"),
        title: None,
        created_at: Timestamp(1),
        deleted_at: None,
        active_root: None,
        next_seq: 0,
        last_activity_at: Timestamp(1),
        forked_from: None,
        rev,
    }
}

fn left(listed: &mut Listed, mut writes: Vec<Write>, epoch: u64) -> usize {
    listed.take_known(&mut writes, epoch);
    writes.len()
}

fn written(row: &SessionRow) -> Vec<Write> {
    session_writes(&whole_session(row)).into()
}

#[test]
fn a_place_is_written_when_it_is_new_or_another() {
    let mut listed = Listed::new();
    assert_eq!(left(&mut listed, written(&row(1)), 0), 2, "new");
    assert_eq!(
        left(&mut listed, written(&row(2)), 0),
        1,
        "only the header changes"
    );
    let mut deleted = row(3);
    deleted.deleted_at = Some(Timestamp(3));
    assert_eq!(left(&mut listed, written(&deleted), 0), 2, "deleted");
    assert_eq!(left(&mut listed, written(&row(4)), 0), 2, "restored");
    let mut moved = row(5);
    moved.account_uid = Uid::stored("b");
    assert_eq!(
        left(&mut listed, written(&moved), 0),
        2,
        "of another account"
    );
}

#[test]
fn a_place_that_went_is_written_again() {
    let mut listed = Listed::new();
    left(&mut listed, written(&row(1)), 0);
    let gone = Write::SessionGone {
        session_uid: Uid::stored("s"),
        next_seq: 0,
        rev: 2,
    };
    assert_eq!(left(&mut listed, vec![gone], 0), 1);
    assert_eq!(left(&mut listed, written(&row(3)), 0), 2, "born again");
    let unlisted = Write::ListingGone {
        account_uid: Uid::stored("a"),
        created_at: Timestamp(1),
        session_uid: Uid::stored("s"),
        rev: 4,
    };
    assert_eq!(left(&mut listed, vec![unlisted], 0), 1);
    assert_eq!(left(&mut listed, written(&row(5)), 0), 2, "given back");
}

#[test]
fn other_stores_are_told_everything() {
    let mut listed = Listed::new();
    left(&mut listed, written(&row(1)), 0);
    assert_eq!(
        left(&mut listed, written(&row(2)), 1),
        2,
        "another generation"
    );
    listed.forget();
    assert_eq!(left(&mut listed, written(&row(3)), 1), 2, "after a refusal");
}
