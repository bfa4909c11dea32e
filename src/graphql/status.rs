//! `Query.status`: the stores as the read router sees them, and which program answers.

use std::sync::OnceLock;

use async_graphql::Enum;

use super::data::{Env, Looked};
use super::engine::{
    At, Bool, Entity, Failure, Float, Int, Obj, Part, Str, Type, View, enumeration,
};
use super::freshness::StoreName;
use crate::reads::guard::breaker;
use crate::reads::{StoreState, SystemState};

/// What a breaker does.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "breaker::BreakerState")]
pub(crate) enum BreakerState {
    /// The store is asked.
    Closed,
    /// The store failed too often or was too slow, and is left alone for a while.
    Open,
    /// The store is tried, one read at a time.
    HalfOpen,
}

enumeration!(
    /// A breaker's state.
    BreakerName, BreakerState
);

/// The family of states of the system.
pub(crate) struct SystemV;

impl View for SystemV {
    type Of<'a> = &'a SystemState;
}

/// The state of the system.
pub(crate) struct SystemStatus;

impl Entity for SystemStatus {
    const NAME: &'static str = "SystemStatus";
    type V = SystemV;

    fn declare(t: &mut Type<Self>) {
        t.doc("Which program answers, and how its stores are.");
        t.field::<Str>("version", |_| env!("CARGO_PKG_VERSION"))
            .doc("Version of the program.");
        t.field::<Str>("schemaHash", |_| schema_hash())
            .doc("SHA-256 of the schema as `turngraph schema print` writes it, in hex.");
        t.list::<Obj<StoreStatus>>("stores", |At(s), push| s.stores.iter().for_each(push))
            .doc("The stores behind this server, the record store first.");
        t.field::<Option<Int>>("lagMs", |At(s)| millis(s.lag_ms))
            .doc("How far the projections are behind the record store, in milliseconds; null without projections, or where it is not known.");
    }
}

/// The family of states of stores.
pub(crate) struct StoreV;

impl View for StoreV {
    type Of<'a> = &'a StoreState;
}

/// The state of a store.
pub(crate) struct StoreStatus;

impl Entity for StoreStatus {
    const NAME: &'static str = "StoreStatus";
    type V = StoreV;

    fn declare(t: &mut Type<Self>) {
        t.doc("How one store is.");
        t.field::<Str>("role", |At(s)| s.role)
            .doc("What it is for: `record`, `analytics`, `projection` or `cache`.");
        t.field::<StoreName>("store", |At(s)| s.kind.into())
            .doc("Which engine.");
        t.field::<Bool>("reachable", |At(s)| s.reachable)
            .doc("Whether it answered just now, within two seconds.");
        t.field::<Option<BreakerName>>("breaker", |At(s)| s.breaker.map(Into::into))
            .doc("What its breaker does; null where it has none.");
        t.field::<Option<Float>>("p99Ms", |At(s)| s.p99_ms)
            .doc("99 % of this server's last 512 reads of it took no longer, in milliseconds; null before the first.");
        t.field::<Option<Int>>("lagMs", |At(s)| millis(s.lag_ms))
            .doc("How far it is behind the record store, in milliseconds, where that is known.");
        t.field::<Str>("message", |At(s)| &s.message)
            .doc("Engine and version, or what is wrong; the server's log has the details.");
    }
}

fn millis(lag: Option<i64>) -> Option<i32> {
    lag.map(|ms| i32::try_from(ms).unwrap_or(i32::MAX))
}

/// The schema is the same for as long as the program runs.
fn schema_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        use sha2::Digest;
        let hash = sha2::Sha256::digest(super::sdl());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

/// The state of the system; a failure while it is being asked for, which nobody sees.
pub(crate) type Status = Part<Obj<SystemStatus>>;

pub(crate) fn status<'a>(env: &'a Env<'a>) -> Result<&'a SystemState, Failure<'a>> {
    let known: Looked<'a, &'a SystemState> = env.status();
    known?.ok_or(Failure {
        code: "INTERNAL",
        message: "The state of the stores is not known.",
    })
}
