//! `ReadInfo`: where a part of an answer came from, for whoever asks in the document itself.

use crate::domain::Revision;
use crate::graphql::data::{Env, SessionView};
use crate::graphql::engine::{At, Bool, Entity, Int, Str, Type, View};
use crate::graphql::freshness::{ConsistencyName, StoreName};
use crate::graphql::scalars::{Instant, Rev};
use crate::reads::Origin;

/// Where something came from, while it is written.
#[derive(Clone, Copy)]
pub(crate) struct ReadInfoOf<'a> {
    pub(crate) env: &'a Env<'a>,
    pub(crate) origin: Origin,
    pub(crate) revision: Option<&'a Revision>,
}

impl<'a> SessionView<'a> {
    /// Where the session came from.
    pub(crate) fn read_info(self) -> ReadInfoOf<'a> {
        ReadInfoOf {
            env: self.env,
            origin: self.data().oldest(),
            revision: Some(self.revision()),
        }
    }
}

/// The family of these.
pub(crate) struct ReadInfoV;

impl View for ReadInfoV {
    type Of<'a> = ReadInfoOf<'a>;
}

/// Where a part of an answer came from.
pub(crate) struct ReadInfo;

impl Entity for ReadInfo {
    const NAME: &'static str = "ReadInfo";
    type V = ReadInfoV;

    fn declare(t: &mut Type<Self>) {
        t.doc("Where a part of an answer came from, and how old it may be.");
        t.field::<StoreName>("source", |At(r)| r.origin.source.into())
            .doc("The store that answered; of several the one whose part is oldest.");
        t.field::<ConsistencyName>("consistency", |At(r)| r.env.data.consistency().into())
            .doc("How fresh the operation's reads were asked to be.");
        t.field::<Option<Int>>("lagMs", |At(r)| {
            let lag = r.origin.lag_ms?;
            Some(i32::try_from(lag).unwrap_or(i32::MAX))
        })
        .doc("How far behind the record store it may be, in milliseconds; null where that is not known.");
        t.field::<Option<Instant>>("asOf", |At(r)| r.origin.as_of)
            .doc(
                "Everything that was committed until then is in it; null where that is not known.",
            );
        t.field::<Option<Rev>>("revision", |At(r)| r.revision)
            .doc("What it holds, to be sent as `atLeast`; null for lists.");
        t.field::<Bool>("cacheHit", |At(r)| r.origin.is_cache())
            .doc("Whether it came from a cache.");
        t.field::<Bool>("stale", |At(r)| r.origin.stale)
            .doc("Whether it came from a cache entry past its age, shown while it is read anew.");
        t.field::<Bool>("degraded", |At(r)| r.env.data.reason().is_some())
            .doc("Whether something was amiss while the operation was read.");
        t.field::<Option<Str>>("degradedReason", |At(r)| r.env.data.reason())
            .doc("What was amiss.");
    }
}
