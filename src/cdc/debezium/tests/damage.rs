//! The same messages repeated, with holes, cut off and garbled.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{FLAT, NOW, Recorded, TOLD, recording, shown, take, tell};
use crate::cdc::FeedEvent;
use crate::cdc::debezium::{Decoder, FeedErrorKind, RawMessage};

fn is_heartbeat(message: &Recorded) -> bool {
    message
        .1
        .as_ref()
        .is_some_and(|value| value.starts_with("{\"ts_ms\""))
}

#[test]
fn a_hole_anywhere_is_a_gap() {
    let recorded = recording(FLAT);
    for hole in 0..recorded.len() - 1 {
        if is_heartbeat(&recorded[hole]) {
            continue;
        }
        let mut left = recorded.clone();
        left.remove(hole);
        let told = tell(&left);
        let error = told.expect_err(&format!("nobody noticed that message {hole} is missing"));
        assert_eq!(error.kind, FeedErrorKind::Gap);
        assert!(error.message.contains("rebuild"), "{error}");
    }
}

#[test]
fn a_transaction_that_is_missing_is_a_gap() {
    let recorded = recording(FLAT);
    let begins = |m: &Recorded| m.1.as_ref().is_some_and(|v| v.contains("\"BEGIN\""));
    let starts: Vec<usize> = (0..recorded.len())
        .filter(|i| begins(&recorded[*i]))
        .collect();
    for pair in starts[1..].windows(2) {
        let left = [&recorded[..pair[0]], &recorded[pair[1]..]].concat();
        assert_eq!(
            tell(&left).unwrap_err().kind,
            FeedErrorKind::Gap,
            "{pair:?}"
        );
    }
}

#[test]
fn a_connector_that_began_anew_is_a_gap() {
    let mut recorded = recording(FLAT);
    for (_, value, _) in &mut recorded[10..] {
        let text = value.take().unwrap();
        *value = Some(text.replace(r#""sequence":"[\"23354280\","#, r#""sequence":"[null,"#));
    }
    let error = tell(&recorded).unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Gap);
    assert!(error.message.contains("began anew"), "{error}");
}

#[test]
fn reading_may_begin_anywhere_when_the_past_is_read_elsewhere() {
    let recorded = recording(FLAT);
    let all = tell(&recorded).unwrap();
    for start in 0..recorded.len() {
        let mut decoder = Decoder::new(None, None, false);
        let mut out = VecDeque::new();
        for message in &recorded[start..] {
            take(&mut decoder, message, &mut out).unwrap();
        }
        let is_place = |e: &&FeedEvent| matches!(e, FeedEvent::Commit { .. });
        let last = out.iter().rfind(is_place);
        assert!(
            last.is_none() || last == all.last(),
            "from {start}: {last:?}"
        );
    }
}

#[test]
fn another_database_behind_the_topic_is_a_gap() {
    let mut recorded = recording(FLAT);
    let (_, value, _) = recorded.pop().unwrap();
    let end = value
        .unwrap()
        .replace("2742:23452400", "2742:10")
        .replace("231589", "999999");
    recorded.push((None, Some(end), false));
    let error = tell(&recorded).unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Gap);
    assert!(error.message.contains("another database"), "{error}");
}

#[test]
fn a_connector_that_hides_transactions_is_said_to_be_set_wrongly() {
    let recorded = recording(FLAT);
    let (key, value, old) = recorded[4].clone();
    let mut value: serde_json::Value = serde_json::from_str(&value.unwrap()).unwrap();
    assert_eq!(value["op"], "c");
    value["transaction"] = serde_json::Value::Null;
    let error = tell(&[(key, Some(value.to_string()), old)]).unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Setup);
    assert!(error.message.contains("provide.transaction.metadata=true"));
}

#[test]
fn garbage_between_is_put_aside_without_its_content() {
    let mut recorded = recording(FLAT);
    recorded[5].1 = Some("{\"op\":\"c\",\"secret\"".to_owned());
    let told = tell(&recorded).unwrap();
    let told: Vec<_> = told.iter().map(shown).collect();
    assert_eq!(
        told[2],
        "unreadable message 7 of the topic: it is no JSON object"
    );
    assert_eq!(told.last().unwrap(), TOLD.last().unwrap());
}

proptest! {
    #[test]
    fn a_part_that_comes_again_loses_nothing(at in 0_usize..53, back in 0_usize..53) {
        let recorded = recording(FLAT);
        // A connector that is started again goes on behind a message that it has noted.
        let twice = [&recorded[..at], &recorded[back.min(at)..]].concat();
        let told = tell(&twice).unwrap();
        for event in tell(&recorded).unwrap() {
            let place = matches!(event, FeedEvent::Commit { .. } | FeedEvent::Idle { .. });
            prop_assert!(place || told.contains(&event), "{}", shown(&event));
        }
        let places = told.iter().filter_map(|event| match event {
            FeedEvent::Commit { position, .. } | FeedEvent::Idle { position, .. } => Some(*position),
            _ => None,
        });
        let places: Vec<_> = places.collect();
        prop_assert!(places.is_sorted());
        prop_assert_eq!(places.last(), Some(&23_452_400));
    }

    #[test]
    fn messages_cut_off_or_changed_never_panic(
        which in 0_usize..53,
        cut in 0_usize..3_000,
        flips in proptest::collection::vec((0_usize..3_000, any::<u8>()), 0..4),
    ) {
        let recorded = recording(FLAT);
        let mut decoder = Decoder::new(None, None, false);
        let mut out = VecDeque::new();
        for (index, (key, value, has_old_key)) in recorded.iter().enumerate() {
            let mut bytes = value.clone().unwrap_or_default().into_bytes();
            if index == which {
                bytes.truncate(cut);
                for (place, byte) in &flips {
                    if let Some(b) = bytes.get_mut(*place) {
                        *b = *byte;
                    }
                }
            }
            let message = RawMessage {
                key: key.as_deref().map(str::as_bytes),
                value: Some(&bytes),
                has_old_key: *has_old_key,
                offset: 0,
            };
            if decoder.message(message, NOW, &mut out).is_err() {
                break;
            }
        }
    }

    #[test]
    fn bytes_of_any_kind_never_panic(bytes in any::<Vec<u8>>(), key in any::<Option<Vec<u8>>>()) {
        let mut decoder = Decoder::new(None, None, false);
        let mut out = VecDeque::new();
        let message = RawMessage {
            key: key.as_deref(),
            value: Some(&bytes),
            has_old_key: false,
            offset: 0,
        };
        let _ = decoder.message(message, NOW, &mut out);
        let put_aside = out.iter().all(|e| matches!(e, FeedEvent::Unreadable { .. }));
        prop_assert!(put_aside);
    }
}
