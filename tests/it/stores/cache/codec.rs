//! Sessions as bytes: everything comes back, and nothing else is taken for a session.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use turngraph::domain::{
    ForkOrigin, SessionRow, StepRow, Timestamp, TurnRole, TurnRow, TurnStatus, Uid,
};
use turngraph::stores::cache::codec::{Entry, decode_entry, encode_entry};
use turngraph::stores::cache::{HotBodies, HotSession};

use super::conversation;

fn any_uid() -> impl Strategy<Value = Uid> {
    prop_oneof![
        "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
        // Nearly UUIDs, and keys of other programs.
        "[0-9A-F]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
        "[0-9a-f]{32}",
        "[a-zä€😀#~{}]{1,12}",
    ]
    .prop_map(|text| Uid::parse(&text).unwrap())
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        any::<i64>(),
        1_767_000_000_000_000..1_768_000_000_000_000i64
    ]
    .prop_map(Timestamp)
}

fn any_text() -> impl Strategy<Value = Box<str>> {
    prop_oneof!["[a-z ]{0,20}", ".{0,40}", Just("x".repeat(3_000))].prop_map(Into::into)
}

prop_compose! {
    fn any_row()(
        (uid, account_uid, active_root) in (any_uid(), any_uid(), option::of(any_uid())),
        title in option::of(any_text()),
        (created_at, deleted_at, last_activity_at) in (any_time(), option::of(any_time()), any_time()),
        origin in option::of((any_uid(), any_uid(), any_time())),
        (next_seq, rev) in (any::<i32>(), any::<i64>()),
    ) -> SessionRow {
        let forked_from = origin.map(|(session_uid, turn_uid, at)| ForkOrigin { session_uid, turn_uid, at });
        SessionRow {
            uid, account_uid, title, created_at, deleted_at, active_root, next_seq,
            last_activity_at, forked_from, rev,
        }
    }
}

prop_compose! {
    fn any_turn()(
        (uid, parent_uid, active_child) in (any_uid(), option::of(any_uid()), option::of(any_uid())),
        (agent, liked, status) in (any::<bool>(), any::<Option<bool>>(), option::of(0usize..4)),
        (seq, rev) in (any::<i32>(), any::<i64>()),
        (created_at, deleted_at, finished_at) in (any_time(), option::of(any_time()), option::of(any_time())),
        (model, usage) in (option::of(prop_oneof![Just("m".into()), any_text()]), option::of(any_text())),
    ) -> TurnRow {
        TurnRow {
            uid, parent_uid, active_child, seq, created_at, deleted_at, liked, model, finished_at,
            usage, rev,
            role: if agent { TurnRole::Agent } else { TurnRole::Human },
            status: status.map(|at| TurnStatus::ALL[at]),
        }
    }
}

prop_compose! {
    fn any_step()(
        turn_uid in any_uid(),
        (idx, tpe, rev) in (any::<i32>(), any::<i32>(), any::<i64>()),
        created_at in any_time(),
        content in any_text(),
    ) -> StepRow {
        StepRow { turn_uid, idx, tpe, content, created_at, rev }
    }
}

prop_compose! {
    /// Rows as stores may hold them: links go to turns of the session, to others, to nothing.
    fn any_session()(
        row in any_row(),
        as_of in any_time(),
        mut turns in vec(any_turn(), 0..12),
        links in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 12),
        bodies in vec((any::<i32>(), any::<bool>(), any_text(), vec(any_step(), 0..4), any::<bool>()), 0..8),
    ) -> HotSession {
        let keys: Vec<Uid> = turns.iter().map(|turn| turn.uid.clone()).collect();
        for (turn, (parent, child)) in turns.iter_mut().zip(links) {
            turn.parent_uid = turn.parent_uid.take().map(|_| parent.get(&keys).clone());
            if turn.liked.is_some() {
                turn.active_child = Some(child.get(&keys).clone());
            }
        }
        let body = |prompt, text: Box<str>, mut steps: Vec<StepRow>, same: bool| match prompt {
            true => HotBodies::Prompt(text.into()),
            false => {
                if let (true, Some(first)) = (same, steps.first().map(|s| s.turn_uid.clone())) {
                    steps.iter_mut().for_each(|step| step.turn_uid = first.clone());
                }
                HotBodies::Steps(steps)
            }
        };
        let bodies: BTreeMap<i32, HotBodies> = bodies
            .into_iter()
            .map(|(seq, prompt, text, steps, same)| (seq, body(prompt, text, steps, same)))
            .collect();
        HotSession { row, turns, bodies, as_of }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_session_comes_back_as_it_was(session in any_session()) {
        let bytes = encode_entry(Some(&session));
        prop_assert_eq!(decode_entry(&bytes), Some(Entry::Session(Arc::new(session))));
    }

    #[test]
    fn foreign_bytes_are_no_entry(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(decode_entry(&bytes), None);
    }

    #[test]
    fn changed_bytes_are_no_entry(
        session in any_session(),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut bytes = encode_entry(Some(&session));
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        prop_assert_eq!(decode_entry(&bytes), None);
    }
}

#[test]
fn absence_comes_back() {
    assert_eq!(decode_entry(&encode_entry(None)), Some(Entry::Absent));
}

#[test]
fn bytes_that_are_cut_off_or_too_many_are_no_entry() {
    // Below and above the size from which entries are packed.
    for session in [conversation("s", 1, 10), conversation("s", 30, 500)] {
        let mut bytes = encode_entry(Some(&session));
        for end in 0..bytes.len() {
            assert_eq!(decode_entry(&bytes[..end]), None, "cut at {end}");
        }
        bytes.push(0);
        assert_eq!(decode_entry(&bytes), None);
    }
}

#[test]
fn an_entry_of_another_format_is_none() {
    let mut bytes = encode_entry(Some(&conversation("s", 1, 10)));
    bytes[2] += 1;
    assert_eq!(decode_entry(&bytes), None);
}
