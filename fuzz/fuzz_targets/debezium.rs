//! Any bytes as messages of Debezium's connector: each is read or put aside, nothing panics, and
//! what is put aside says nothing of the bytes.
#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::fuzz_target;
use turngraph::cdc::FeedEvent;
use turngraph::cdc::debezium::{Decoder, RawMessage};
use turngraph::domain::Timestamp;

/// Stands between the messages of one input.
const BETWEEN: u8 = b'\n';

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::new(None, None, false);
    let mut out = VecDeque::new();
    for (offset, value) in data.split(|byte| *byte == BETWEEN).enumerate() {
        let message = RawMessage {
            key: None,
            value: Some(value),
            has_old_key: false,
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
        };
        if decoder.message(message, Timestamp(0), &mut out).is_err() {
            break;
        }
    }
    for event in &out {
        if let FeedEvent::Unreadable { problem, .. } = event {
            assert!(problem.len() < 1_000, "a problem is told in words of our own");
        }
    }
});
