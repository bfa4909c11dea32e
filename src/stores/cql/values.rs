//! What statements bind: one structure a statement, its values in the order of its markers, each
//! made from a row or a change.

use scylla::SerializeRow;
use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow as Serialize};
use scylla::serialize::writers::RowWriter;
use scylla::value::MaybeUnset;

use super::encode::{
    AGENT, GRAVE, HUMAN, NEVER, PROMPT_IDX, bucket, fork, key, status, text, time, vote,
};
use crate::domain::change::{SessionChange, TurnChange};
use crate::domain::{StepRow, TurnRole, Uid};
use crate::stores::projection::BODY_BYTES_MAX;

fn known<T>(absent: bool, value: impl FnOnce() -> T) -> MaybeUnset<T> {
    if absent {
        MaybeUnset::Unset
    } else {
        MaybeUnset::Set(value())
    }
}

/// What a statement binds.
pub(super) enum Values<'a> {
    Header(Box<Header<'a>>),
    Turn(Box<Turn<'a>>),
    Body(Body<'a>),
    Listing(Listing<'a>),
    ListingGone(ListingGone<'a>),
    Month(Month<'a>),
    Gone(Gone<'a>),
    BucketGone(BucketGone<'a>),
    TurnBodiesGone(TurnBodiesGone<'a>),
    StepGone(StepGone<'a>),
}

impl Serialize for Values<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Result<(), SerializationError> {
        match self {
            Self::Header(values) => values.serialize(context, writer),
            Self::Turn(values) => values.serialize(context, writer),
            Self::Body(values) => values.serialize(context, writer),
            Self::Listing(values) => values.serialize(context, writer),
            Self::ListingGone(values) => values.serialize(context, writer),
            Self::Month(values) => values.serialize(context, writer),
            Self::Gone(values) => values.serialize(context, writer),
            Self::BucketGone(values) => values.serialize(context, writer),
            Self::TurnBodiesGone(values) => values.serialize(context, writer),
            Self::StepGone(values) => values.serialize(context, writer),
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// Declares what a statement binds: its values in the order of its markers, the version last.
macro_rules! values {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(SerializeRow)]
            #[scylla(flavor = "enforce_order", skip_name_checks)]
            pub(super) struct $name<'a> {
                $(pub(super) $field: $type,)*
                pub(super) timestamp: i64,
            }
        )*
    };
}

values! {
    /// A session's header.
    Header {
        session_uid: &'a str,
        account_uid: &'a str,
        title: MaybeUnset<String>,
        begun_us: i64,
        removed_us: i64,
        active_root: &'a str,
        next_seq: i32,
        last_activity_us: i64,
        forked_from: MaybeUnset<String>,
        session_rev: i64,
    }
    /// A turn's row.
    Turn {
        session_uid: &'a str,
        seq: i32,
        uid: &'a str,
        kind: i8,
        parent_uid: &'a str,
        active_child: &'a str,
        liked: i8,
        created_us: i64,
        deleted_us: i64,
        model: MaybeUnset<String>,
        status: i8,
        finished_us: i64,
        usage: MaybeUnset<String>,
        rev: i64,
    }
    /// A prompt or a step.
    Body {
        session_uid: &'a str,
        bucket: i32,
        seq: i32,
        idx: i32,
        turn_uid: &'a str,
        tpe: i32,
        content: MaybeUnset<&'a str>,
        bytes: MaybeUnset<i32>,
        created_us: i64,
        rev: i64,
    }
    /// A session's place in its account's list.
    Listing {
        account_uid: &'a str,
        month: i32,
        created_us: i64,
        session_uid: &'a str,
        deleted: bool,
        rev: i64,
    }
    /// A month in which an account has sessions.
    Month {
        account_uid: &'a str,
        month: i32,
        rev: i64,
    }
}

/// Declares the same for deletions, whose version comes first.
macro_rules! deletions {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(SerializeRow)]
            #[scylla(flavor = "enforce_order", skip_name_checks)]
            pub(super) struct $name<'a> {
                pub(super) timestamp: i64,
                $(pub(super) $field: $type,)*
            }
        )*
    };
}

deletions! {
    /// A place in an account's list.
    ListingGone {
        account_uid: &'a str,
        month: i32,
        created_us: i64,
        session_uid: &'a str,
    }
    /// A whole graph.
    Gone { key: &'a str, }
    /// A partition of bodies.
    BucketGone { session_uid: &'a str, bucket: i32, }
    /// Bodies of a turn from a place on.
    TurnBodiesGone { session_uid: &'a str, bucket: i32, seq: i32, from_idx: i32, }
    /// One body.
    StepGone { session_uid: &'a str, bucket: i32, seq: i32, idx: i32, }
}

impl<'a> From<&'a SessionChange> for Header<'a> {
    fn from(change: &'a SessionChange) -> Self {
        let (row, absent) = (&change.row, change.absent);
        Self {
            session_uid: row.uid.as_str(),
            account_uid: row.account_uid.as_str(),
            title: known(absent.title, || text(row.title.as_deref())),
            begun_us: row.created_at.0,
            removed_us: time(row.deleted_at),
            active_root: key(row.active_root.as_ref()),
            next_seq: row.next_seq,
            last_activity_us: row.last_activity_at.0,
            forked_from: known(absent.forked_from, || fork(row.forked_from.as_ref())),
            session_rev: row.rev,
            timestamp: row.rev,
        }
    }
}

impl<'a> From<&'a TurnChange> for Turn<'a> {
    fn from(change: &'a TurnChange) -> Self {
        let (turn, absent) = (&change.turn, change.absent);
        Self {
            session_uid: change.session_uid.as_str(),
            seq: turn.seq,
            uid: turn.uid.as_str(),
            kind: match turn.role {
                TurnRole::Human => HUMAN,
                TurnRole::Agent => AGENT,
            },
            parent_uid: key(turn.parent_uid.as_ref()),
            active_child: key(turn.active_child.as_ref()),
            liked: vote(turn.liked),
            created_us: turn.created_at.0,
            deleted_us: time(turn.deleted_at),
            model: known(absent.model, || text(turn.model.as_deref())),
            status: status(turn.status),
            finished_us: time(turn.finished_at),
            usage: known(absent.usage, || text(turn.usage.as_deref())),
            rev: turn.rev,
            timestamp: turn.rev,
        }
    }
}

impl<'a> Turn<'a> {
    /// The row that keeps the number of a turn that is gone.
    pub(super) fn grave(session_uid: &'a Uid, seq: i32, rev: i64) -> Self {
        Self {
            session_uid: session_uid.as_str(),
            seq,
            uid: "",
            kind: GRAVE,
            parent_uid: "",
            active_child: "",
            liked: 0,
            created_us: NEVER,
            deleted_us: NEVER,
            model: MaybeUnset::Set(String::new()),
            status: 0,
            finished_us: NEVER,
            usage: MaybeUnset::Set(String::new()),
            rev,
            timestamp: rev,
        }
    }
}

/// A text that is too long stays in the record store; its length tells that it is there.
fn body_text(content: &str) -> (&str, i32) {
    let bytes = i32::try_from(content.len()).unwrap_or(i32::MAX);
    if content.len() > BODY_BYTES_MAX {
        ("", bytes)
    } else {
        (content, bytes)
    }
}

impl<'a> Body<'a> {
    /// The prompt of a human turn, where it is known.
    pub(super) fn prompt(change: &'a TurnChange) -> Option<Self> {
        let (content, bytes) = body_text(change.prompt.as_deref()?);
        let turn = &change.turn;
        Some(Self {
            session_uid: change.session_uid.as_str(),
            bucket: bucket(turn.seq),
            seq: turn.seq,
            idx: PROMPT_IDX,
            turn_uid: turn.uid.as_str(),
            tpe: 0,
            content: MaybeUnset::Set(content),
            bytes: MaybeUnset::Set(bytes),
            created_us: turn.created_at.0,
            rev: turn.rev,
            timestamp: turn.rev,
        })
    }

    /// A step.
    pub(super) fn step(session_uid: &'a Uid, seq: i32, step: &'a StepRow, absent: bool) -> Self {
        let (content, bytes) = body_text(&step.content);
        Self {
            session_uid: session_uid.as_str(),
            bucket: bucket(seq),
            seq,
            idx: step.idx,
            turn_uid: step.turn_uid.as_str(),
            tpe: step.tpe,
            content: known(absent, || content),
            bytes: known(absent, || bytes),
            created_us: step.created_at.0,
            rev: step.rev,
            timestamp: step.rev,
        }
    }
}
