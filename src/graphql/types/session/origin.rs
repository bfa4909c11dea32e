//! What a session says of itself besides its turns: where it was forked from, and what is wrong
//! with the rows that other programs wrote.

use crate::domain::graph::Damage;
use crate::domain::{ForkOrigin, Uid};
use crate::graphql::data::{Env, SessionView};
use crate::graphql::engine::{At, Entity, Obj, Part, Str, Type, View};
use crate::graphql::scalars::{Instant, Key};

use super::super::turn::Turn;
use super::Session;

/// Where a fork came from, while it is written.
#[derive(Clone, Copy)]
pub(crate) struct ForkOf<'a> {
    pub(super) env: &'a Env<'a>,
    pub(super) origin: &'a ForkOrigin,
}

/// The family of origins.
pub(crate) struct ForkV;

impl View for ForkV {
    type Of<'a> = ForkOf<'a>;
}

/// Where a fork came from.
pub(crate) struct ForkOriginType;

impl Entity for ForkOriginType {
    const NAME: &'static str = "ForkOrigin";
    type V = ForkV;

    fn declare(t: &mut Type<Self>) {
        t.doc("The session and turn that a session was forked from.");
        t.field::<Part<Option<Obj<Session>>>>("session", |At(f)| {
            f.env.session(&f.origin.session_uid)
        })
        .doc("The session; null when it is gone.");
        t.field::<Part<Option<Obj<Turn>>>>("turn", |At(f)| {
            let Some(session) = f.env.session(&f.origin.session_uid)? else {
                return Ok(None);
            };
            session.loaded()?;
            let found = session.graph().find(&f.origin.turn_uid);
            Ok(found.map(|ix| session.turn(ix)))
        })
        .doc("The turn; null when it is gone.");
        t.field::<Instant>("at", |At(f)| f.origin.at).doc("When.");
    }
}

/// The family of damages.
pub(crate) struct DamageV;

impl View for DamageV {
    type Of<'a> = (SessionView<'a>, &'a Damage);
}

/// Something wrong with the stored turns.
pub(crate) struct DamageType;

impl Entity for DamageType {
    const NAME: &'static str = "SessionDamage";
    type V = DamageV;

    fn declare(t: &mut Type<Self>) {
        t.doc("Something wrong with the stored turns; navigation works all the same.");
        t.field::<Key>("turnUid", |At((_, damage))| turn_of(damage))
            .doc("Key of the turn.");
        t.field::<Str>("problem", |At((_, damage))| match damage {
            Damage::Orphan { .. } => "Its parent is not a turn of this session; it is a root now.",
            Damage::Cycle { .. } => "It is its own ancestor; the circle was cut above it.",
            Damage::Role { .. } => "It does not alternate with its parent, or is an agent root.",
            Damage::Duplicate { .. } => "Another turn has the same key; the later one is left out.",
        })
        .doc("What is wrong, and how it is treated.");
    }
}

fn turn_of(damage: &Damage) -> &Uid {
    match damage {
        Damage::Orphan { uid, .. }
        | Damage::Cycle { uid }
        | Damage::Role { uid }
        | Damage::Duplicate { uid } => uid,
    }
}
