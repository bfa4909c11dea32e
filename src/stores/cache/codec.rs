//! `HotSession`, and what else a shared cache holds, as bytes: compact, of one format version,
//! checked as a whole. Bytes that are cut off, changed, foreign or of another version are `None`,
//! never a panic and never a wrong session.
//!
//! Turns' keys are written once, in front; parents and children are places in that list. Times and
//! versions are differences to their neighbours. The whole is packed with LZ4 and sealed.

use std::sync::Arc;

use super::wire::{self, Reader, Writer};
use super::{HotSession, decode, encode};
use crate::domain::{Position, Timestamp, Watermark};

pub use super::wire::FORMAT;

const ABSENT: u8 = 0;
const SESSION: u8 = 1;
const WATERMARK: u8 = 2;

/// What an entry of a session says.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// There is no such session.
    Absent,
    /// The session.
    Session(Arc<HotSession>),
}

/// The entry of a session, or that there is none, as bytes.
pub fn encode_entry(session: Option<&HotSession>) -> Vec<u8> {
    let Some(session) = session else {
        return wire::seal(ABSENT, &[]);
    };
    wire::seal(SESSION, &encode::session(session))
}

/// The entry that these bytes are, if they are one of this format.
pub fn decode_entry(bytes: &[u8]) -> Option<Entry> {
    let (kind, content) = wire::unseal(bytes)?;
    let mut from = Reader(&content);
    let entry = match kind {
        ABSENT => Entry::Absent,
        SESSION => Entry::Session(Arc::new(decode::session(&mut from)?)),
        _ => return None,
    };
    from.0.is_empty().then_some(entry)
}

/// A watermark as bytes.
pub fn encode_watermark(watermark: &Watermark) -> Vec<u8> {
    let mut out = Writer::default();
    out.text(&watermark.position.store);
    out.unsigned(watermark.position.value);
    out.signed(watermark.as_of.0);
    wire::seal(WATERMARK, &out.0)
}

/// The watermark that these bytes are, if they are one of this format.
pub fn decode_watermark(bytes: &[u8]) -> Option<Watermark> {
    let (WATERMARK, content) = wire::unseal(bytes)? else {
        return None;
    };
    let mut from = Reader(&content);
    let watermark = Watermark {
        position: Position {
            store: from.text()?.to_owned(),
            value: from.unsigned()?,
        },
        as_of: Timestamp(from.signed()?),
    };
    from.0.is_empty().then_some(watermark)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::HotBodies;
    use super::super::random::Random;
    use super::*;
    use crate::domain::{SessionRow, StepRow, TurnRole, TurnRow, Uid};

    fn small() -> HotSession {
        let uid = |text: &str| Uid::parse(text).unwrap();
        let at = Timestamp(1_767_225_600_000_000);
        let turn = |seq: i32| TurnRow {
            uid: uid(&format!("t{seq}")),
            role: TurnRole::Agent,
            parent_uid: (seq > 0).then(|| uid("t0")),
            active_child: Some(uid("elsewhere")),
            seq,
            created_at: at,
            deleted_at: Some(at),
            liked: Some(true),
            model: Some("m".into()),
            status: None,
            finished_at: Some(at),
            usage: Some("{}".into()),
            rev: at.0,
        };
        let step = |idx| StepRow {
            turn_uid: uid("t1"),
            idx,
            tpe: 1,
            content: "\"x\"".into(),
            created_at: at,
            rev: at.0,
        };
        HotSession {
            row: SessionRow {
                uid: uid("0191aaaa-bbbb-7ccc-8ddd-eeeeffff0000"),
                account_uid: uid("acc"),
                title: Some("t".into()),
                created_at: at,
                deleted_at: None,
                active_root: Some(uid("t0")),
                next_seq: 3,
                last_activity_at: at,
                forked_from: None,
                rev: at.0,
            },
            turns: (0..3).map(turn).collect(),
            bodies: BTreeMap::from([
                (0, HotBodies::Prompt("p".into())),
                (1, HotBodies::Steps((0..2).map(step).collect())),
            ]),
            as_of: at,
        }
    }

    /// The checksum keeps such contents away; should one pass it all the same, it must not end the
    /// process or take its memory.
    #[test]
    fn contents_that_no_encoder_wrote_are_refused_in_peace() {
        let whole = encode::session(&small());
        let random = Random::seeded(1);
        for _ in 0..20_000 {
            let mut content = whole.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(content.len() as u64) as usize;
                content[at] = random.number() as u8;
            }
            content.truncate(1 + random.below(content.len() as u64 * 2) as usize);
            if let Some(Entry::Session(read)) = decode_entry(&wire::seal(SESSION, &content)) {
                let again = decode_entry(&encode_entry(Some(&read)));
                assert_eq!(again, Some(Entry::Session(read)));
            }
            decode_watermark(&wire::seal(WATERMARK, &content));
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_not_allocated() {
        // A packed content that says to unfold to 4 GiB.
        let mut envelope = wire::seal(SESSION, &vec![7; 10_000]);
        envelope[wire::HEAD..wire::HEAD + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(wire::unseal(&wire::resealed(envelope)), None);
    }
}
