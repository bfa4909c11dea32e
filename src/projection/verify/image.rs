//! The image of a session: for each of its rows the version and a hash of the values, made in the
//! same way from the record store and from a projection, so that two can be compared. A session of
//! any length is small in this form.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::domain::{SessionRow, StepRow, TurnRow, Uid};
use crate::stores::projection::{
    BODY_BYTES_MAX, BodyPart, ProjectedBodies, ProjectedSession, ProjectionStore,
};
use crate::stores::record::StoreResult;
use crate::stores::{ProjectionSource, StoreErrorKind};

use crate::projection::reader;

/// A row of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Header,
    Turn(i32),
    Prompt(i32),
    Step(i32, i32),
}

impl Key {
    /// The turn that the row is or belongs to.
    pub(super) fn seq(self) -> Option<i32> {
        match self {
            Self::Header => None,
            Self::Turn(seq) | Self::Prompt(seq) | Self::Step(seq, _) => Some(seq),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Turn(seq) => write!(f, "turn {seq}"),
            Self::Prompt(seq) => write!(f, "prompt of turn {seq}"),
            Self::Step(seq, idx) => write!(f, "step {idx} of turn {seq}"),
        }
    }
}

/// Version and hash of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) rev: i64,
    pub(super) hash: u64,
}

/// Version and hash of every row of one session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Image {
    pub(super) rows: BTreeMap<Key, Seen>,
    /// The session's row; none when the session is not there.
    pub(super) session: Option<SessionRow>,
    /// Nothing is missing below `next_seq`, as far as the store itself can tell.
    pub(super) complete: bool,
}

impl Image {
    /// One number for the whole session.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (key, seen) in &self.rows {
            (key, seen.rev, seen.hash).hash(&mut hasher);
        }
        self.complete.hash(&mut hasher);
        hasher.finish()
    }

    fn header(&mut self, row: &SessionRow) {
        self.put(Key::Header, row.rev, hash_of(row));
        self.session = Some(row.clone());
    }

    fn turn(&mut self, row: &TurnRow) {
        self.put(Key::Turn(row.seq), row.rev, hash_of(row));
    }

    fn prompt(&mut self, seq: i32, rev: i64, prompt: &str) {
        self.put(Key::Prompt(seq), rev, hash_of(&kept(prompt)));
    }

    fn step(&mut self, seq: i32, step: &StepRow, contents: bool) {
        let content = if contents { kept(&step.content) } else { "" };
        let values = (&step.turn_uid, step.tpe, step.created_at, content);
        self.put(Key::Step(seq, step.idx), step.rev, hash_of(&values));
    }

    fn put(&mut self, key: Key, rev: i64, hash: u64) {
        self.rows.insert(key, Seen { rev, hash });
    }

    /// The session as the record store has it.
    pub(super) async fn of_record(
        source: &dyn ProjectionSource,
        uid: &Uid,
        contents: bool,
    ) -> StoreResult<Self> {
        let mut image = Self {
            complete: true,
            ..Self::default()
        };
        let Some(session) = reader::session(source, uid).await? else {
            return Ok(image);
        };
        image.header(&session);
        for (from, to) in reader::runs(0, session.next_seq - 1) {
            for turn in source.turns(uid, from, to).await? {
                let twin = image.rows.contains_key(&Key::Turn(turn.turn.seq));
                image.turn(&turn.turn);
                if twin {
                    // Two turns with one number are never projected right.
                    let rev = turn.turn.rev;
                    image.put(Key::Turn(turn.turn.seq), rev, 0);
                }
                if let Some(prompt) = turn.prompt.as_deref().filter(|_| contents) {
                    image.prompt(turn.turn.seq, turn.turn.rev, prompt);
                }
                for step in &turn.steps {
                    image.step(turn.turn.seq, step, contents);
                }
            }
        }
        Ok(image)
    }

    /// The session as a projection has it; bodies are looked for up to `next_seq`, whatever the
    /// projection itself says.
    pub(super) async fn of_projection(
        store: &dyn ProjectionStore,
        uid: &Uid,
        next_seq: i32,
        contents: bool,
    ) -> StoreResult<Self> {
        let graph = readable(store.graphs(std::slice::from_ref(uid)).await)?.pop();
        let mut image = Self {
            complete: graph.as_ref().is_none_or(|graph| graph.complete),
            ..Self::default()
        };
        let mut revs = BTreeMap::new();
        let mut last = next_seq - 1;
        if let Some(ProjectedSession { row, turns, .. }) = &graph {
            image.header(row);
            for turn in turns {
                image.turn(turn);
                revs.insert(turn.seq, turn.rev);
                last = last.max(turn.seq);
            }
            last = last.max(row.next_seq - 1);
        }
        let part = if contents {
            BodyPart::Whole
        } else {
            BodyPart::Heads
        };
        for (from, to) in reader::runs(0, last) {
            let seqs: Vec<i32> = (from..=to).collect();
            for (seq, bodies) in readable(store.bodies(uid, &seqs, part).await)? {
                let rev = revs.get(&seq).copied().unwrap_or(i64::MIN);
                image.bodies(seq, rev, &bodies, contents);
            }
        }
        Ok(image)
    }

    fn bodies(&mut self, seq: i32, turn_rev: i64, bodies: &ProjectedBodies, contents: bool) {
        if contents {
            match &bodies.prompt {
                Some(prompt) => self.prompt(seq, turn_rev, prompt),
                // A prompt that is too long is only marked.
                None if bodies.partial && bodies.steps.is_empty() => self.prompt(seq, turn_rev, ""),
                None => {}
            }
        }
        for step in &bodies.steps {
            self.step(seq, step, contents);
        }
    }
}

/// What a projection cannot read of itself is as good as missing: it is written again.
fn readable<T>(read: StoreResult<Vec<T>>) -> StoreResult<Vec<T>> {
    match read {
        Err(error) if error.kind == StoreErrorKind::Corrupt => {
            tracing::warn!(%error, "a projection holds what it cannot read");
            Ok(Vec::new())
        }
        read => read,
    }
}

/// The text as a projection keeps it: what is too long stays in the record store.
fn kept(text: &str) -> &str {
    if text.len() > BODY_BYTES_MAX {
        ""
    } else {
        text
    }
}

/// Hash of all values of a row, by their debug form: it has every field, and new ones are not
/// forgotten.
fn hash_of(values: &impl fmt::Debug) -> u64 {
    struct Into(DefaultHasher);
    impl fmt::Write for Into {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut hasher = Into(DefaultHasher::new());
    write!(hasher, "{values:?}").expect("hashing does not fail");
    hasher.0.finish()
}
