//! Sentinels are reversible; places ascend.

use super::*;

#[test]
fn sentinels_go_there_and_back() {
    for value in [None, Some(""), Some("="), Some("=a"), Some("a\0b")] {
        assert_eq!(text_back(&text(value)).unwrap().as_deref(), value);
    }
    assert_eq!(text_back("a"), Err(()));
    for value in [None, Some(Timestamp(0)), Some(Timestamp(-1))] {
        assert_eq!(time_back(time(value)), value);
    }
    for value in [None, Some(true), Some(false)] {
        assert_eq!(vote_back(vote(value)), Ok(value));
    }
    for value in TurnStatus::ALL.map(Some).into_iter().chain([None]) {
        assert_eq!(status_back(status(value)), Ok(value));
    }
    let origin = ForkOrigin {
        session_uid: Uid::stored("a\"b"),
        turn_uid: Uid::stored("c"),
        at: Timestamp(7),
    };
    assert_eq!(fork_back(&fork(Some(&origin))), Ok(Some(origin)));
    assert_eq!(fork_back(&fork(None)), Ok(None));
}

#[test]
fn months_ascend_with_time_to_its_very_ends() {
    let times = [
        i64::MIN,
        -62_135_596_800_000_001,
        -1,
        0,
        2_678_400_000_000,
        1_767_225_599_999_999,
        1_767_225_600_000_000,
        i64::MAX,
    ];
    let months = times.map(|at| month(Timestamp(at)));
    assert!(months.is_sorted(), "{months:?}");
    assert_eq!(month(Timestamp(0)), 1970 * 12);
    assert_eq!(months[6], months[5] + 1);
}

#[test]
fn a_bucket_has_256_turns() {
    assert_eq!([0, 255, 256, 511].map(bucket), [0, 0, 1, 1]);
}
