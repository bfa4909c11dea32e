//! Decoder and teller on messages made here: what a server sends, cut off, and at random.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::pgoutput::{Datum, Malformed, Message, Old};
use super::teller::Teller;
use crate::cdc::{FeedError, FeedErrorKind, FeedEvent};
use crate::domain::Timestamp;
use crate::domain::change::Change;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

/// A message under construction.
#[derive(Debug, Clone, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn kind(kind: u8) -> Self {
        Self(vec![kind])
    }

    fn and(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.and(text.as_bytes()).and(&[0])
    }

    fn tuple(mut self, values: &[Datum<'_>]) -> Self {
        self.0
            .extend(u16::try_from(values.len()).unwrap().to_be_bytes());
        for value in values {
            let (kind, bytes) = match value {
                Datum::Null => (b'n', None),
                Datum::Unchanged => (b'u', None),
                Datum::Text(text) => (b't', Some(text)),
                Datum::Binary(bytes) => (b'b', Some(bytes)),
            };
            self.0.push(kind);
            if let Some(bytes) = bytes {
                self.0
                    .extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
                self.0.extend_from_slice(bytes);
            }
        }
        self
    }
}

fn relation(id: u32, name: &str, columns: &[&str]) -> Vec<u8> {
    let mut message = Bytes::kind(b'R')
        .and(&id.to_be_bytes())
        .text("public")
        .text(name)
        .and(b"d")
        .and(&u16::try_from(columns.len()).unwrap().to_be_bytes());
    for column in columns {
        message = message
            .and(&[u8::from(*column == "uid")])
            .text(column)
            .and(&25u32.to_be_bytes())
            .and(&[0xff; 4]);
    }
    message.0
}

