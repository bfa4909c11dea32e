//! Any bytes as messages of PostgreSQL's logical replication: each is read or refused, nothing
//! panics, and what one message makes the feed tell is bounded.
#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::fuzz_target;
use turngraph::cdc::postgres::Teller;
use turngraph::cdc::postgres::pgoutput::Message;
use turngraph::domain::Timestamp;

/// Events that one message may add: rows that went without a trace are told up to a thousand.
const EVENTS_MAX: usize = 1_002;

/// The next message: two bytes tell how long it is.
fn message<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
    let (message, after) = after.split_at(length);
    *rest = after;
    Some(message)
}

fuzz_target!(|data: &[u8]| {
    // A message alone, as it is.
    if let Ok(Message::Insert { new, .. }) = Message::decode(data) {
        new.values().for_each(drop);
    }
    // Several as one stream.
    let mut teller = Teller::default();
    teller.begin();
    let mut out = VecDeque::new();
    let mut rest = data;
    while let Some(message) = message(&mut rest) {
        let before = out.len();
        let told = teller.message(message, Timestamp(0), &mut out);
        assert!(out.len() <= before + EVENTS_MAX);
        if told.is_err() {
            // Nothing may be told after that but by a new connection.
            teller.reset();
            teller.begin();
        }
    }
    teller.commit(1, 1, &mut out);
});
