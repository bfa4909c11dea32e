//! Global ids: `Session:<uid>`, `HumanTurn:<uid>`, `Step:<turn uid>:<idx>` …
//!
//! Readable on purpose: a person who debugs sees what an id is, and joins it with the database.
//! Clients treat them as opaque.

use super::engine::{Out, leaf};
use crate::domain::Uid;

/// What an id names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GlobalId {
    /// An account.
    Account(Uid),
    /// A session.
    Session(Uid),
    /// A turn of either role.
    Turn(Uid),
    /// A step by its turn and index.
    Step(Uid, i32),
    /// The branch that ends in this turn.
    Branch(Uid),
    /// The outline of this turn.
    OutlineNode(Uid),
}

impl GlobalId {
    /// Reads an id; `None` when it is none of ours.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let (kind, rest) = id.split_once(':')?;
        if kind == "Step" {
            let (turn, idx) = rest.rsplit_once(':')?;
            return Some(Self::Step(Uid::parse(turn).ok()?, idx.parse().ok()?));
        }
        let uid = Uid::parse(rest).ok()?;
        match kind {
            "Account" => Some(Self::Account(uid)),
            "Session" => Some(Self::Session(uid)),
            "HumanTurn" | "AgentTurn" => Some(Self::Turn(uid)),
            "Branch" => Some(Self::Branch(uid)),
            "OutlineNode" => Some(Self::OutlineNode(uid)),
            _ => None,
        }
    }
}

/// An id while it is written.
#[derive(Clone, Copy)]
pub(crate) struct IdOf<'a> {
    /// Name of the type.
    pub(crate) kind: &'static str,
    /// Key of the entity, or of the turn of a step.
    pub(crate) uid: &'a Uid,
    /// Index of a step.
    pub(crate) idx: Option<i32>,
}

impl<'a> IdOf<'a> {
    /// An id without an index.
    pub(crate) fn of(kind: &'static str, uid: &'a Uid) -> Self {
        Self {
            kind,
            uid,
            idx: None,
        }
    }

    fn write(self, out: &mut Out<'_>) {
        // The key may hold quotes; the rest cannot, so only the key is escaped.
        out.raw(b"\"");
        out.raw(self.kind.as_bytes());
        out.raw(b":");
        let from = out.buf.len();
        out.str(self.uid.as_str());
        out.buf.remove(from);
        out.buf.pop();
        if let Some(idx) = self.idx {
            out.raw(b":");
            out.raw(itoa::Buffer::new().format(idx).as_bytes());
        }
        out.raw(b"\"");
    }
}

leaf!(
    /// The `ID` scalar.
    'a Id, IdOf<'a>, async_graphql::ID, |id, out| id.write(out)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_there_and_back() {
        let uid = |text: &str| Uid::parse(text).unwrap();
        for (text, id) in [
            ("Session:a:b", GlobalId::Session(uid("a:b"))),
            ("HumanTurn:x", GlobalId::Turn(uid("x"))),
            ("Step:a:b:7", GlobalId::Step(uid("a:b"), 7)),
            ("Branch:x", GlobalId::Branch(uid("x"))),
        ] {
            assert_eq!(GlobalId::parse(text), Some(id));
        }
        for text in ["", "Session", "Session:", "Step:a", "Step:a:x", "Nothing:a"] {
            assert_eq!(GlobalId::parse(text), None, "{text}");
        }
    }
}
