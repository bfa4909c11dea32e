//! `Erasure`: the receipt of a removal for good.

use async_graphql::Enum;

use crate::domain::Timestamp;
use crate::graphql::engine::{At, Entity, Int, Obj, Str, Type, View, enumeration};
use crate::graphql::ids::{Id, IdOf};
use crate::graphql::scalars::Instant;
use crate::reads::Erasure as Receipt;

/// How far an erasure is.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ErasureState {
    /// Copies may be there still; they go as soon as the projector has come so far.
    Pending,
    /// Everything is gone.
    Done,
}

enumeration!(
    /// A state.
    State, ErasureState
);

fn state(done_at: Option<Timestamp>) -> ErasureState {
    if done_at.is_some() {
        ErasureState::Done
    } else {
        ErasureState::Pending
    }
}

/// The family of receipts.
pub(crate) struct ErasureV;

impl View for ErasureV {
    type Of<'a> = &'a Receipt;
}

/// The receipt.
pub(crate) struct Erasure;

impl Entity for Erasure {
    const NAME: &'static str = "Erasure";
    type V = ErasureV;

    fn declare(t: &mut Type<Self>) {
        t.doc("The receipt of a removal for good. It holds keys and times, never content.");
        t.field::<Id>("id", |At(e)| IdOf::of("Erasure", &e.uid))
            .doc("Pass it to `erasure(id:)` to see how far the copies are.");
        t.field::<Option<Id>>("sessionId", |At(e)| {
            e.session_uid.as_ref().map(|uid| IdOf::of("Session", uid))
        })
        .doc("The session; null where the whole account was erased.");
        t.field::<Int>("sessions", |At(e)| {
            i32::try_from(e.sessions).unwrap_or(i32::MAX)
        })
        .doc("Sessions that were removed.");
        t.field::<Instant>("requestedAt", |At(e)| e.at)
            .doc("When it was asked for.");
        t.field::<State>("state", |At(e)| {
            if e.stores.iter().all(|store| store.done_at.is_some()) {
                ErasureState::Done
            } else {
                ErasureState::Pending
            }
        })
        .doc("DONE when every store is.");
        t.list::<Obj<ErasureStore>>("stores", |At(e), push| {
            push(("RECORD", Some(e.at)));
            for store in &e.stores {
                push((&store.store, store.done_at));
            }
        })
        .doc("Each store: the record, which is done with the answer, and those with copies.");
    }
}

/// The family of stores of a receipt.
pub(crate) struct ErasureStoreV;

impl View for ErasureStoreV {
    type Of<'a> = (&'a str, Option<Timestamp>);
}

/// One store of a receipt.
pub(crate) struct ErasureStore;

impl Entity for ErasureStore {
    const NAME: &'static str = "ErasureStore";
    type V = ErasureStoreV;

    fn declare(t: &mut Type<Self>) {
        t.doc("How far an erasure is in one store.");
        t.field::<Str>("store", |At((store, _))| store)
            .doc("`RECORD`, or the kind of a store with copies, e.g. `CQL`.");
        t.field::<State>("state", |At((_, done_at))| state(done_at))
            .doc("PENDING while copies may be there.");
        t.field::<Option<Instant>>("at", |At((_, done_at))| done_at)
            .doc("When everything was gone there; null while it may be there still.");
    }
}