fn insert(id: u32, values: &[Datum<'_>]) -> Vec<u8> {
    let head = Bytes::kind(b'I').and(&id.to_be_bytes()).and(b"N");
    head.tuple(values).0
}

fn update(id: u32, old: Option<(u8, &[Datum<'_>])>, new: &[Datum<'_>]) -> Vec<u8> {
    let mut message = Bytes::kind(b'U').and(&id.to_be_bytes());
    if let Some((kind, old)) = old {
        message = message.and(&[kind]).tuple(old);
    }
    message.and(b"N").tuple(new).0
}

fn delete(id: u32, key: &[Datum<'_>]) -> Vec<u8> {
    let head = Bytes::kind(b'D').and(&id.to_be_bytes()).and(b"K");
    head.tuple(key).0
}

fn t(text: &str) -> Datum<'_> {
    Datum::Text(text.as_bytes())
}

const HUMAN: &[&str] = &[
    "uid",
    "session_uid",
    "parent_uid",
    "active_child",
    "prompt",
    "created_at",
    "seq",
    "deleted_at",
    "rev",
    "extra",
];

fn human<'a>(uid: &'a str, prompt: Datum<'a>, seq: Datum<'a>) -> [Datum<'a>; 10] {
    let n = Datum::Null;
    [t(uid), t("s"), n, n, prompt, n, seq, n, t("7"), t("x")]
}

/// A teller within a transaction, and what it told.
struct Lab {
    teller: Teller,
    out: VecDeque<FeedEvent>,
}

impl Lab {
    fn new() -> Self {
        let mut teller = Teller::default();
        teller.begin();
        let out = VecDeque::new();
        Self { teller, out }
    }

    fn message(&mut self, bytes: &[u8]) -> Result<(), FeedError> {
        self.teller.message(bytes, NOW, &mut self.out)
    }

    fn with_humans() -> Self {
        let mut lab = Self::new();
        lab.message(&relation(1, "human_turns", HUMAN)).unwrap();
        lab
    }

    fn commit(mut self) -> Vec<FeedEvent> {
        self.teller.commit(99, 1, &mut self.out);
        self.out.into()
    }
}

#[test]
fn every_kind_of_message_is_decoded() {
    let lsn = |n: u64| n.to_be_bytes();
    let begin = Bytes::kind(b'B')
        .and(&lsn(5))
        .and(&lsn(6))
        .and(&7u32.to_be_bytes());
    let expected = Message::Begin {
        final_lsn: 5,
        commit_time: 6,
        xid: 7,
    };
    assert_eq!(Message::decode(&begin.0), Ok(expected));

    let commit = Bytes::kind(b'C')
        .and(&[0])
        .and(&lsn(5))
        .and(&lsn(6))
        .and(&lsn(7));
    let expected = Message::Commit {
        commit_lsn: 5,
        end_lsn: 6,
        commit_time: 7,
    };
    assert_eq!(Message::decode(&commit.0), Ok(expected));

    let origin = Bytes::kind(b'O').and(&lsn(1)).text("o");
    assert_eq!(
        Message::decode(&origin.0),
        Ok(Message::Origin { name: b"o" })
    );

    let kind = Bytes::kind(b'Y')
        .and(&3u32.to_be_bytes())
        .text("public")
        .text("mood");
    let expected = Message::Type {
        id: 3,
        name: b"mood",
    };
    assert_eq!(Message::decode(&kind.0), Ok(expected));

    let logical = Bytes::kind(b'M')
        .and(&[1])
        .and(&lsn(4))
        .text("p")
        .and(&[0, 0, 0, 2])
        .and(b"\0\xff");
    let expected = Message::Logical {
        transactional: true,
        lsn: 4,
        prefix: b"p",
        content: b"\0\xff",
    };
    assert_eq!(Message::decode(&logical.0), Ok(expected));

    let truncate = Bytes::kind(b'T')
        .and(&[0, 0, 0, 2, 1])
        .and(&[0, 0, 0, 8, 0, 0, 0, 9]);
    let Ok(Message::Truncate { relations }) = Message::decode(&truncate.0) else {
        panic!("no truncation");
    };
    assert_eq!(relations.ids().collect::<Vec<_>>(), [8, 9]);

    let bytes = relation(4, "steps", &["a", "uid"]);
    let Ok(Message::Relation(table)) = Message::decode(&bytes) else {
        panic!("no table");
    };
    assert_eq!(
        (table.id, table.name, table.identity),
        (4, &b"steps"[..], b'd')
    );
    let columns: Vec<_> = table
        .columns()
        .map(|c| (c.name, c.key, c.type_id))
        .collect();
    assert_eq!(columns, [(&b"a"[..], false, 25), (b"uid", true, 25)]);
}

#[test]
fn rows_are_decoded_with_their_old_key_or_row() {
    let values = [
        t("a"),
        Datum::Null,
        Datum::Unchanged,
        Datum::Binary(b"\0\xff"),
    ];
    for (kind, expected) in [
        (None, None),
        (Some(b'K'), Some(true)),
        (Some(b'O'), Some(false)),
    ] {
        let bytes = update(1, kind.map(|kind| (kind, &values[..2])), &values);
        let Ok(Message::Update { old, new, .. }) = Message::decode(&bytes) else {
            panic!("no update");
        };
        assert_eq!(new.values().collect::<Vec<_>>(), values);
        let is_key = old.map(|old| matches!(old, Old::Key(_)));
        assert_eq!(is_key, expected);
        if let Some(old) = old {
            assert_eq!(old.tuple().values().collect::<Vec<_>>(), &values[..2]);
        }
    }
}

#[test]
fn every_truncation_of_every_message_is_refused() {
    let messages = [
        relation(1, "human_turns", HUMAN),
        insert(1, &human("t", t("prompt"), t("1"))),
        update(1, Some((b'K', &[t("a")])), &[t("b"), Datum::Unchanged]),
        delete(1, &[t("a"), Datum::Null]),
        Bytes::kind(b'T').and(&[0, 0, 0, 1, 0]).and(&[0, 0, 0, 8]).0,
    ];
    for whole in messages {
        assert!(Message::decode(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(
                Message::decode(&whole[..end]).is_err(),
                "{end} of {whole:?}"
            );
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(Message::decode(&longer).is_err());
    }
    let huge = Bytes::kind(b'I')
        .and(&[0; 4])
        .and(b"N")
        .and(&[0xff, 0xff, b't'])
        .and(&[0xff; 4]);
    let expected = Malformed {
        wanted: "a value",
        left: 0,
    };
    assert_eq!(Message::decode(&huge.0), Err(expected));
}

#[test]
fn columns_are_bound_by_name_wherever_they_stand() {
    let mut lab = Lab::new();
    let mut reversed = HUMAN.to_vec();
    reversed.reverse();
    lab.message(&relation(1, "human_turns", &reversed)).unwrap();
    let mut values = human("t", t("hello"), t("3"));
    values.reverse();
    lab.message(&insert(1, &values)).unwrap();
    let events = lab.commit();
    let [
        FeedEvent::Change(Change::Turn(turn)),
        FeedEvent::Commit {
            position: 99,
            committed_at,
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((turn.turn.seq, turn.prompt.as_deref()), (3, Some("hello")));
    assert_eq!(committed_at.0, 946_684_800_000_001);
}

#[test]
fn a_missing_column_stops_the_feed_and_names_itself() {
    let mut lab = Lab::new();
    let columns: Vec<_> = HUMAN
        .iter()
        .copied()
        .filter(|name| *name != "rev")
        .collect();
    let error = lab
        .message(&relation(1, "human_turns", &columns))
        .unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Setup);
    assert!(
        error
            .message
            .contains("public.human_turns has no column `rev`"),
        "{error}"
    );
    let error = Lab::new().message(&insert(5, &[t("x")])).unwrap_err();
    assert_eq!(error.kind, FeedErrorKind::Setup);
}

#[test]
fn what_an_old_row_tells_completes_a_row() {
    let mut lab = Lab::with_humans();
    let unchanged = human("t", Datum::Unchanged, t("3"));
    let old = human("t", t("the prompt"), t("3"));
    lab.message(&update(1, None, &unchanged)).unwrap();
    lab.message(&update(1, Some((b'O', &old)), &unchanged))
        .unwrap();
    let prompts: Vec<_> = lab
        .commit()
        .into_iter()
        .filter_map(|event| match event {
            FeedEvent::Change(Change::Turn(turn)) => Some(turn.prompt),
            _ => None,
        })
        .collect();
    assert_eq!(prompts, [None, Some("the prompt".to_owned())]);
}

#[test]
fn a_transaction_of_which_nothing_is_told_only_moves_the_place() {
    let mut lab = Lab::with_humans();
    lab.message(&insert(1, &human("t", t("pending"), Datum::Null)))
        .unwrap();
    lab.message(&relation(2, "elsewhere", &["a"])).unwrap();
    lab.message(&insert(2, &[t("1")])).unwrap();
    assert_eq!(
        (lab.teller.counts().unaddressed, lab.teller.counts().ignored),
        (1, 1)
    );
    let events = lab.commit();
    let [
        FeedEvent::Idle {
            position: 99,
            as_of,
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(as_of.0, 946_684_800_000_001);
}

#[test]
fn keep_alives_move_the_place_but_not_the_time_and_never_within_a_transaction() {
    let mut out = VecDeque::new();
    let mut teller = Teller::default();
    teller.keepalive(50, &mut out);
    assert_eq!(out, []);
    teller.begin();
    teller.commit(60, 5, &mut out);
    teller.keepalive(70, &mut out);
    teller.begin();
    teller.keepalive(80, &mut out);
    let as_of = Timestamp(946_684_800_000_005);
    let idle = |position| FeedEvent::Idle { position, as_of };
    assert_eq!(out, [idle(60), idle(70)]);
}

#[test]
fn rows_that_went_without_a_purge_and_emptied_tables_are_suspect() {
    let mut lab = Lab::with_humans();
    let key = |uid| {
        let mut key = [Datum::Null; 10];
        key[0] = uid;
        key
    };
    lab.message(&delete(1, &key(t("gone")))).unwrap();
    // The same key as before: it was only repeated because it is stored apart.
    let new = human("same", t("p"), t("1"));
    lab.message(&update(1, Some((b'K', &key(t("same")))), &new))
        .unwrap();
    lab.message(&update(1, Some((b'K', &key(t("moved")))), &new))
        .unwrap();
    lab.message(&Bytes::kind(b'T').and(&[0, 0, 0, 1, 0]).and(&[0, 0, 0, 1]).0)
        .unwrap();
    let mut rows: Vec<_> = lab
        .commit()
        .into_iter()
        .filter_map(|event| match event {
            FeedEvent::Change(Change::Suspect { row, .. }) => Some(row),
            _ => None,
        })
        .collect();
    rows.sort();
    assert_eq!(rows.len(), 3);
    assert!(rows[0].contains("table was truncated"), "{rows:?}");
    assert_eq!(rows[1..], ["human_turns gone", "human_turns moved"]);
}

#[test]
fn bytes_that_are_no_text_make_a_row_unreadable_not_the_feed() {
    let mut lab = Lab::with_humans();
    lab.message(&insert(1, &human("t", Datum::Text(b"\xff"), t("1"))))
        .unwrap();
    let events = lab.commit();
    let FeedEvent::Unreadable { problem, row, .. } = &events[0] else {
        panic!("{events:?}");
    };
    assert_eq!(
        (problem.as_str(), row.as_str()),
        ("`prompt` is not UTF-8", "human_turns t")
    );
}

/// Bytes that look like messages more often than chance makes them.
fn almost_a_message() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        Just(relation(1, "human_turns", HUMAN)),
        Just(insert(1, &human("t", t("prompt"), t("1")))),
        Just(update(
            1,
            Some((b'O', &human("t", t("p"), t("1")))),
            &human("t", t("p"), t("1"))
        )),
        Just(delete(1, &human("t", Datum::Null, Datum::Null))),
        Just(Bytes::kind(b'T').and(&[0, 0, 0, 1, 0]).and(&[0, 0, 0, 1]).0),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (whole, damage, any::<prop::sample::Index>()).prop_map(|(mut bytes, damage, end)| {
        for (place, byte) in damage {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        if end.index(3) == 0 && !bytes.is_empty() {
            bytes.truncate(end.index(bytes.len()));
        }
        bytes
    })
}

proptest! {
    #[test]
    fn damaged_streams_never_panic_and_tell_nothing_twice(
        messages in prop::collection::vec(almost_a_message(), 0..20)
    ) {
        let mut lab = Lab::with_humans();
        for message in &messages {
            let before = lab.out.len();
            let _ = lab.message(message);
            prop_assert!(lab.out.len() <= before + 1_002);
        }
    }

    #[test]
    fn values_of_any_bytes_are_given_back(
        values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..50)), 0..20)
    ) {
        let datums: Vec<_> = values
            .iter()
            .map(|value| value.as_deref().map_or(Datum::Null, Datum::Text))
            .collect();
        let bytes = insert(1, &datums);
        let Ok(Message::Insert { new, .. }) = Message::decode(&bytes) else {
            panic!("no insert");
        };
        prop_assert_eq!(new.values().collect::<Vec<_>>(), datums);
    }
}
